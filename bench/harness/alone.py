"""Doorward alone, without an upstream: it is asked for what it answers itself, so that nothing but the door and its store works.
"""
import os
import socket
import subprocess
import time

from . import accounting


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def configure(folder, port, url, more=""):
    """A folder with a configuration and nothing else; says where the configuration is."""
    os.makedirs(folder, exist_ok=True)
    path = f"{folder}/doorward.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f"version: 1\npublic_url: http://127.0.0.1:{port}\nlisteners: [{{ address: 127.0.0.1:{port} }}]\n"
            f"upstream: {{ url: http://127.0.0.1:9 }}\nstore: {{ url: '{url}' }}\n"
            f"secret_key: 0123456789abcdef0123456789abcdef\nlogging: {{ access: false, level: warn }}\n{more}"
        )
    return path


class Door:
    """A running door, and one connection to it."""

    def __init__(self, binary, config, port):
        begun = time.monotonic()
        self.port = port
        self.process = subprocess.Popen(
            [binary, "serve", "--json", "--config", config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout.readline(), "the door did not start"
        self.start = time.monotonic() - begun
        self.connection = socket.create_connection(("127.0.0.1", port), 60)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, header, method="GET", path="/.doorward/session", body=b""):
        """The status and the body of the answer; its length has to be told."""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{header}\r\n"
        if body:
            head += f"Content-Type: application/scim+json\r\nContent-Length: {len(body)}\r\n"
        self.connection.sendall(head.encode() + b"\r\n" + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.more()
        head, rest = answer.split(b"\r\n\r\n", 1)
        lines = head.lower().split(b"\r\n")
        status = int(lines[0].split(b" ")[1])
        lengths = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")]
        parts, there = [rest], len(rest)
        while lengths and there < lengths[0]:
            parts.append(self.more())
            there += len(parts[-1])
        return status, b"".join(parts)

    def more(self):
        read = self.connection.recv(1 << 20)
        assert read, "the door closed the connection"
        return read

    def cpu(self):
        """Microseconds on a processor, of all threads."""
        return accounting.spent_microseconds({}, accounting.processor_time(self.process.pid))

    def memory(self):
        """Resident MiB."""
        return accounting.resident_kib(self.process.pid) / 1024

    def peak(self):
        """Resident MiB at most since the start."""
        return accounting.peak_kib(self.process.pid) / 1024

    def measure(self, headers):
        """CPU microseconds of a request for its own answer, and the latencies of all in microseconds."""
        before, latencies = self.cpu(), []
        for header in headers:
            begun = time.perf_counter()
            status, _ = self.ask(header)
            latencies.append((time.perf_counter() - begun) * 1e6)
            assert status == 200, status
        return (self.cpu() - before) / len(latencies), latencies

    def stop(self):
        self.connection.close()
        self.process.terminate()
        self.process.wait()
