"""Just enough of two wire protocols for health checks: Kafka's metadata request and MongoDB's
commands."""

import json
import socket
import struct
import urllib.error
import urllib.request


def kafka_brokers(port):
    """How many brokers a Kafka server says there are."""
    header = struct.pack(">hhih", 3, 1, 1, 8) + b"readmill"
    body = header + struct.pack(">i", 0)
    with socket.create_connection(("127.0.0.1", port), 3) as link:
        link.sendall(struct.pack(">i", len(body)) + body)
        (size,) = struct.unpack(">i", exactly(link, 4))
        answer = exactly(link, size)
    return struct.unpack_from(">i", answer, 4)[0]


def redis_ping(port):
    with socket.create_connection(("127.0.0.1", port), 3) as link:
        link.sendall(b"PING\r\n")
        return exactly(link, 5) == b"+PONG"


def mongo(port, command, database="admin"):
    """Runs one command on a mongod and returns its answer; bson below knows only what set-up
    needs."""
    document = encode({**command, "$db": database})
    message = struct.pack("<iiiiIB", 21 + len(document), 1, 0, 2013, 0, 0) + document
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        link.settimeout(15)
        link.sendall(message)
        (size,) = struct.unpack("<i", exactly(link, 4))
        return decode(exactly(link, size - 4), 17)[0]


def encode(document):
    out = b""
    for name, value in document.items():
        if isinstance(value, bool):
            kind, data = 8, bytes([value])
        elif isinstance(value, int):
            kind, data = (
                (16, struct.pack("<i", value))
                if abs(value) < 2**31
                else (18, struct.pack("<q", value))
            )
        elif isinstance(value, str):
            raw = value.encode() + b"\0"
            kind, data = 2, struct.pack("<i", len(raw)) + raw
        elif isinstance(value, bytes):
            kind, data = 5, struct.pack("<iB", len(value), 0) + value
        elif isinstance(value, list):
            kind, data = 4, encode({str(place): item for place, item in enumerate(value)})
        else:
            kind, data = 3, encode(value)
        out += bytes([kind]) + name.encode() + b"\0" + data
    return struct.pack("<i", len(out) + 5) + out + b"\0"


def decode(raw, at):
    """A document at `at`, and where it ends. Kinds that set-up does not read come back as raw
    bytes."""
    end = at + struct.unpack_from("<i", raw, at)[0]
    at, out = at + 4, {}
    while raw[at]:
        kind, stop = raw[at], raw.index(b"\0", at + 1)
        name, at = raw[at + 1 : stop].decode(), stop + 1
        if kind in (3, 4):
            value, at = decode(raw, at)
            out[name] = list(value.values()) if kind == 4 else value
            continue
        size = struct.unpack_from("<i", raw, at)[0] if kind in (2, 5) else 0
        if kind == 2:
            value, length = raw[at + 4 : at + 3 + size].decode(), 4 + size
        elif kind in (1, 16, 18):
            form, length = {1: ("<d", 8), 16: ("<i", 4), 18: ("<q", 8)}[kind]
            value = struct.unpack_from(form, raw, at)[0]
        else:
            length = {5: 5 + size, 7: 12, 8: 1, 9: 8, 10: 0, 17: 8}[kind]
            value = bool(raw[at]) if kind == 8 else raw[at : at + length]
        out[name], at = value, at + length
    return out, end


def exactly(link, size):
    parts = b""
    while len(parts) < size:
        part = link.recv(size - len(parts))
        if not part:
            raise ConnectionError("closed early")
        parts += part
    return parts


def http(method, url, body=None, timeout=10):
    """(status, JSON or text). A refused connection raises OSError; an error status does not
    raise."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({})
    )  # loopback: never by a proxy
    try:
        with opener.open(request, timeout=timeout) as answer:
            status, raw = answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        status, raw = refused.code, refused.read()
    try:
        return status, json.loads(raw) if raw else None
    except ValueError:
        return status, raw.decode("utf-8", "replace")
