"""Where things are: the repository, the download cache and the run folder, and who may enter
them."""

import hashlib
import os
import pwd
import tempfile
from pathlib import Path

from .say import StackError

COMPOSE = Path(__file__).resolve().parent.parent
ROOT = COMPOSE.parent
CONFIG = COMPOSE / "config"
JARS = COMPOSE / "jars"


class Which:
    """Which of the two stacks this command is about; said once, by the command line."""

    secured = False


def versions():
    """versions.env, as a dict; the environment does not override it."""
    return read_env(COMPOSE / "versions.env")


def read_env(path):
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'") for name, value in pairs}


def filled(name):
    """A file of config/ with ${STACK_PASSWORD} filled in."""
    return (CONFIG / name).read_text().replace("${STACK_PASSWORD}", versions()["STACK_PASSWORD"])


def cache():
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = Path(os.environ.get("READMILL_CACHE") or Path(home) / "readmill")
    place.mkdir(parents=True, exist_ok=True)
    return place.resolve()


def account(*wished):
    """The user a server runs as: ourselves, or an unprivileged user when we are root, whom servers
    refuse."""
    if os.geteuid() != 0:
        return None
    for name in (*wished, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise StackError(
        "no unprivileged user for a server that refuses root", "create one: useradd --system nobody"
    )


def run():
    """The run folder. As root, one that unprivileged servers can reach: compose/.run may be a link
    to /var/tmp."""
    which = "-secure" if Which.secured else ""
    link = COMPOSE / f".run{which}"
    wished = os.environ.get("READMILL_RUN")
    place = Path(wished + which) if wished else link
    place = place.resolve() if place.exists() else Path(os.path.abspath(place))
    if os.geteuid() == 0 and not all_may_enter(place.parent):
        if wished:
            raise StackError(
                f"servers that refuse root cannot enter {place.parent}",
                "set READMILL_RUN to a folder whose parents all users may enter",
            )
        digest = hashlib.sha256(str(COMPOSE).encode()).hexdigest()[:10]
        place = Path("/var/tmp") / f"readmill-run-{digest}{which}"
        place.mkdir(mode=0o755, exist_ok=True)
        if place.stat().st_uid != 0:
            raise StackError(
                f"{place} belongs to someone else", "set READMILL_RUN to another folder"
            )
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(place)
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o755)
    return place


def all_may_enter(folder):
    return all(step.stat().st_mode & 0o001 for step in (folder, *folder.parents) if step.exists())


def replace_text(path, text, mode=0o644):
    """Writes a file in one step, so that a reader never sees half of it."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as out:
        out.write(text)
    os.chmod(draft, mode)
    os.replace(draft, path)
