"""Doorward under test: its demo makes the folder with a store, a key and a client; `serve` then runs before the upstream.

The token is signed here with a key made on the spot, so that no provider has to run beside the benchmark.
"""
import base64
import json
import subprocess
import time

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


def start(field):
    binary, openssl = field.programs["doorward"], field.programs["openssl"]
    folder = field.folder / "doorward"
    made = demo(binary, folder, field.upstream)
    private = write_jwks(openssl, folder)
    config = configure(made, folder)
    port = int(made["url"].rsplit(":", 1)[1])
    log = open(field.folder / "doorward.log", "w")
    pid = field.started.start(field.proxy_core, [binary, "serve", "--config", config], stdout=log, stderr=log)
    wait_for(port)
    signed = token(openssl, folder, private)
    return [
        Peer("Doorward, public", pid, port, "/public"),
        Peer("Doorward, API key", pid, port, "", (f"X-Api-Key: {made['api_key']}",)),
        Peer("Doorward, client and secret", pid, port, "", (
            f"X-Client-Id: {made['client_id']}", f"X-Client-Secret: {made['client_secret']}")),
        Peer("Doorward, JWT", pid, port, "", (f"Authorization: Bearer {signed}",)),
    ]
