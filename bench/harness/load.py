"""Drives one scenario with h2load and reads back requests, rate and latency.

Every answer must be a 200 and every connection TLS 1.3 with one cipher; anything else stops the run, because a proxy
that refuses quickly would look fast.
"""
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

CIPHER = "TLS_AES_128_GCM_SHA256"


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    arguments: tuple
    path: str
    requests: int  # at --effort 1; each run lasts around a second


SCENARIOS = {s.name: s for s in (
    Scenario("h1", "HTTP/1.1, keep-alive, small answer", ("--h1", "-c64"), "/small", 20_000),
    Scenario("h2", "HTTP/2, small answer", ("-c16", "-m4"), "/small", 20_000),
    Scenario("handshake", "full TLS 1.3 handshake for each request",
             ("--h1", "-c32", "-H", "Connection: close"), "/small", 2_000),
    Scenario("mib", "1 MiB answers over HTTP/1.1", ("--h1", "-c8"), "/mib", 500),
)}


@dataclass(frozen=True)
class Outcome:
    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def drive(h2load, cores, scenario, requests, peer):
    with tempfile.NamedTemporaryFile() as log:
        command = ["taskset", "-c", cores, h2load, "-t2", f"--tls13-ciphers={CIPHER}", "--groups=X25519",
                   f"-n{requests}", f"--log-file={log.name}", *scenario.arguments]
        for header in peer.headers:
            command += ["-H", header]
        done = subprocess.run([*command, f"https://localhost:{peer.port}{peer.prefix}{scenario.path}"], capture_output=True, text=True)
        latencies = sorted(int(line.rsplit("\t", 1)[1]) for line in Path(log.name).read_text().splitlines())
    return read_back(done.stdout + done.stderr, requests, latencies)


def read_back(text, requests, latencies):
    answered = re.search(r"status codes: (\d+) 2xx", text)
    if not answered or int(answered[1]) != requests or "TLSv1.3" not in text or CIPHER not in text:
        raise SystemExit(f"not every request was answered well over TLS 1.3:\n{text}")
    rate = float(re.search(r"finished in .*?, ([\d.]+) req/s", text)[1])
    return Outcome(requests, rate, percentile(latencies, 0.5) / 1000, percentile(latencies, 0.99) / 1000)
