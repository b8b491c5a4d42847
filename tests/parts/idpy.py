"""idpyoidc (IdentityPython), an OpenID provider in Python that signs people out by back-channel.

The library decides everything; here is the HTTP around its endpoints, which it leaves to others, its configuration, and two pages.
One JSON line says that it is ready: {"port","issuer"}. It stops when its standard input closes.
"""

import argparse
import json
import os
import socket
import sys
import threading
import warnings
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import jinja2
from idpyoidc.message.oauth2 import ResponseMessage
from idpyoidc.message.oidc import AccessTokenRequest, AuthorizationRequest, RefreshAccessTokenRequest
from idpyoidc.server import Server
from idpyoidc.server.configure import OPConfiguration
from idpyoidc.server.exception import FailedAuthentication, OnlyForTestingWarning
from idpyoidc.server.oidc.session import Session
from idpyoidc.server.oidc.token import Token
from idpyoidc.server.template_handler import Jinja2TemplateHandler
from idpyoidc.server.user_authn.authn_context import INTERNETPROTOCOLPASSWORD
from idpyoidc.server.user_info import UserInfo

PAGES = jinja2.Environment(autoescape=True, loader=jinja2.DictLoader({
    "sign_in": """<!doctype html><html lang="en"><title>Sign in</title><h1>Sign in</h1>
<form method="post" action="{{ action }}"><input type="hidden" name="token" value="{{ token }}">
<input name="username"><input name="password" type="password"><button>Sign in</button></form>""",
    "sign_out": """<!doctype html><html lang="en"><title>Sign out</title><h1>Sign out?</h1>
<form method="post" action="/rp_logout"><input type="hidden" name="sjwt" value="{{ sjwt }}"><button>Sign out</button></form>""",
    "signed_out": """<!doctype html><html lang="en"><title>Signed out</title><h1>Signed out at the provider</h1>""",
}))

ENDPOINTS = {
    "provider_config": (".well-known/openid-configuration", "oidc.provider_config.ProviderConfiguration", {"client_authn_method": None}),
    "authorization": ("authorization", "oidc.authorization.Authorization", {"client_authn_method": None, "response_types_supported": ["code"]}),
    "token": ("token", "oidc.token.Token", {"client_authn_method": ["client_secret_basic", "client_secret_post"], "revoke_refresh_on_issue": True}),
    "userinfo": ("userinfo", "oidc.userinfo.UserInfo", {"client_authn_method": ["bearer_header"]}),
    "session": ("session", "oidc.session.Session", {
        "client_authn_method": None,
        "signing_alg": "RS256",
        "post_logout_uri_path": "post_logout",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "backchannel_logout_session_required": True,
        "frontchannel_logout_supported": False,
    }),
}


