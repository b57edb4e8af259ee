"""Just enough of protocols under TLS for set-up and health checks: Kafka's requests for rights,
MongoDB's log-in, Redis' ping."""

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import struct

from .. import wire
from . import authority


def tls(port, certificate=None):
    """A connection that trusts the authority alone, shown a certificate if one is named."""
    context = ssl.create_default_context(cafile=authority.file("ca.pem"))
    if certificate:
        context.load_cert_chain(authority.file(f"{certificate}.both.pem"))
    link = socket.create_connection(("127.0.0.1", port), 5)
    return context.wrap_socket(link, server_hostname="localhost")


def kafka(port, api, version, body):
    """One request with a header of the first kind, by the administrator's certificate."""
    header = struct.pack(">hhih", api, version, 1, 8) + b"readmill"
    with tls(port, "admin") as link:
        link.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
        (size,) = struct.unpack(">i", wire.exactly(link, 4))
        return wire.exactly(link, size)[4:]


def kafka_brokers(port):
    return struct.unpack_from(">i", kafka(port, 3, 1, struct.pack(">i", 0)))[0]


def text(value):
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw


def create_acls(port, grants):
    """Allows all of them, from every host; what is allowed already stays so."""
    body = struct.pack(">i", len(grants))
    for principal, kind, name, pattern, operation in grants:
        body += struct.pack(">b", kind) + text(name) + struct.pack(">b", pattern)
        body += text(principal) + text("*") + struct.pack(">bb", operation, 3)
    answer = kafka(port, 30, 1, body)
    _, count = struct.unpack_from(">ii", answer)
    at = 8
    for _ in range(count):
        code, size = struct.unpack_from(">hh", answer, at)
        if code != 0:
            raise ValueError(f"kafka refused a grant with code {code}")
        at += 4 + max(size, 0)


def redis_ping(port, user, password):
    with tls(port) as link:
        link.sendall(f"AUTH {user} {password}\r\nPING\r\n".encode())
        return wire.exactly(link, 12) == b"+OK\r\n+PONG\r\n"


class Mongo:
    """A connection to a mongod on which several commands are run."""

    def __init__(self, port):
        self.link = tls(port)
        self.link.settimeout(15)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def run(self, command, database="admin"):
        document = wire.encode({**command, "$db": database})
        message = struct.pack("<iiiiIB", 21 + len(document), 1, 0, 2013, 0, 0) + document
        self.link.sendall(message)
        (size,) = struct.unpack("<i", wire.exactly(self.link, 4))
        return wire.decode(wire.exactly(self.link, size - 4), 17)[0]

    def log_in(self, user, password):
        """By SCRAM-SHA-256; true if the server knows the user."""
        nonce = secrets.token_hex(12)
        bare = f"n={user},r={nonce}"
        first = self.run(
            {"saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": b"n,," + bare.encode()}
        )
        if not first.get("ok"):
            return False
        told = payload(first)
        parts = dict(part.split("=", 1) for part in told.split(","))
        salted = hashlib.pbkdf2_hmac(
            "sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"])
        )
        final = f"c=biws,r={parts['r']}"
        signed = f"{bare},{told},{final}".encode()
        key = digest(salted, b"Client Key")
        mask = digest(hashlib.sha256(key).digest(), signed)
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, mask))).decode()
        last = self.run(
            {
                "saslContinue": 1,
                "conversationId": first["conversationId"],
                "payload": f"{final},p={proof}".encode(),
            }
        )
        if last.get("ok") and not last.get("done"):
            last = self.run(
                {
                    "saslContinue": 1,
                    "conversationId": first["conversationId"],
                    "payload": b"",
                }
            )
        return bool(last.get("ok"))


def payload(answer):
    """Binary data comes with its length and its kind before it."""
    return answer["payload"][5:].decode()


def digest(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()
