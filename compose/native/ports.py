"""Ports: the fixed defaults where they are free, others where they are not, kept for as long as the
stack lives."""

import socket

from .say import StackError, progress

HIGHEST = 32_000  # below the range that outgoing connections are given


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def choose(names, defaults, recorded, running, anything_runs):
    """A port for every name. Running services keep theirs; while anything runs, so do the stopped
    ones, because the others know them by it."""
    chosen = {}
    for name in names:
        default = int(defaults[name])
        known = int(recorded.get(name, 0))
        if name in running and known:
            chosen[name] = known
        elif known and is_free(known):
            chosen[name] = known
        elif known and anything_runs:
            raise StackError(
                f"port {known} ({name}) is taken by a process that is not of this stack",
                "stop that process, or `compose/stack down` and `up` again for other ports",
            )
        else:
            chosen[name] = next_free(default, set(chosen.values()))
            if chosen[name] != default:
                progress("ports", f"{default} is busy, {name} is {chosen[name]}")
    return chosen


def next_free(port, taken):
    for candidate in range(port, HIGHEST, 20):
        if candidate not in taken and is_free(candidate):
            return candidate
    raise StackError(f"no free port from {port} to {HIGHEST}")
