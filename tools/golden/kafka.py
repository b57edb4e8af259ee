"""Just enough of Kafka's protocol to read one partition from its start and to delete topics."""

import socket
import struct

FETCH, DELETE_TOPICS = 1, 20


def records(broker, topic):
    """(key, value) of every committed record of partition 0; an empty list if it is not there."""
    found, offset = [], 0
    while True:
        body = struct.pack(">iiiib", -1, 500, 1, 1 << 26, 1) + struct.pack(">i", 1) + text(topic)
        body += struct.pack(">iiqi", 1, 0, offset, 1 << 25)
        answer = ask(broker, FETCH, 4, body)
        at = 4 + 4 + 2 + len(topic.encode()) + 4
        _, error, _, _, aborted = struct.unpack_from(">ihqqi", answer, at)
        if error == 3:
            return []
        if error:
            raise OSError(f"fetch of {topic} says {error}")
        at += 26 + 16 * max(aborted, 0)
        (size,) = struct.unpack_from(">i", answer, at)
        batch, after = batches(answer[at + 4 : at + 4 + max(size, 0)], offset)
        found += batch
        if after == offset:
            return found
        offset = after


def batches(raw, offset):
    found, at = [], 0
    while at + 61 <= len(raw):
        base, length = struct.unpack_from(">qi", raw, at)
        if at + 12 + length > len(raw):
            break
        attributes, last = struct.unpack_from(">hi", raw, at + 21)
        (count,) = struct.unpack_from(">i", raw, at + 57)
        if attributes & 7:
            raise OSError("compressed batches are not read here")
        if base + last >= offset and not attributes & 0x20:
            found += one_batch(raw, at + 61, count)
        offset, at = max(offset, base + last + 1), at + 12 + length
    return found, offset


def one_batch(raw, at, count):
    found = []
    for _ in range(count):
        length, at = varint(raw, at)
        end, at = at + length, at + 1
        _, at = varint(raw, at)
        _, at = varint(raw, at)
        key, at = blob(raw, at)
        value, at = blob(raw, at)
        found.append((key, value))
        at = end
    return found


def blob(raw, at):
    length, at = varint(raw, at)
    return (None, at) if length < 0 else (raw[at : at + length], at + length)


def varint(raw, at):
    value = shift = 0
    while True:
        byte = raw[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at


def delete_topics(broker, topics):
    body = struct.pack(">i", len(topics)) + b"".join(map(text, topics)) + struct.pack(">i", 20000)
    ask(broker, DELETE_TOPICS, 1, body)


def text(value):
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw


def ask(broker, api, version, body):
    host, port = broker.rsplit(":", 1)
    request = struct.pack(">hhi", api, version, 1) + text("readmill-golden") + body
    with socket.create_connection((host, int(port)), 30) as link:
        link.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", exactly(link, 4))
        return exactly(link, size)[4:]


def exactly(link, size):
    parts = bytearray()
    while len(parts) < size:
        part = link.recv(size - len(parts))
        if not part:
            raise ConnectionError("closed early")
        parts += part
    return bytes(parts)
