"""A mail server (aiosmtpd) that keeps what it is given: with TLS from the first byte, STARTTLS or neither, with or without a password.

One JSON line says that it is ready: {"port","control"}. It stops when its standard input closes.
Control (HTTP, JSON):
  GET /letters     [{from, to, tls, user, raw, headers: [[name, value]…], text, html}]
  DELETE /letters
  GET /mailbox     the newest letter as HTML, once there is one: for a browser
  GET /heard       [{verb, tls}…]: every command of every connection, without its arguments
  POST /knobs      {"reject": 550, "greylist": N, "slow_ms": MS, "hang": true}: refuse every recipient with this code; refuse the next N
                   letters with 451; wait before taking a letter; never answer DATA. What is left out is as usual again.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.smtp import SMTP, AuthResult

letters, heard, knobs = [], [], {}


class Keeper:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if knobs.get("reject"):
            return f"{knobs['reject']} 5.7.1 not taken here"
        if knobs.get("greylist", 0) > 0:
            knobs["greylist"] -= 1
            return "451 4.7.1 greylisted, come back later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        if knobs.get("hang"):
            await asyncio.sleep(3600)
        await asyncio.sleep(knobs.get("slow_ms", 0) / 1000)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: (found := message.get_body((kind,))) and found.get_content()
        letters.append({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or server.implicit,
            "user": session.auth_data.decode() if session.auth_data else None,
            "raw": envelope.content.decode("latin-1"),
            "headers": [[name, str(value)] for name, value in message.items()],
            "text": part("plain"),
            "html": part("html"),
        })
        return "250 2.0.0 taken"


class Listener(SMTP):
    implicit = False

    def note(self, verb):
        heard.append({"verb": verb, "tls": self.session.ssl is not None or self.implicit})

    async def smtp_MAIL(self, arg):
        self.note("MAIL")
        await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg):
        self.note("RCPT")
        await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg):
        self.note("DATA")
        await super().smtp_DATA(arg)

    async def smtp_AUTH(self, arg):
        self.note("AUTH")
        await super().smtp_AUTH(arg)

    async def smtp_STARTTLS(self, arg):
        self.note("STARTTLS")
        await super().smtp_STARTTLS(arg)

    async def smtp_EHLO(self, arg):
        self.note("EHLO")
        await super().smtp_EHLO(arg)


class Control(BaseHTTPRequestHandler):
    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/mailbox":
            return self.show()
        self.answer({"/letters": letters, "/heard": heard}[self.path])

    def show(self):
        """The newest letter as a mail program would show it, once there is one."""
        for _ in range(200):
            if letters:
                break
            time.sleep(0.05)
        body = letters[-1]["html"].encode()
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_DELETE(self):
        letters.clear()
        self.answer({})

    def do_POST(self):
        length = int(self.headers["content-length"])
        knobs.clear()
        knobs.update(json.loads(self.rfile.read(length)))
        self.answer({})

    def log_message(self, *_):
        pass


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--tls", choices=["implicit", "starttls", "none"], default="none")
    options.add_argument("--cert")
    options.add_argument("--key")
    options.add_argument("--user")
    options.add_argument("--password")
    options.add_argument("--port", type=int, default=0)
    given = options.parse_args()

    context = None
    if given.tls != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.cert, given.key)

    def authenticate(server, session, envelope, mechanism, data):
        right = (data.login, data.password) == (given.user.encode(), given.password.encode())
        return AuthResult(success=right, handled=right, auth_data=data.login if right else None)

    def listener():
        made = Listener(
            Keeper(),
            hostname="mail.test",
            tls_context=context if given.tls == "starttls" else None,
            require_starttls=given.tls == "starttls",
            authenticator=authenticate if given.user else None,
            auth_required=bool(given.user),
            auth_require_tls=False,
            loop=loop,
        )
        made.implicit = given.tls == "implicit"
        return made

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(listener, "127.0.0.1", given.port, ssl=context if given.tls == "implicit" else None)
    )
    control = ThreadingHTTPServer(("127.0.0.1", 0), Control)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(loop.stop)), daemon=True).start()
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"port": port, "control": control.server_address[1]}), flush=True)
    loop.run_forever()


if __name__ == "__main__":
    main()
