"""The process behind the gate: it ends TLS, asks for a password, and passes on; and it issues tokens
that are worth nothing outside of tests."""

import base64
import http.client
import json
import os
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN_LIFE_S = 600


class Accounts:
    """Who has which password, read again when the file was written again."""

    def __init__(self, path, port):
        self.path, self.port = path, port
        self.at, self.known = None, {}

    def get(self, user):
        at = os.stat(self.path).st_mtime_ns
        if at != self.at:
            with open(self.path) as file:
                self.known = json.load(file)["ways"][self.port][1]
            self.at = at
        return self.known.get(user)


class Keeper(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behind = None
    accounts = None

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        user = self.known_user()
        if user is None:
            return self.answer(401, b'{"error":"invalid_client","message":"who are you?"}')
        if self.behind is None:
            return self.answer(200, token(user))
        link = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=60)
        try:
            hop = ("authorization", "host", "connection", "content-length")
            headers = {k: v for k, v in self.headers.items() if k.lower() not in hop}
            link.request(self.command, self.path, body or None, headers)
            told = link.getresponse()
            self.answer(told.status, told.read(), told.getheader("Content-Type"))
        except OSError:
            self.answer(503, b'{"message":"nobody is behind the gate"}')
        finally:
            link.close()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = pass_on

    def known_user(self):
        """Who asks, if the password is right."""
        kind, _, told = (self.headers.get("Authorization") or "").partition(" ")
        try:
            user, _, password = base64.b64decode(told).decode().partition(":")
        except ValueError:
            return None
        return user if kind == "Basic" and self.accounts.get(user) == password else None

    def answer(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind or "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="readmill"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def token(user):
    """Signed by nobody, as the broker of the secured stack takes it."""
    now = int(time.time())
    claims = {"sub": user, "iat": now, "exp": now + TOKEN_LIFE_S}
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."
    return json.dumps({"access_token": text, "expires_in": TOKEN_LIFE_S}).encode()


class Server(ThreadingHTTPServer):
    """Each connection's handshake is its own thread's affair."""

    daemon_threads = True
    context = None

    def finish_request(self, request, client_address):
        try:
            request.settimeout(65)
            with self.context.wrap_socket(request, server_side=True) as link:
                super().finish_request(link, client_address)
        except OSError:
            pass  # whoever refuses our certificate hangs up


def main(path):
    with open(path) as file:
        told = json.load(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(told["certificate"])
    servers = []
    for port, (behind, _) in told["ways"].items():
        accounts = Accounts(path, port)
        keeper = type("At", (Keeper,), {"behind": behind, "accounts": accounts})
        server = Server(("127.0.0.1", int(port)), keeper)
        server.context = context
        servers.append(server)
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()


main(sys.argv[1])
