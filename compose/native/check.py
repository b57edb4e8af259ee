"""Drift: compares the native stack with compose.yaml and versions.env, without starting
anything."""

import re

from . import places
from .services import ALL
from .services.mongo import Mongo

# What one side rightly has alone.
DOCKER_ONLY_SERVICES = {"grafana"}
DOCKER_ONLY_VARIABLES = {"GRAFANA_VERSION", "GRAFANA_PORT", "MAVEN_IMAGE_VERSION"}
NATIVE_ONLY_VARIABLES = {
    "LOG4J_VERSION",
    "KAFKA_JARS_SHA256",  # Kafka's image brings its own
    "APICURIO_REGISTRY_SHA256",
    "JAVA_VERSION",  # so do these
    "MONGOD_WHEEL",
    "MONGOD_WHEEL_VERSION",
    "MONGOD_WHEEL_SHA256",
    "MONGOD_SHA256",
    "KAFKA_CONTROLLER_PORT",  # not published by Docker
    "JMX_EXPORTER_VERSION",  # Connect's metrics are for the native stack's tests
    "JMX_EXPORTER_SHA256",
    "CONNECT_METRICS_PORT",
    "READMILL_METRICS_PORT",  # in Docker: config/targets-docker.json
}
DOCKER_ONLY_FILES = {
    "grafana.yaml",
    "grafana-dashboards.yaml",
    "postgres-init.sh",
    "mariadb-init.sh",
    "targets-docker.json",
}

# What the tests stand on: file, pattern of a line, said when it is missing.
SETTINGS = (
    ("config/postgres.conf", r"wal_level = logical"),
    ("config/mariadb.cnf", r"binlog_format = ROW"),
    ("config/mariadb.cnf", r"binlog_row_image = FULL"),
    ("config/broker.properties", r"process\.roles=broker,controller"),
    ("config/broker.properties", r"auto\.create\.topics\.enable=false"),
    ("config/broker.properties", r"transaction\.state\.log\.replication\.factor=1"),
    ("config/broker.properties", r"offsets\.topic\.replication\.factor=1"),
    ("config/connect.properties", r"exactly\.once\.source\.support=enabled"),
    ("config/connect.properties", r"topic\.creation\.enable=true"),
    ("config/redis.conf", r"appendonly yes"),
)


def drifts():
    compose = text("compose.yaml")
    docker = compose + text("connect/Dockerfile")
    native = "".join(
        path.read_text()
        for folder in ("native", "native/services", "jars")
        for path in sorted((places.COMPOSE / folder).iterdir())
        if path.suffix in (".py", ".xml") and path.name != "check.py"
    )
    return [
        *services(compose),
        *variables(docker, native),
        *images(compose),
        *files(compose, native),
        *ports(compose),
        *settings(compose),
        *metrics_ports(),
    ]


def text(name):
    return (places.COMPOSE / name).read_text()


def services(compose):
    block = compose.split("\nservices:\n", 1)[1].split("\nvolumes:\n", 1)[0]
    there = set(re.findall(r"^  (\w+):$", block, re.M)) - DOCKER_ONLY_SERVICES
    ours = {kind.name for kind in ALL}
    yield from (f"service {name} is in compose.yaml only" for name in sorted(there - ours))
    yield from (f"service {name} is native only" for name in sorted(ours - there))


def variables(docker, native):
    pins = places.versions()
    used = set(re.findall(r"(?<!\$)\$\{(\w+)\}", docker))
    for name in pins:
        if name not in used and name not in NATIVE_ONLY_VARIABLES:
            yield f"{name} is in versions.env, but compose.yaml does not use it"
        if not re.search(rf"\b{name}\b", native) and name not in DOCKER_ONLY_VARIABLES:
            yield f"{name} is in versions.env, but the native scripts do not use it"
    yield from (
        f"{name} is used by compose.yaml, but is not in versions.env"
        for name in sorted(used - set(pins))
    )
    exempt = DOCKER_ONLY_VARIABLES | NATIVE_ONLY_VARIABLES
    yield from (
        f"{name} is exempt in check.py, but is not in versions.env"
        for name in sorted(exempt - set(pins))
    )


def images(compose):
    for image in re.findall(r"^ +image: (\S+)", compose, re.M):
        if not re.search(r":v?\$\{\w+_VERSION\}$", image):
            yield f"image {image} does not take its version from versions.env"


def files(compose, native):
    for path in sorted(places.CONFIG.iterdir()):
        if f"./config/{path.name}:" not in compose:
            yield f"config/{path.name} is not mounted by compose.yaml"
        if path.name not in DOCKER_ONLY_FILES and f'"{path.name}"' not in native:
            yield f"config/{path.name} is not read by the native scripts"
    for source in re.findall(r"- (\.\.?/[\w./-]+\.\w+):", compose):
        if not (places.COMPOSE / source).exists():
            yield f"compose.yaml mounts {source}, which does not exist"


def ports(compose):
    published = re.findall(r'^ +ports: \["([^"]+)"\]', compose, re.M)
    yield from (
        f"port {port} is not bound to 127.0.0.1"
        for port in published
        if not port.startswith("127.0.0.1:")
    )
    names = {name for kind in ALL for name in kind.ports} - NATIVE_ONLY_VARIABLES
    for name in sorted(names):
        if not any(port.startswith(f"127.0.0.1:${{{name}}}:") for port in published):
            yield f"{name} is not published by compose.yaml"
    pins = places.versions()
    numbers = [pins[name] for name in pins if name.endswith("_PORT")]
    yield from (
        f"port {number} is given twice in versions.env"
        for number in set(numbers)
        if numbers.count(number) > 1
    )


def settings(compose):
    for name, pattern in SETTINGS:
        if not re.search(rf"^{pattern}$", text(name), re.M):
            yield f"{name} no longer says {pattern.replace(chr(92), '')}"
    if f'"--replSet", "{Mongo.replica_set}"' not in compose:
        yield f"mongo's replica set in compose.yaml is not {Mongo.replica_set}"


def metrics_ports():
    first = int(places.versions()["READMILL_METRICS_PORT"])
    for port in (first, first + 1):
        if f"host.docker.internal:{port}" not in text("config/targets-docker.json"):
            yield f"config/targets-docker.json does not scrape port {port}"
