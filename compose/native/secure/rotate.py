"""Another password for a user of the secured stack, as whoever rotates secrets would give it: at the
brokers for SCRAM, and at the gate."""

import hashlib
import json
import secrets
import struct

from .. import places, wire
from ..say import StackError
from . import links

ITERATIONS = 4096
SCRAM = {1: "sha256", 2: "sha512"}
ALTER_SCRAM = 51


def kafka(stack, user, password):
    """One mechanism after the other: a request may name a user once."""
    for number, digest in SCRAM.items():
        alter(stack.known_ports()["KAFKA_MTLS_PORT"], user, password, number, digest)


def alter(port, user, password, number, digest):
    """Kafka's request for it is of the newer kind: lengths are one more, in seven bits a byte."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, ITERATIONS)
    body = varint(1) + varint(2) + compact(user.encode())
    body += struct.pack(">bi", number, ITERATIONS) + compact(salt) + compact(salted) + b"\0"
    header = struct.pack(">hhih", ALTER_SCRAM, 0, 1, 8) + b"readmill" + b"\0"
    request = header + body + b"\0"
    with links.tls(port, "admin") as link:
        link.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", wire.exactly(link, 4))
        answer = wire.exactly(link, size)
    at = 4 + 1 + 4 + 1 + 1 + len(user.encode())
    (code,) = struct.unpack_from(">h", answer, at)
    if code != 0:
        raise StackError(f"kafka gave {user} no password: code {code}", "is it a user of SCRAM?")


def gate(stack, user, password):
    path = stack.services["gate"].folder / "gate.json"
    told = json.loads(path.read_text())
    for port, (behind, accounts) in told["ways"].items():
        if user in accounts and behind is not None:
            accounts[user] = password
    places.replace_text(path, json.dumps(told), 0o600)


DOORS = {"kafka": kafka, "gate": gate}


def password(stack, service, user, secret):
    if not places.Which.secured:
        raise StackError("the plain stack has one password for all", "say --secure")
    DOORS[service](stack, user, secret)
    print(f"{service}: {user} has another password")


def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def compact(raw):
    return varint(len(raw) + 1) + raw
