"""The secured stack: the same services with TLS, credentials and the least rights, beside the plain
one."""

from ..services.registry import Registry
from . import authority as authority
from .connect import SecureConnect
from .gate import Gate
from .kafka import SecureKafka
from .mariadb import SecureMariaDb
from .mongo import SecureMongo
from .postgres import SecurePostgres
from .redis import SecureRedis



class HiddenRegistry(Registry):
    """Asked through the gate alone."""

    def addresses(self, ports):
        return {}


ALL = (
    SecureKafka,
    HiddenRegistry,
    SecureConnect,
    Gate,
    SecureMongo,
    SecureRedis,
    SecurePostgres,
    SecureMariaDb,
)

# Where it begins to look for free ports, for those that the plain stack does not have.
PORTS = {
    "KAFKA_MTLS_PORT": "19094",
    "REGISTRY_TLS_PORT": "18444",
    "CONNECT_TLS_PORT": "18445",
    "TOKEN_PORT": "18446",
}
