"""A receiver of OTLP over HTTP that reads what comes with OpenTelemetry's own protobuf classes, and OpenTelemetry's own exporters.

Without `--export`, one JSON line says that it is ready: {"port","control"}; it stops when its standard input closes. `--cert F --key F`: by TLS.
Control (HTTP, JSON):
  GET /requests    [{path, headers: {name: value}, logs (or traces, or metrics): the request as ProtoJSON, answered}]
  GET /records     [{resource, record}]: what was taken, in order
  GET /spans       [{resource, scope, span}]: likewise, with ids in hexadecimal
  GET /conventions [name]: the attributes of OpenTelemetry's semantic conventions
  POST /knobs      {"status": 503, "headers": {…}, "text": "…"}: answer this; {"reject": [word…]}: reject records that hold one of the words (partial
                   success); {"advice": "…"}: take all and say this; {"hang": true}: never answer; {"json": true}: answer in JSON; {"success": 202}: with this
                   status; {"silent": true}: take all and say nothing (fluent-bit, Grafana Cloud). Each time anew.
Spans that are none (ids, times, names, an attribute twice) are answered with 400.
With `--export URL`, the SDK's exporter sends one record there and the program ends; with `--export-telemetry URL` a trace and its metrics.
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
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

requests, records, spans, knobs, lock = [], [], [], {}, threading.Lock()
SIGNALS = {
    "/v1/logs": ("logs", ExportLogsServiceRequest),
    "/v1/traces": ("traces", ExportTraceServiceRequest),
    "/v1/metrics": ("metrics", ExportMetricsServiceRequest),
}


def flaw(span):
    """What keeps it from being a span, if anything does (trace.proto)."""
    names = [attribute.key for attribute in span.attributes]
    if len(span.trace_id) != 16 or not any(span.trace_id) or len(span.span_id) != 8 or not any(span.span_id):
        return "ids"
    if len(span.parent_span_id) not in (0, 8):
        return "parent"
    if not 0 < span.start_time_unix_nano <= span.end_time_unix_nano:
        return "times"
    if not span.name or span.kind == 0:
        return "name or kind"
    if len(names) != len(set(names)) or not all(names):
        return "attributes"
    return None


def shown(span):
    return {**MessageToDict(span), "traceId": span.trace_id.hex(), "spanId": span.span_id.hex(), "parentSpanId": span.parent_span_id.hex()}


def conventions():
    import importlib
    import pkgutil
    from opentelemetry.semconv import _incubating, attributes

    names = set()
    for package in [attributes, importlib.import_module(_incubating.__name__ + ".attributes")]:
        for module in pkgutil.iter_modules(package.__path__):
            found = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
            names |= {value for value in found.values() if isinstance(value, str) and "." in value and value.islower()}
    return sorted(names)


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
        signal, kind = SIGNALS.get(self.path, SIGNALS["/v1/logs"])
        asked = kind.FromString(body)
        seen = {"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}, signal: MessageToDict(asked)}
        with lock:
            now = dict(knobs)
            requests.append(seen)
        seen["answered"] = now.get("status", 200)
        if now.get("hang"):
            time.sleep(3600)
        if self.path not in SIGNALS:
            return self.answer(404, "text/plain", b"there is nothing here")
        if "status" in now:
            return self.answer(now["status"], "text/plain", now.get("text", "no").encode(), now.get("headers"))
        if signal == "metrics":
            return self.answer(200, "application/x-protobuf", ExportMetricsServiceResponse().SerializeToString())
        if signal == "traces":
            return self.traces(asked, now)
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
        success = now.get("success", 200)
        if now.get("json"):
            return self.answer(success, "application/json", b"" if now.get("silent") else json.dumps(MessageToDict(said)).encode())
        self.answer(success, "application/x-protobuf", b"" if now.get("silent") else said.SerializeToString())

    def traces(self, asked, now):
        taken, rejected = [], 0
        for resource in asked.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    if flaw(span):
                        return self.answer(400, "text/plain", flaw(span).encode())
                    if any(word in span.name for word in now.get("reject", [])):
                        rejected += 1
                    else:
                        taken.append({"resource": MessageToDict(resource.resource), "scope": MessageToDict(scope.scope), "span": shown(span)})
        with lock:
            spans.extend(taken)
        said = ExportTraceServiceResponse()
        said.partial_success.rejected_spans = rejected
        self.answer(200, "application/x-protobuf", said.SerializeToString())


class Control(Quiet):
    def do_GET(self):
        if self.path == "/conventions":
            return self.answer(200, "application/json", json.dumps(conventions()).encode())
        with lock:
            found = {"/requests": requests, "/records": records, "/spans": spans}[self.path]
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


def export_telemetry(url):
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.trace import SpanKind, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    resource, how = Resource({"service.name": "doorward"}), {"headers": {"authorization": "Bearer a"}, "compression": Compression.Gzip}
    tracing = TracerProvider(resource=resource)
    tracing.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces", **how)))
    tracer = tracing.get_tracer("doorward", "1")
    above = TraceContextTextMapPropagator().extract({"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
    server = tracer.start_span("GET /open/**", context=above, kind=SpanKind.SERVER)
    server.set_attributes({"http.request.method": "GET", "http.response.status_code": 500})
    server.set_status(StatusCode.ERROR)
    server.end()
    tracing.shutdown()
    metering = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{url}/v1/metrics", **how))], resource=resource)
    meter = metering.get_meter("doorward", "1")
    meter.create_counter("counter", description="what it counts").add(1, {"route": "/open/**"})
    meter.create_histogram("histogram_seconds", "s").record(0.5, {"route": "/open/**"})
    meter.create_gauge("gauge").set(0.5)
    metering.shutdown()


def main():
    known = argparse.ArgumentParser()
    for name in ["export", "export-telemetry", "cert", "key"]:
        known.add_argument(f"--{name}")
    given = known.parse_args()
    if given.export:
        return export(given.export)
    if given.export_telemetry:
        return export_telemetry(given.export_telemetry)
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
