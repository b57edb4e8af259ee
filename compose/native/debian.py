"""Debian packages: installs what is missing, without letting any of it start a system service."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .places import versions
from .say import StackError, progress

POLICY = Path("/usr/sbin/policy-rc.d")


def ensure(needs):
    """`needs` are pairs (package, found?). Nothing missing: apt is not called at all."""
    missing = sorted({package for package, found in needs if not found})
    if not missing:
        return
    progress("apt", "installing " + " ".join(missing))
    root = as_root(missing)
    with quiet_services(root), tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        quiet = {"stdout": log, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
        apt = [
            *root,
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-y",
            "-o",
            "DPkg::Lock::Timeout=300",
        ]
        subprocess.run([*apt, "update"], **quiet)
        done = subprocess.run([*apt, "install", "--no-install-recommends", *missing], **quiet)
        if done.returncode != 0:
            log.seek(0)
            raise StackError(
                "apt-get failed:\n" + "".join(f"  | {line}" for line in log.readlines()[-15:]),
                "run it by hand: apt-get install " + " ".join(missing),
            )
    progress("apt", "done")


def as_root(missing):
    by_hand = "as root: apt-get install --no-install-recommends " + " ".join(missing)
    if not shutil.which("apt-get"):
        raise StackError(
            "missing programs, and this is no Debian: " + " ".join(missing), "install them by hand"
        )
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
    ):
        return ["sudo", "-n"]
    raise StackError(
        "packages are missing, and neither root nor sudo is at hand: " + " ".join(missing), by_hand
    )


class quiet_services:
    """While it lasts, Debian's packages start nothing (policy-rc.d says 101); what was there before
    comes back."""

    def __init__(self, root):
        self.root = root
        self.saved = POLICY.with_name("policy-rc.d.readmill-saved")

    def __enter__(self):
        self.ours = not self.forbids_already()
        if self.ours:
            if POLICY.exists() and not self.saved.exists():
                self.sh(f"mv {POLICY} {self.saved}")
            self.sh(f"printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}")

    def __exit__(self, *_):
        if self.ours:
            self.sh(f"rm -f {POLICY}; [ ! -e {self.saved} ] || mv {self.saved} {POLICY}")

    def forbids_already(self):
        if self.saved.exists() or not os.access(POLICY, os.X_OK):
            return False
        return subprocess.run([POLICY, "readmill", "start"], capture_output=True).returncode == 101

    def sh(self, line):
        subprocess.run([*self.root, "sh", "-c", line], check=True)


def java():
    """A Java that the stack can run on: the pinned line if there is one, else the lowest newer
    one."""
    pinned = int(versions()["JAVA_VERSION"])
    wished = [os.environ.get("READMILL_JAVA"), shutil.which("java")]
    if os.environ.get("JAVA_HOME"):
        wished.insert(1, os.environ["JAVA_HOME"] + "/bin/java")
    wished += [str(path) for path in sorted(Path("/usr/lib/jvm").glob("*/bin/java"))]
    found = {}
    for path in filter(None, wished):
        found.setdefault(java_line(path), path)
    usable = sorted(line for line in found if line >= pinned)
    return found[usable[0]] if usable else None


def java_line(path):
    try:
        said = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0
    seen = re.search(r'version "(\d+)', said)
    return int(seen.group(1)) if seen else 0


def program(name, *more):
    """The path of a program, also where Debian keeps servers out of an ordinary user's PATH."""
    return shutil.which(
        name, path=os.pathsep.join([*more, os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"])
    )


def has_library(name):
    return any(
        next(Path(folder).glob(f"**/{name}"), None)
        for folder in (
            "/usr/lib/x86_64-linux-gnu",
            "/lib/x86_64-linux-gnu",
            "/usr/lib64",
            "/usr/local/lib",
        )
        if Path(folder).is_dir()
    )


def line(command, pin):
    """The version a program says, with a remark when it is not of the pinned line."""
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, timeout=20
        )
        seen = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr).group(0)
    except (OSError, AttributeError, subprocess.TimeoutExpired):
        return "unknown version"
    wanted = versions()[pin]
    return seen if f"{seen}.".startswith(f"{wanted}.") else f"{seen} (versions.env says {wanted})"