def configuration(issuer, people, token_ttl):
    def endpoint(path, name, options):
        return {"path": path, "class": f"idpyoidc.server.{name}", "kwargs": options}

    secret = {"password": "a test provider keeps nothing secret", "salt": "at all"}
    made = {name: endpoint(*spec) for name, spec in ENDPOINTS.items()}
    made["session"]["class"] = SignOut
    made["session"]["kwargs"]["logout_verify_url"] = f"{issuer}/verify_logout"
    minting = ["access_token", "refresh_token", "id_token"]
    lifetimes = {"authorization_code": 60, "access_token": token_ttl, "refresh_token": 3600, "id_token": 300}
    return {
        "issuer": issuer,
        "entity_id": issuer,
        "httpc_params": {"verify": True},
        "keys": {"uri_path": "jwks", "key_defs": [{"type": "RSA", "use": ["sig"]}, {"type": "EC", "crv": "P-256", "use": ["sig"]}]},
        "endpoint": made,
        "authentication": {
            "user": {
                "acr": INTERNETPROTOCOLPASSWORD,
                "class": "idpyoidc.server.user_authn.user.UserPassJinja2",
                "kwargs": {"template": "sign_in", "verify_endpoint": "/verify/user", "db": {"class": dict, "kwargs": {name: "pw" for name in people}}},
            }
        },
        "authz": {
            "class": "idpyoidc.server.authz.AuthzHandling",
            "kwargs": {
                "grant_config": {
                    "usage_rules": {
                        "authorization_code": {"supports_minting": minting, "max_usage": 1, "expires_in": lifetimes["authorization_code"]},
                        "access_token": {"expires_in": lifetimes["access_token"]},
                        "refresh_token": {"supports_minting": minting, "expires_in": lifetimes["refresh_token"]},
                    },
                    "expires_in": 43200,
                }
            },
        },
        "add_ons": {"pkce": {"function": "idpyoidc.server.oauth2.add_on.pkce.add_support", "kwargs": {"essential": True, "code_challenge_method": "S256"}}},
        "cookie_handler": {
            "class": "idpyoidc.server.cookie_handler.CookieHandler",
            "kwargs": {
                "crypt_config": {"kwargs": secret},
                "name": {"session": "oidc_op", "register": "oidc_op_rp", "session_management": "sman"},
                "flags": {"samesite": "Lax", "httponly": True},
            },
        },
        "token_handler_args": {
            "code": {"lifetime": lifetimes["authorization_code"], "kwargs": {"crypt_conf": {"kwargs": secret}}},
            "token": {"class": "idpyoidc.server.token.jwt_token.JWTToken", "kwargs": {"lifetime": token_ttl}},
            "refresh": {"class": "idpyoidc.server.token.jwt_token.JWTToken", "kwargs": {"lifetime": lifetimes["refresh_token"]}},
            "id_token": {"class": "idpyoidc.server.token.id_token.IDToken", "kwargs": {"lifetime": lifetimes["id_token"]}},
        },
        "scopes_to_claims": {
            "openid": ["sub"],
            "profile": ["name", "preferred_username"],
            "email": ["email", "email_verified"],
            "groups": ["groups"],
            "offline_access": [],
        },
        "userinfo": {"class": UserInfo, "kwargs": {"db": people}},
        "session_params": {"encrypter": {"kwargs": {**secret, "iterations": 1}}},
    }


def register(server, client):
    """Puts a client in the library's store, by the names of the registration standard."""
    known = {
        "client_salt": os.urandom(8).hex(),
        "response_types_supported": ["code"],
        "allowed_scopes": ["openid", "profile", "email", "groups", "offline_access"],
        **client,
        "redirect_uris": [(uri, {}) for uri in client["redirect_uris"]],
        "post_logout_redirect_uri": [(uri, {}) for uri in client.get("post_logout_redirect_uris", [])],
    }
    server.context.cdb[client["client_id"]] = known
    server.context.keyjar.add_symmetric(client["client_id"], client["client_secret"])


class SignOut(Session):
    def client_authentication(self, *_, **__):
        """No client proves itself here: the browser asks. The library (5.0.0) says so in a form that its own endpoint stumbles over."""
        return {}


class Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body="", kind="text/html; charset=utf-8", headers=(), cookies=()):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in headers:
            if name.lower() != "content-type":
                self.send_header(name, value)
            else:
                kind = value
        for cookie in cookies:
            attributes = "".join(f"; {name}={value}" for name, value in cookie.items() if name in ("expires", "samesite"))
            self.send_header("set-cookie", f"{cookie['name']}={cookie['value']}; Path=/; HttpOnly{attributes.rstrip(';')}")
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, address, cookies=()):
        self.answer(302, headers=[("location", address)], cookies=cookies)

    def refuse(self, error, description):
        self.answer(400, ResponseMessage(error=error, error_description=str(description)).to_json(), "application/json")

    def do_GET(self):
        self.serve(dict(parse_qsl(urlsplit(self.path).query)))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.serve(dict(parse_qsl(body.decode())))

    def serve(self, parameters):
        server, path = self.server.provider, urlsplit(self.path).path.lstrip("/")
        named = next((name for name, (known, *_) in ENDPOINTS.items() if known == path), None)
        try:
            if named:
                return self.serve_endpoint(server.get_endpoint(named), parameters)
            pages = {
                "jwks": lambda: self.answer(200, server.context.keyjar.export_jwks_as_json(), "application/json"),
                "verify/user": lambda: self.verify_user(server, parameters),
                "verify_logout": lambda: self.answer(200, PAGES.get_template("sign_out").render(sjwt=parameters["sjwt"])),
                "rp_logout": lambda: self.sign_out(server.get_endpoint("session"), parameters),
                "post_logout": lambda: self.answer(200, PAGES.get_template("signed_out").render()),
            }
            pages.get(path, lambda: self.answer(404))()
        except Exception as error:
            print(f"{path}: {error!r}", file=sys.stderr, flush=True)
            self.refuse("invalid_request", error)

    def serve_endpoint(self, endpoint, parameters):
        """What the library's own example does with a request, whatever the endpoint."""
        cookies = SimpleCookie(self.headers.get("cookie", ""))
        about = {
            "headers": {name.lower(): value for name, value in self.headers.items() if name.lower() not in ("cookie", "user-agent")},
            "method": self.command,
            "url": f"{self.server.provider.issuer}{self.path}",
            "cookie": [{"name": name, "value": morsel.value} for name, morsel in cookies.items()],
        }
        asked = endpoint.parse_request(parameters, http_info=about)
        if isinstance(asked, ResponseMessage) and "error" in asked:
            return self.answer(400, asked.to_json(), "application/json")
        if isinstance(endpoint, Token):
            kind = RefreshAccessTokenRequest if asked.get("grant_type") == "refresh_token" else AccessTokenRequest
            asked = kind(**asked)
        found = endpoint.process_request(asked, http_info=about)
        if isinstance(found, ResponseMessage) and "error" in found:
            return self.answer(400, found.to_json(), "application/json")
        if "redirect_location" in found:
            return self.redirect(found["redirect_location"])
        if "http_response" in found:
            return self.answer(200, found["http_response"])
        if "function" in found:
            return self.answer(200, found["function"](**found["args"]))
        self.send_found(endpoint, asked, found)

    def send_found(self, endpoint, asked, found):
        info = endpoint.do_response(request=asked, **found)
        placed = info.get("response_placement", endpoint.response_placement)
        if placed == "body":
            return self.answer(info.get("response_code", 200), info["response"], headers=info["http_headers"], cookies=info.get("cookie", []))
        self.redirect(info["response"], info.get("cookie", []))

    def verify_user(self, server, form):
        method = server.context.authn_broker.get_method_by_id("user")
        try:
            person = method.verify(**form)
        except FailedAuthentication:
            return self.answer(403, "wrong name or password")
        kept = method.unpack_token(form["token"])
        request = AuthorizationRequest().from_urlencoded(kept["query"])
        endpoint = server.get_endpoint("authorization")
        session = endpoint.create_session(request, person, kept["authn_class_ref"], kept["iat"], method)
        found = endpoint.authz_part2(request=request, session_id=session)
        if isinstance(found, ResponseMessage) and "error" in found:
            return self.answer(400, found.to_json(), "application/json")
        self.send_found(endpoint, request, found)

    def sign_out(self, endpoint, form):
        """Signs out and tells the clients; `logout=yes` at each client of the person, otherwise at this one."""
        about = endpoint.unpack_signed_jwt(form["sjwt"])
        endpoint.do_verified_logout(sid=about["sid"], alla="logout" in form)
        self.redirect(about["redirect_uri"], endpoint.kill_cookies())

    def log_message(self, *_):
        pass


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--clients", default="[]", help="JSON")
    options.add_argument("--users", default="[]", help="JSON")
    options.add_argument("--token-ttl", type=int, default=3600, help="seconds")
    options.add_argument("--ca", help="a file: trusted for its own calls")
    options.add_argument("--port", type=int, default=0)
    given = options.parse_args()
    warnings.simplefilter("ignore", OnlyForTestingWarning)

    # Names of tests lead to this machine, as they do for curl and the browser.
    look_up = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest, **more: look_up("127.0.0.1" if str(host).endswith(".test") else host, *rest, **more)

    front = ThreadingHTTPServer(("127.0.0.1", given.port), Front)
    issuer = f"http://127.0.0.1:{front.server_address[1]}"
    people = {person["sub"]: {name: value for name, value in person.items() if name != "password"} for person in json.loads(given.users)}
    settings = OPConfiguration(configuration(issuer, people, given.token_ttl))
    # The class takes folders of templates only; this one needs no file.
    settings.template_handler = Jinja2TemplateHandler(PAGES)
    front.provider = Server(settings)
    if given.ca:
        front.provider.context.httpc_params = {"verify": given.ca}
    for client in json.loads(given.clients):
        register(front.provider, client)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    print(json.dumps({"port": front.server_address[1], "issuer": issuer}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
