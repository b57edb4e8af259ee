"""Processes by recorded id: start one apart from us, know it again by its start time, stop exactly
that one."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process id with its start time: together they name one process for good."""

    pid: int
    began: str

    @staticmethod
    def find(pid):
        seen = _stat(pid)
        return Process(pid, seen[1]) if seen else None

    @staticmethod
    def load(path):
        try:
            pid, began = path.read_text().split()
            return Process(int(pid), began)
        except (OSError, ValueError):
            return None

    def alive(self):
        seen = _stat(self.pid)
        return seen is not None and seen[0] not in "ZX" and seen[1] == self.began

    def children(self):
        found = []
        for entry in Path("/proc").iterdir():
            seen = _stat(int(entry.name)) if entry.name.isdigit() else None
            if seen and seen[2] == self.pid:
                found.append(Process(int(entry.name), seen[1]))
        return found

    def send(self, number):
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass

    def wait(self, bound_s):
        until = time.monotonic() + bound_s
        while self.alive():
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def stop(self, first=signal.SIGTERM, bound_s=20):
        """Asks, waits, then kills; says how it ended."""
        self.send(first)
        if self.wait(bound_s):
            return "stopped"
        self.kill()
        return f"killed after {bound_s} s"

    def kill(self):
        """SIGKILL to it and its children, as a fault test wants it; waits until they are gone."""
        family = [self, *self.children()]
        for one in family:
            one.send(signal.SIGKILL)
        for one in family:
            one.wait(10)


def is_ghost(pid):
    """Dead, but not yet taken off the list by its parent: others would take it for alive."""
    seen = _stat(pid)
    return seen is not None and seen[0] == "Z"


def _stat(pid):
    """(state, start time, parent) of a process, or None."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return after_name[0], after_name[19], int(after_name[1])


def start(command, log, folder, record, user=None, environment=None):
    """Starts a server in a session of its own, output to `log`, its id written to `record`."""
    with open(log, "ab") as out:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            **identity(user),
        )
    process = Process.find(child.pid)
    record.write_text(f"{process.pid} {process.began}\n")
    return process


def identity(user):
    """Arguments for subprocess that drop root for `user`."""
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
