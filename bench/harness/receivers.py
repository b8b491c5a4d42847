"""Receivers of events by HTTP, and an application that answers at once: a process of its own, so that what it costs is nobody else's.

    python3 receivers.py [--tls CERT KEY] KIND…

KIND is `webhook`, `splunk`, `sentinel` (which gives out its access tokens as well), `datadog`, `otlp` or `upstream`. The first line that it prints says their ports. Then, line by line of standard
input: {"mode": MODE, "of": [KIND…]}, answered by {}, where MODE is `well`, `down` (nobody listens), `slow` (three seconds), `garbage` (no HTTP),
a status such as 429, `expired` (the certificate; then {"cert", "key"} are named as well); {"count": true}, answered by what each has taken;
{"seen": FILE}, answered by {} once the file has {KIND: [[link, id]…]} in the order in which they were taken.
"""
import asyncio
import gzip
import json
import os
import re
import ssl
import sys

DECODER = json.JSONDecoder()


def of_splunk(text):
    place = 0
    while place < len(text):
        event, place = DECODER.raw_decode(text, place)
        yield int(event["fields"]["link"]), event["fields"]["event_id"]
        while place < len(text) and text[place].isspace():
            place += 1


# Two attributes of a log record as protobuf has them: a key, and a value that is a text of 36 bytes or a number of seven bits to a byte.
OTLP = re.compile(rb"log\.record\.uid\x12.\x0a\x24(.{36}).*?doorward\.link\x12.\x18([\x80-\xff]*[\x00-\x7f])", re.DOTALL)


def of_otlp(body):
    for found in OTLP.finditer(body):
        yield sum((digit & 0x7F) << 7 * place for place, digit in enumerate(found[2])), found[1].decode()


def told(kind, body):
    """The link and id of each event of a request."""
    if kind == "otlp":
        return list(of_otlp(body))
    if kind == "splunk":
        return list(of_splunk(body.decode()))
    events = json.loads(body)
    if kind == "sentinel":
        return [(row["Link"], row["EventId"]) for row in events]
    if kind == "datadog":
        events = [json.loads(entry["message"]) for entry in events]
    return [(event["link"], event["id"]) for event in events]


TOKEN = (200, "application/json", b'{"token_type":"Bearer","expires_in":3600,"access_token":"bench"}')
GOOD = {
    "webhook": (200, "application/json", b"{}"),
    "splunk": (200, "application/json", b'{"text":"Success","code":0}'),
    "sentinel": (204, "application/json", b""),
    "datadog": (202, "application/json", b"{}"),
    "otlp": (200, "application/x-protobuf", b""),
    "upstream": (200, "text/plain", b"ok"),
}


class Receiver:
    def __init__(self, kind, context):
        self.kind, self.context, self.mode, self.seen = kind, context, "well", []
        self.port, self.server, self.open = 0, None, set()

    async def listen(self):
        self.server = await asyncio.start_server(self.talk, "127.0.0.1", self.port, ssl=self.context, limit=1 << 24)
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self):
        if self.server:
            self.server.close()
            self.server = None
        for writer in list(self.open):
            writer.transport.abort()

    async def talk(self, reader, writer):
        self.open.add(writer)
        try:
            while await self.one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def one(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        lines = head.split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        body = await reader.readexactly(length)
        mode = self.mode
        if mode == "garbage":
            writer.write(b"\x00\x01 this is no answer\r\n\r\n")
            await writer.drain()
            return False
        if isinstance(mode, int):
            status, content, text = mode, "text/plain", b"told to"
        else:
            if mode == "slow":
                await asyncio.sleep(3)
            asks_for_token = b"/oauth2/v2.0/token " in lines[0]
            if self.kind != "upstream" and not asks_for_token:
                self.seen += told(self.kind, gzip.decompress(body) if b"content-encoding: gzip" in head else body)
            status, content, text = TOKEN if asks_for_token else GOOD[self.kind]
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Type: {content}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()
        return True


def speaking(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


async def obey(receivers, order):
    if order.get("count"):
        return {kind: len(receiver.seen) for kind, receiver in receivers.items()}
    if "seen" in order:
        with open(order["seen"], "w", encoding="utf-8") as file:
            json.dump({kind: receiver.seen for kind, receiver in receivers.items()}, file)
        return {}
    for kind in order["of"]:
        receiver = receivers[kind]
        if "cert" in order:
            receiver.context = speaking(order["cert"], order["key"])
            await receiver.close()
        if order["mode"] == "down":
            await receiver.close()
        elif receiver.server is None:
            await receiver.listen()
        receiver.mode = order["mode"]
    return {}


async def main(words):
    context = None
    if words and words[0] == "--tls":
        context, words = speaking(words[1], words[2]), words[3:]
    receivers = {kind: Receiver(kind, context if kind == "webhook" else None) for kind in words}
    for receiver in receivers.values():
        await receiver.listen()
    print(json.dumps({kind: receiver.port for kind, receiver in receivers.items()}), flush=True)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        print(json.dumps(await obey(receivers, json.loads(line))), flush=True)
    # Whoever still waits for an answer is not to be told of the end.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
