"""How downloads are made: by ordinary clients, checked by digest, cached in one step."""

import fcntl
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager

from . import places
from .say import StackError, progress

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin"


def jars_folder(name, digest):
    return places.cache() / f"{name}-jars-{digest[:12]}"


def jar_set(name, digest):
    """The jars of jars/NAME.pom.xml with all they depend on."""
    with unless_there(jars_folder(name, digest)) as draft:
        if draft:
            progress("fetch", f"jars of {name}")
            maven(
                [
                    "-f",
                    places.JARS / f"{name}.pom.xml",
                    f"{plugin()}:copy-dependencies",
                    "-DincludeScope=runtime",
                    f"-DoutputDirectory={draft}",
                ],
                draft,
                f"the jars of {name}",
            )
            check_set(draft, digest)
    return jars_folder(name, digest)


def archive(artifact, digest):
    """One archive by its Maven coordinate, without its dependencies."""
    return alone(artifact, f"-{artifact.split(':')[4]}.tar.gz", digest)


def jar(artifact, digest):
    """One jar by its Maven coordinate, without its dependencies."""
    return alone(f"{artifact}:jar", ".jar", digest)


def alone(artifact, ending, digest):
    name = ":".join(artifact.split(":")[1:3])
    progress("fetch", name)
    folder = places.cache() / "archives"
    folder.mkdir(exist_ok=True)
    maven(
        [f"{plugin()}:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"], folder, name
    )
    path = folder / (name.replace(":", "-") + ending)
    check(path, digest)
    return path


def plugin():
    return f"{PLUGIN}:{places.versions()['MAVEN_DEPENDENCY_PLUGIN_VERSION']}"


def maven(arguments, folder, what):
    """A local repository for each call: Maven's must not be shared by two at a time. It goes when
    it was used."""
    pins = [
        f"-D{name}={value}"
        for name, value in places.versions().items()
        if name.endswith("_VERSION")
    ]
    local = tempfile.mkdtemp(dir=places.cache(), prefix=".maven-")
    try:
        command(
            ["mvn", "-q", "-B", "-U", f"-Dmaven.repo.local={local}", *pins, *arguments],
            folder,
            what,
        )
    finally:
        shutil.rmtree(local, ignore_errors=True)


def command(line, folder, what):
    """Runs a client with a bound in time, thrice at the most: registries have bad minutes."""
    said = ""
    for _ in range(3):
        try:
            done = subprocess.run(
                [str(part) for part in line],
                cwd=folder,
                text=True,
                timeout=600,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except (subprocess.TimeoutExpired, OSError) as fault:
            said = str(fault)
            continue
        if done.returncode == 0:
            return
        said = done.stdout
    last = "\n".join(f"  | {part}" for part in said.strip().splitlines()[-12:])
    raise StackError(
        f"could not fetch {what}:\n{last}",
        f"see that {line[0]} reaches its registry (network, mirror settings), then run it again",
    )


def check(path, digest):
    seen = sha256(path)
    if seen != digest:
        path.unlink()
        raise StackError(
            f"{path.name} has sha256 {seen}, not {digest} as compose/versions.env says",
            "do not use it; if the version was changed on purpose, change the digest with it",
        )


def check_set(folder, digest):
    names = sorted(path.name for path in folder.glob("*.jar"))
    listing = "".join(f"{sha256(folder / name)}  {name}\n" for name in names)
    seen = hashlib.sha256(listing.encode()).hexdigest()
    if seen != digest:
        raise StackError(
            f"the {len(names)} jars of {folder.name} have digest {seen}, not {digest} as "
            "compose/versions.env says",
            "if a version was changed on purpose, change the digest with it",
        )


def sha256(path):
    with open(path, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def unpack(path, folder):
    with tarfile.open(path) as whole:
        (
            whole.extractall(folder, filter="data")
            if hasattr(tarfile, "data_filter")
            else whole.extractall(folder)
        )
    path.unlink()


@contextmanager
def unless_there(folder):
    """Gives a draft folder to fill when `folder` is missing, and puts it in place in one step when
    it is full."""
    with locked(folder):
        if folder.exists():
            yield None
            return
        draft = folder.with_name(f".{folder.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        yield draft
        draft.rename(folder)


@contextmanager
def locked(folder):
    """One at a time, over threads and over clones that share the cache."""
    with open(folder.with_name(f".{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
