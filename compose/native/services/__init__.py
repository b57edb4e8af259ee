"""The services of the stack, in the order in which people think of them."""

from .connect import Connect
from .kafka import Kafka
from .mariadb import MariaDb
from .mongo import Mongo
from .postgres import Postgres
from .prometheus import Prometheus
from .redis import Redis
from .registry import Registry

ALL = (Kafka, Registry, Connect, Mongo, Redis, Postgres, MariaDb, Prometheus)
