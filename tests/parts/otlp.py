"""A receiver of OTLP logs over HTTP that reads what comes with OpenTelemetry's own protobuf classes, and OpenTelemetry's own exporter.

Without `--export`, one JSON line says that it is ready: {"port","control"}; it stops when its standard input closes. `--cert F --key F`: by TLS.
Control (HTTP, JSON):
  GET /requests    [{path, headers: {name: value}, logs: the request as ProtoJSON, ids: [log.record.uid…], answered}]
  GET /records     [{resource, record}]: what was taken, in order
  POST /knobs      {"status": 503, "headers": {…}, "text": "…"}: answer this; {"reject": [word…]}: reject records that hold one of the words (partial
                   success); {"advice": "…"}: take all and say this; {"hang": true}: never answer; {"json": true}: answer in JSON. Each time anew.
With `--export URL`, the SDK's exporter sends one record there and the program ends.
"""

import argparse
import gzip
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

requests, records, knobs, lock = [], [], {}, threading.Lock()


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, kind, body, headers=None):
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length", 0)))


class Receiver(Quiet):
    def do_POST(self):
        body = self.body()
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.headers.get("content-type") != "application/x-protobuf":
            return self.answer(415, "text/plain", b"not protobuf")
        asked = ExportLogsServiceRequest.FromString(body)
        seen = {"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}, "logs": MessageToDict(asked)}
        with lock:
            now = dict(knobs)
            requests.append(seen)
        seen["answered"] = now.get("status", 200)
        if now.get("hang"):
            time.sleep(3600)
        if self.path != "/v1/logs":
            return self.answer(404, "text/plain", b"there is nothing here")
        if "status" in now:
            return self.answer(now["status"], "text/plain", now.get("text", "no").encode(), now.get("headers"))
        taken, rejected = [], 0
        for resource in asked.resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    shown = MessageToDict(record)
                    if any(word in json.dumps(shown) for word in now.get("reject", [])):
                        rejected += 1
                    else:
                        taken.append({"resource": MessageToDict(resource.resource), "scope": MessageToDict(scope.scope), "record": shown})
        with lock:
            records.extend(taken)
        said = ExportLogsServiceResponse()
        if rejected:
            said.partial_success.rejected_log_records = rejected
            said.partial_success.error_message = "there was a forbidden word"
        elif "advice" in now:
            said.partial_success.error_message = now["advice"]
        if now.get("json"):
            return self.answer(200, "application/json", json.dumps(MessageToDict(said)).encode())
        self.answer(200, "application/x-protobuf", said.SerializeToString())


class Control(Quiet):
    def do_GET(self):
        with lock:
            found = {"/requests": requests, "/records": records}[self.path]
            self.answer(200, "application/json", json.dumps(found).encode())

    def do_POST(self):
        with lock:
            knobs.clear()
            knobs.update(json.loads(self.body()))
        self.answer(200, "application/json", b"{}")


def export(url):
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    provider = LoggerProvider(resource=Resource({"service.name": "doorward", "service.version": "1", "host.name": "here"}))
    exporter = OTLPLogExporter(endpoint=url, headers={"authorization": "Bearer a"}, compression=Compression.Gzip)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("doorward.audit", version="1").emit(LogRecord(
        timestamp=1795320000123000000, observed_timestamp=1795320001000000000, severity_number=SeverityNumber.WARN, severity_text="warning",
        event_name="doorward.sign_in", attributes={"log.record.uid": "1", "doorward.link": 7},
        body={"text": "a", "number": 7, "broken": 0.5, "yes": True, "list": [1, "b"], "map": {"c": "d"}},
    ))
    provider.shutdown()


def main():
    known = argparse.ArgumentParser()
    for name in ["export", "cert", "key"]:
        known.add_argument(f"--{name}")
    given = known.parse_args()
    if given.export:
        return export(given.export)
    receiver, control = ThreadingHTTPServer(("127.0.0.1", 0), Receiver), ThreadingHTTPServer(("127.0.0.1", 0), Control)
    if given.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.cert, given.key)
        receiver.socket = context.wrap_socket(receiver.socket, server_side=True, do_handshake_on_connect=False)
    for server in [receiver, control]:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": receiver.server_address[1], "control": control.server_address[1]}), flush=True)
    sys.stdin.read()


main()
