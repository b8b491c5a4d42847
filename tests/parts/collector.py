"""Rotel, an OpenTelemetry collector, which passes on by OTLP what it takes by OTLP.

One JSON line says that it is ready: {"port"}; it stops when its standard input closes. `--to URL`: where it passes it on (OTLP over HTTP).
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

import rotel


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def main():
    known = argparse.ArgumentParser()
    known.add_argument("--to", required=True)
    given = known.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="doorward-rotel") as folder:
        collector = subprocess.Popen(
            [os.path.join(os.path.dirname(rotel.__file__), "rotel-agent"), "start",
             "--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}",
             "--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", given.to,
             "--pid-file", os.path.join(folder, "pid"), "--log-file", os.path.join(folder, "log")],
            stdin=subprocess.DEVNULL, stdout=sys.stderr,
        )
        try:
            until = time.monotonic() + 60
            while not answers(port):
                if collector.poll() is not None or time.monotonic() > until:
                    sys.exit("the collector did not come up")
                time.sleep(0.02)
            print(json.dumps({"port": port}), flush=True)
            sys.stdin.read()
        finally:
            collector.terminate()
            collector.wait()


main()
