"""What every service has: a folder, a recorded process, a way to prepare, start, check and stop
it."""

import shutil
import signal
import time

from . import places, processes
from .processes import Process
from .say import StackError, progress, tail


class Service:
    name = ""
    ports = ()  # names in versions.env
    after = ()  # services that must be ready first
    accounts = None  # users to run as when we are root; None: as we are
    first_signal = signal.SIGTERM
    ready_bound_s = 90

    def __init__(self, run_folder):
        self.folder = run_folder / self.name
        self.data = self.folder / "data"
        self.log = self.folder / f"{self.name}.log"
        self.record = self.folder / "pid"

    # What a service says about itself.

    def packages(self):
        """Pairs (Debian package, whether what it brings is there)."""
        return []

    def fetch(self):
        """Brings what does not come from Debian into the cache."""

    def prepare(self, ports):
        """Makes folders and files before the first start, and configuration before each."""

    def command(self, ports):
        raise NotImplementedError

    def environment(self):
        return {}

    def healthy(self, ports):
        """One quick look; an exception counts as no."""
        raise NotImplementedError

    def set_up(self, ports):
        """What is to be done once it answers; must be safe to do again."""

    def addresses(self, ports):
        """What others need to know, for stack.env."""
        return {}

    def version(self):
        return ""

    # What is the same for all.

    @property
    def user(self):
        return None if self.accounts is None else places.account(*self.accounts)

    def process(self):
        return Process.load(self.record)

    def running(self):
        process = self.process()
        return process is not None and process.alive()

    def is_well(self, ports):
        try:
            return self.running() and bool(self.healthy(ports))
        except Exception:  # a service that is down may fail in any way
            return False

    def make_folders(self):
        for folder in (self.folder, self.data):
            folder.mkdir(parents=True, exist_ok=True)
            self.give(folder)

    def give(self, path):
        if self.user:
            shutil.chown(path, self.user.pw_uid, self.user.pw_gid)

    def start(self, ports):
        began = time.monotonic()
        self.fetch()
        self.make_folders()
        self.prepare(ports)
        process = processes.start(
            self.command(ports), self.log, self.folder, self.record, self.user, self.environment()
        )
        progress(self.name, f"started, process {process.pid}")
        self.await_ready(ports, process)
        self.set_up(ports)
        progress(self.name, f"ready after {time.monotonic() - began:.1f} s")

    def await_ready(self, ports, process):
        until = time.monotonic() + self.ready_bound_s
        while not self.is_well(ports):
            if not process.alive():
                raise self.fault("ended by itself")
            if time.monotonic() > until:
                raise self.fault(f"runs, but does not answer after {self.ready_bound_s} s")
            time.sleep(0.1)

    def stop(self):
        process = self.process()
        ended = (
            process.stop(self.first_signal) if process and process.alive() else "was not running"
        )
        self.record.unlink(missing_ok=True)
        return ended

    def fault(self, what):
        return StackError(
            f"{self.name} {what}; its last lines:\n{tail(self.log)}\n  log: {self.log}",
            "see the log; `compose/stack down`, then `up`, begins afresh",
        )


def settings_plus(shared, extra):
    """A shared settings file with this machine's addresses after it."""
    lines = "".join(f"{name}={value}\n" for name, value in extra.items())
    return (places.CONFIG / shared).read_text() + "# this machine\n" + lines
