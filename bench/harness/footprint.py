"""What Doorward takes while nobody asks: time to the first answer, idle memory, memory of idle TLS connections.

Refuses to count a connection whose handshake did not finish: each one is TLS 1.3 and stays open while memory is read.
"""
import os
import resource
import socket
import ssl
import statistics
import subprocess
import time

from . import accounting


def unverified():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def answers(port, context):
    """Whether a whole request is answered with 200 now."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as tcp, context.wrap_socket(tcp) as tls:
            tls.sendall(b"GET /public/small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return tls.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def start_milliseconds(command, port, times=11):
    """From exec to the first answered request over TLS, with an existing store; the median of several."""
    context, taken = unverified(), []
    for _ in range(times):
        begun = time.perf_counter()
        process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not answers(port, context):
            if process.poll() is not None or time.perf_counter() - begun > 20:
                raise SystemExit("it did not start")
            time.sleep(0.001)
        taken.append((time.perf_counter() - begun) * 1000)
        process.terminate()
        process.wait(30)
    return statistics.median(taken)


def idle_mib(pid, seconds=3):
    time.sleep(seconds)
    return accounting.resident_kib(pid) / 1024


def connection_kib(pid, port, count):
    """Memory that each of `count` idle TLS connections adds."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context, kept = unverified(), []
    before = accounting.resident_kib(pid)
    try:
        for number in range(count):
            # One source address has only so many ports.
            tcp = socket.create_connection(("127.0.0.1", port), 30, (f"127.0.{number // 20000 + 1}.1", 0))
            tls = context.wrap_socket(tcp)
            tls.sendall(b"GET /public/small HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not tls.recv(4096).startswith(b"HTTP/1.1 200"):
                raise SystemExit("an idle connection was not answered first")
            kept.append(tls)
        time.sleep(2)
        return (accounting.resident_kib(pid) - before) / count
    finally:
        for tls in kept:
            tls.close()
