"""Requests at a rate, over several connections, whatever happens to whoever answers: a process of its own.

    python3 rate.py PORT RATE SECONDS OUT PATH [HEADER…]

Writes into OUT {"latencies": [microseconds…], "statuses": {STATUS: how many}, "ids": [[request id…]…]}: of each connection the ids in the
order in which they were answered. A request that nobody answers is not sent again; the next one is, on a new connection. A latency is that of the
request alone: where this process itself is late, the request is sent late.
"""
import json
import socket
import sys
import threading
import time

CONNECTIONS = 4


class Client:
    def __init__(self, port, request, every, first):
        self.port, self.request, self.every, self.next = port, request, every, first
        self.socket, self.rest = None, b""
        self.latencies, self.statuses, self.ids = [], {}, []

    def run(self, end):
        while self.next < end and time.monotonic() < end:
            wait = self.next - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            self.next += self.every
            try:
                self.one()
            except OSError:
                if self.socket:
                    self.socket.close()
                self.socket = None

    def one(self):
        if self.socket is None:
            self.socket, self.rest = socket.create_connection(("127.0.0.1", self.port), 20), b""
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = time.perf_counter()
        self.socket.sendall(self.request)
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.lower().split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines[1:])
        length = int(fields.get(b"content-length", b"0"))
        while len(self.rest) < length:
            self.more()
        self.rest = self.rest[length:]
        self.latencies.append(round((time.perf_counter() - begun) * 1e6))
        status = lines[0].split(b" ")[1].decode()
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.ids.append(fields.get(b"x-request-id", b"").decode())

    def more(self):
        read = self.socket.recv(1 << 16)
        if not read:
            raise ConnectionResetError
        self.rest += read


def main(port, rate, seconds, out, path, *headers):
    head = "".join(f"{header}\r\n" for header in headers)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{head}\r\n".encode()
    begun, every = time.monotonic(), CONNECTIONS / float(rate)
    clients = [Client(int(port), request, every, begun + every * place / CONNECTIONS) for place in range(CONNECTIONS)]
    threads = [threading.Thread(target=client.run, args=[begun + float(seconds)]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = {}
    for client in clients:
        for status, count in client.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    told = {"latencies": [late for client in clients for late in client.latencies], "statuses": statuses, "ids": [client.ids for client in clients]}
    with open(out, "w", encoding="utf-8") as file:
        json.dump(told, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
