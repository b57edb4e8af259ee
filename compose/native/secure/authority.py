"""A throw-away authority, the certificates that it issues, and throw-away passwords, made anew with
each stack."""

import json
import secrets
import shutil
import subprocess
from pathlib import Path

from .. import debian, places
from ..say import StackError

LEAF = """basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
subjectAltName=DNS:localhost
"""
# Name: its subject, and for how many days it is good.
LEAVES = {
    "server": ("/O=readmill/OU=servers/CN=localhost", 30),
    "admin": ("/O=readmill/OU=people/CN=admin", 30),
    "mill": ("/O=readmill/OU=workers/CN=mill", 30),
    "stranger": ("/O=readmill/OU=workers/CN=stranger", 30),
    "expired": ("/O=readmill/OU=workers/CN=mill", -1),
}
TRUST_PASSWORD = "throw-away"  # a file of public certificates needs one, too


def packages():
    return [("openssl", debian.program("openssl") is not None)]


def folder():
    return places.run() / "tls"


def file(name):
    return folder() / name


def passwords():
    """A password for each account that asks for one, the same for as long as the stack lives."""
    return Passwords(file("passwords.json"))


class Passwords:
    def __init__(self, path):
        self.known = json.loads(path.read_text())

    def of(self, account):
        return self.known[account]


ACCOUNTS = (
    "admin", "mill", "connect", "debezium", "app", "reader", "oauth", "keys", "turn"
)  # fmt: skip


def ensure():
    """Makes what is missing."""
    place = folder()
    if (place / "done").exists():
        return
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o755)
    new_key("ca")
    openssl("req", "-x509", "-key", place / "ca.key", "-out", place / "ca.pem", "-days", "30",
            "-subj", "/O=readmill/CN=throw-away authority")  # fmt: skip
    (place / "leaf.cnf").write_text(LEAF)
    for name, (subject, days) in LEAVES.items():
        issue(name, subject, days)
    keytool = Path(debian.java()).resolve().with_name("keytool")
    run(keytool, "-importcert", "-noprompt", "-alias", "ca", "-file", place / "ca.pem",
        "-keystore", place / "trust.p12", "-storepass", TRUST_PASSWORD)  # fmt: skip
    known = {account: secrets.token_hex(12) for account in ACCOUNTS}
    (place / "passwords.json").write_text(json.dumps(known) + "\n")
    (place / "passwords.json").chmod(0o600)
    (place / "done").touch()


def issue(name, subject, days):
    place = folder()
    new_key(name)
    openssl("req", "-new", "-key", place / f"{name}.key", "-out", place / f"{name}.csr",
            "-subj", subject)  # fmt: skip
    openssl("x509", "-req", "-in", place / f"{name}.csr", "-CA", place / "ca.pem", "-CAkey",
            place / "ca.key", "-CAcreateserial", "-days", str(days), "-extfile",
            place / "leaf.cnf", "-out", place / f"{name}.pem")  # fmt: skip
    both = (place / f"{name}.pem").read_text() + (place / f"{name}.key").read_text()
    (place / f"{name}.both.pem").write_text(both)
    (place / f"{name}.both.pem").chmod(0o600)


def new_key(name):
    path = file(f"{name}.key")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    path.chmod(0o600)


def openssl(*words):
    run(debian.program("openssl"), *words)


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise StackError(
            f"no certificates: {words[0]} {words[1]}: {done.stderr.strip()}",
            "`compose/stack --secure down` and `up` begin afresh",
        )


def copy(name, service, target=None):
    """A copy that only the service's user can read."""
    path = service.folder / (target or name)
    path.unlink(missing_ok=True)
    shutil.copyfile(file(name), path)
    path.chmod(0o600)
    service.give(path)
    return path
