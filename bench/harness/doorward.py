"""Doorward under test: its demo makes the folder with a store, a key and a client; `serve` then runs before the upstream.

The token is signed here with a key made on the spot, so that no provider has to run beside the benchmark.
"""
import base64
import http.cookiejar
import json
import re
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .footprint import unverified
from .peers import Peer, free_port, wait_for

ISSUER, AUDIENCE = "https://issuer.example", "bench"


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def write_jwks(openssl, folder):
    """Makes an Ed25519 key and writes its public half as a JWKS; the last 32 bytes of the DER are the key (RFC 8410)."""
    private = folder / "issuer.pem"
    subprocess.run([openssl, "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    der = subprocess.run([openssl, "pkey", "-in", private, "-pubout", "-outform", "DER"], check=True, capture_output=True)
    key = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "bench", "x": unpadded(der.stdout[-32:])}
    (folder / "jwks.json").write_text(json.dumps({"keys": [key]}))
    return private


def token(openssl, folder, private):
    """A JWT with an EdDSA signature (RFC 8037), good for an hour."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "bench", "iat": now, "exp": now + 3600}
    parts = [unpadded(json.dumps(part).encode()) for part in ({"alg": "EdDSA", "kid": "bench"}, claims)]
    message = folder / "message"
    message.write_text(".".join(parts))
    signed = subprocess.run([openssl, "pkeyutl", "-sign", "-rawin", "-inkey", private, "-in", message], check=True,
                            capture_output=True)
    return ".".join([*parts, unpadded(signed.stdout)])


def demo(binary, folder, upstream):
    """Lets the demo make its folder and says what it printed."""
    command = [binary, "demo", "--json", "--listen", f"127.0.0.1:{free_port()}", "--folder", folder,
               "--upstream", f"http://127.0.0.1:{upstream}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        return json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)


def sign_in(made):
    """Fills in the sign-in form and says which cookie came back."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(
        urllib.request.HTTPCookieProcessor(jar), urllib.request.HTTPSHandler(context=unverified()))
    page = browser.open(made["url"] + "/.doorward/sign-in?return_to=/small").read().decode()
    fields = {name: re.search(f'name="{name}"[^>]*value="([^"]*)"', page)[1] for name in ("token", "return_to")}
    form = urllib.parse.urlencode({**fields, "user": made["user"], "password": made["password"]}).encode()
    browser.open(made["url"] + "/.doorward/sign-in/local", form)
    return next(f"{cookie.name}={cookie.value}" for cookie in jar if cookie.name == "__Host-doorward")


def configure(made, folder):
    """The demo's configuration, with our issuer and without a line per request, as for the other proxies."""
    config = folder / "serve.yaml"
    with open(made["config"]) as written:
        text = written.read()
    config.write_text(text + f"""
bearer:
  - {{ issuer: "{ISSUER}", audiences: ["{AUDIENCE}"], jwks: {{ path: "{folder / 'jwks.json'}" }} }}
logging: {{ access: false }}
""")
    return config


@dataclass
class House:
    """A folder with everything that `serve` needs, and what the demo said about it."""
    made: dict
    command: list
    folder: Path
    issuer_key: Path

    @property
    def port(self):
        return int(self.made["url"].rsplit(":", 1)[1])


def prepare(field):
    binary, openssl = field.programs["doorward"], field.programs["openssl"]
    folder = Path(tempfile.mkdtemp(prefix="doorward-", dir=field.folder))
    made = demo(binary, folder, field.upstream)
    issuer_key = write_jwks(openssl, folder)
    return House(made, [binary, "serve", "--config", configure(made, folder)], folder, issuer_key)


def serve(field, house):
    log = open(field.folder / "doorward.log", "w")
    pid = field.started.start(field.proxy_core, house.command, stdout=log, stderr=log)
    wait_for(house.port)
    return pid


def start(field):
    house = prepare(field)
    pid, made = serve(field, house), house.made
    credentials = {
        "API key": [f"X-Api-Key: {made['api_key']}"],
        "client id and secret": [f"X-Client-Id: {made['client_id']}", f"X-Client-Secret: {made['client_secret']}"],
        "JWT": [f"Authorization: Bearer {token(field.programs['openssl'], house.folder, house.issuer_key)}"],
        "session": [f"Cookie: {sign_in(made)}"],
    }
    public = Peer("Doorward, public route", pid, house.port, "/public")
    # HPACK never indexes `Authorization`: over HTTP/2 the token is spelled out and decoded for each request, whoever looks at it.
    sent = Peer("Doorward, public route, JWT sent and ignored", pid, house.port, "/public", tuple(credentials["JWT"]))
    return [public, sent, *(Peer(f"Doorward, {name}", pid, house.port, "", tuple(all)) for name, all in credentials.items())]
