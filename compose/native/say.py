"""What the stack says to people: progress lines, and errors that name a remedy."""

import sys
import threading
import time

_lock = threading.Lock()
_began = time.monotonic()


class StackError(Exception):
    """Something a person must see: what went wrong, and what to do about it."""

    def __init__(self, message, remedy=""):
        super().__init__(message)
        self.remedy = remedy

    def __str__(self):
        message = super().__str__()
        return f"{message}\n  what to do: {self.remedy}" if self.remedy else message


def progress(who, message):
    with _lock:
        print(
            f"{time.monotonic() - _began:6.1f} s  {who:<10} {message}", file=sys.stderr, flush=True
        )


def tail(path, lines=15):
    """The last lines of a log, indented, for an error message."""
    try:
        with open(path, "rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 16_384))
            kept = log.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        kept = []
    return "\n".join(f"  | {line}" for line in kept) or "  | (the log is empty)"
