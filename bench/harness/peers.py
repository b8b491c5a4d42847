"""The proxies under test: how each is configured and started, on one core, with one certificate and one upstream.

Nothing here is tuned beyond what an operator would write: one worker, TLS 1.3, a keep-alive pool, no access log.
"""
import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from .parts import is_wanted


@dataclass
class Peer:
    """One row of the table; several rows may share one process (Doorward's credentials)."""
    name: str
    pid: int
    port: int
    prefix: str = ""
    headers: tuple = ()


@dataclass
class Started:
    processes: list = field(default_factory=list)

    def start(self, cores, command, **more):
        process = subprocess.Popen(["taskset", "-c", cores, *map(str, command)], stdin=subprocess.DEVNULL, **more)
        self.processes.append(process)
        return process.pid

    def stop_last(self):
        process = self.processes.pop()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self):
        while self.processes:
            self.stop_last()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port}")


def certificate(openssl, folder: Path):
    cert, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    (folder / "tls.pem").write_text(cert.read_text() + key.read_text())
    for path in (folder, cert, key, folder / "tls.pem"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return cert, key


NGINX = """
worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.err crit;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  {body}
}}
"""

UPSTREAM = """
  sendfile on; tcp_nopush on;
  server {{
    listen 127.0.0.1:{port} backlog=4096; root {folder}/files;
    location ~ /small$ {{ default_type application/json; return 200 '{small}'; }}
    location ~ /mib$ {{ try_files /mib =404; }}
    location = /judge {{ return 204; }}
  }}
"""

NGINX_PROXY = """
  upstream app {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000000; }}
  ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.3; ssl_session_tickets on;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
  server {{
    listen 127.0.0.1:{plain} ssl http2 backlog=4096;
    location / {{ proxy_pass http://app; }}
  }}
  server {{
    listen 127.0.0.1:{judged} ssl http2 backlog=4096;
    location / {{
      auth_request /judge;
      auth_request_set $user $upstream_http_x_user;
      proxy_set_header X-User $user; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_pass http://app;
    }}
    location = /judge {{
      internal; proxy_pass http://app; proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_set_header Connection ""; proxy_set_header Host $host;
    }}
  }}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 4000
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 60s
  http-reuse always
frontend door
  bind 127.0.0.1:{port} ssl crt {pem} alpn h2,http/1.1
  default_backend app
backend app
  server app 127.0.0.1:{upstream} pool-max-conn 128
"""

CADDY = """{{
  admin off
  auto_https off
  servers {{
    protocols h1 h2
  }}
}}
https://localhost:{port} {{
  bind 127.0.0.1
  tls {cert} {key} {{
    protocols tls1.3
  }}
  reverse_proxy 127.0.0.1:{upstream} {{
    transport http {{
      keepalive_idle_conns_per_host 128
    }}
  }}
}}
"""

ENVOY = """
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_params: {{ tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 }}
            tls_certificates:
            - {{ certificate_chain: {{ filename: {cert} }}, private_key: {{ filename: {key} }} }}
      filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: door
          route_config:
            virtual_hosts:
            - {{ name: all, domains: ["*"], routes: [{{ match: {{ prefix: / }}, route: {{ cluster: app }} }}] }}
          http_filters:
          - name: router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: app
    connect_timeout: 5s
    load_assignment:
      cluster_name: app
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {upstream} }} }} }} }}] }}]
"""

SMALL = '{"greeting":"hello from the application","items":[1,2,3,4,5,6,7,8],"note":"a small answer of about 128 bytes, as many calls have"}'


class Field:
    """Everything that runs during the benchmark, in one temporary folder."""

    def __init__(self, programs, folder: Path, proxy_core, upstream_core):
        self.programs, self.folder = programs, folder
        self.proxy_core, self.upstream_core = proxy_core, upstream_core
        self.started = Started()
        self.cert, self.key = certificate(programs["openssl"], folder)
        self.upstream = self.start_upstream()

    def nginx(self, name, core, body):
        config = self.folder / f"{name}.conf"
        config.write_text(NGINX.format(folder=self.folder, name=name, body=body))
        return self.started.start(core, [self.programs["nginx"], "-c", config, "-e", self.folder / f"{name}.err"])

    def start_upstream(self):
        files = self.folder / "files"
        files.mkdir()
        (files / "mib").write_bytes(os.urandom(1024 * 1024))
        for path in (files, files / "mib"):
            path.chmod(0o755)
        port = free_port()
        self.nginx("upstream", self.upstream_core, UPSTREAM.format(port=port, folder=self.folder, small=SMALL))
        wait_for(port)
        return port

    def start_peers(self, wanted):
        """The first one is the yardstick of the ratios."""
        from . import doorward  # which needs the names above
        starters = {"HAProxy": self.start_haproxy, "nginx": self.start_nginx, "bare pingora": self.start_bare_pingora,
                    "Doorward": lambda: doorward.start(self), "Caddy": self.start_caddy, "Envoy": self.start_envoy}
        chosen = [start for name, start in starters.items() if is_wanted(name, wanted)]
        return [peer for start in chosen for peer in start()]

    def start_nginx(self):
        plain, judged = free_port(), free_port()
        pid = self.nginx("nginx", self.proxy_core, NGINX_PROXY.format(
            upstream=self.upstream, cert=self.cert, key=self.key, plain=plain, judged=judged))
        wait_for(plain)
        return [Peer("nginx", pid, plain), Peer("nginx auth_request", pid, judged)]

    def start_from_template(self, name, template, file, command):
        port = free_port()
        config = self.folder / file
        config.write_text(template.format(port=port, upstream=self.upstream, cert=self.cert, key=self.key,
                                          pem=self.folder / "tls.pem"))
        log = open(self.folder / f"{name}.log", "w")
        pid = self.started.start(self.proxy_core, [*command, config], stdout=log, stderr=log,
                                 env=dict(os.environ, GOMAXPROCS="1", HOME=str(self.folder)))
        wait_for(port)
        return [Peer(name, pid, port)]

    def start_haproxy(self):
        return self.start_from_template("HAProxy", HAPROXY, "haproxy.cfg", [self.programs["haproxy"], "-db", "-f"])

    def start_caddy(self):
        return self.start_from_template("Caddy", CADDY, "Caddyfile",
                                        [self.programs["caddy"], "run", "--adapter", "caddyfile", "--config"])

    def start_envoy(self):
        return self.start_from_template("Envoy", ENVOY, "envoy.yaml",
                                        [self.programs["envoy"], "--concurrency", "1", "--log-level", "error", "-c"])

    def start_bare_pingora(self):
        port = free_port()
        log = open(self.folder / "bare-pingora.log", "w")
        pid = self.started.start(self.proxy_core, [
            self.programs["bare-pingora"], f"127.0.0.1:{port}", f"127.0.0.1:{self.upstream}", self.cert, self.key],
            stdout=log, stderr=log)
        wait_for(port)
        return [Peer("bare pingora", pid, port)]
