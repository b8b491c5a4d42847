"""A receiver of signed webhooks: checks each request with the library of Standard Webhooks, keeps what it takes, fails as it is told.

One JSON line says that it is ready: {"port","control"}. It stops when its standard input closes.
--secret TEXT     what requests are signed with: `whsec_…`, or text that is its own key
--cert F --key F  speaks TLS
--client-ca F     and wants a client certificate of this authority
Control (HTTP, JSON):
  GET /seen      [[chain, link, id]…] in the order of arrival, each time it was taken; events in the form `doorward`
  GET /events    [{…}…]: the bodies that were taken, in that order
  GET /last      {headers, verified, certificate}: of the last request
  GET /asked     {requests, refused}
  POST /knobs    {"status": 503, "retry_after": 2, "slow_ms": MS, "garbage": true, "cut": true, "poison": TEXT}: answer everything with
                 this status; wait before answering; answer what is no HTTP; take the events, and cut the connection before the
                 answer; 400 for every batch that holds this text. What is left out is as usual again.
"""

import argparse
import base64
import gzip
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook

lock = threading.Lock()
taken, knobs, last, asked = [], {}, {}, {"requests": 0, "refused": 0}


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self, status, value, headers=()):
        text = json.dumps(value).encode()
        self.send_response(status)
        for name, content in [("content-type", "application/json"), ("content-length", str(len(text))), *headers]:
            self.send_header(name, content)
        self.end_headers()
        self.wfile.write(text)


class Receiver(Quiet):
    def do_POST(self):
        told, raw = dict(knobs), self.body()
        text = gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw
        time.sleep(told.get("slow_ms", 0) / 1000)
        certificate = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        with lock:
            asked["requests"] += 1
            last.update(headers={name.lower(): value for name, value in self.headers.items()}, certificate=certificate, verified=False)
        if told.get("garbage"):
            self.wfile.write(b"\x00\x01 this is no answer\r\n\r\n")
            self.close_connection = True
            return
        if "status" in told:
            wait = [("retry-after", str(told["retry_after"]))] if "retry_after" in told else []
            return self.answer(told["status"], {"error": "told to"}, wait)
        try:
            events = hook.verify(text, {name.lower(): value for name, value in self.headers.items()})
        except Exception as error:
            return self.answer(401, {"error": str(error)})
        if told.get("poison") and told["poison"] in text.decode():
            with lock:
                asked["refused"] += 1
            return self.answer(400, {"error": "an event that cannot be taken"})
        with lock:
            last["verified"] = True
            taken.extend(events)
        if told.get("cut"):
            self.close_connection = True
            return
        self.answer(200, {"taken": len(events)})


class Control(Quiet):
    def do_GET(self):
        with lock:
            pages = {
                "/seen": lambda: [[event.get("chain"), event.get("link"), event.get("id")] for event in taken],
                "/events": lambda: taken,
                "/last": lambda: last,
                "/asked": lambda: asked,
            }
            self.answer(200, pages[self.path]())

    def do_POST(self):
        told = json.loads(self.body())
        with lock:
            knobs.clear()
            knobs.update(told)
        self.answer(200, {})


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass


def main():
    global hook
    known = argparse.ArgumentParser()
    known.add_argument("--port", type=int, default=0)
    for name in ["secret", "cert", "key", "client-ca"]:
        known.add_argument(f"--{name}")
    given = known.parse_args()
    secret = given.secret if given.secret.startswith("whsec_") else base64.b64encode(given.secret.encode()).decode()
    hook = Webhook(secret)
    receiver = Server(("127.0.0.1", given.port), Receiver)
    if given.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.cert, given.key)
        if given.client_ca:
            context.load_verify_locations(given.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        # The handshake is made by the thread of the connection, so that one that fails holds up no other.
        receiver.socket = context.wrap_socket(receiver.socket, server_side=True, do_handshake_on_connect=False)
    control = Server(("127.0.0.1", 0), Control)
    for server in [receiver, control]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": receiver.server_port, "control": control.server_port}), flush=True)
    sys.stdin.read()


main()
