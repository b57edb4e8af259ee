"""Prometheus from Debian: scrapes Readmill on this machine and reads the rules of dashboards/."""

import json
import os

from .. import debian, places, wire
from ..service import Service


class Prometheus(Service):
    name = "prometheus"
    ports = ("PROMETHEUS_PORT",)

    def packages(self):
        return [("prometheus", debian.program("prometheus") is not None)]

    def prepare(self, ports):
        text = (places.CONFIG / "prometheus.yml").read_text()
        (self.folder / "prometheus.yml").write_text(
            text.replace("localhost:9090", f"127.0.0.1:{ports['PROMETHEUS_PORT']}")
        )
        for name in ("rules", "alerts"):
            link = self.folder / name
            link.unlink(missing_ok=True)
            if (places.ROOT / "dashboards" / name).is_dir():
                link.symlink_to(places.ROOT / "dashboards" / name)
        first = int(
            os.environ.get("READMILL_METRICS_PORT") or places.versions()["READMILL_METRICS_PORT"]
        )
        targets = [f"127.0.0.1:{first}", f"127.0.0.1:{first + 1}"]
        connect = [{"targets": [f"127.0.0.1:{ports['CONNECT_METRICS_PORT']}"]}]
        (self.folder / "connect").mkdir(exist_ok=True)
        (self.folder / "connect/connect.json").write_text(json.dumps(connect) + "\n")
        (self.folder / "targets").mkdir(exist_ok=True)
        (self.folder / "targets/readmill.json").write_text(
            json.dumps([{"targets": targets}]) + "\n"
        )

    def command(self, ports):
        return [
            debian.program("prometheus"),
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.data}",
            f"--web.listen-address=127.0.0.1:{ports['PROMETHEUS_PORT']}",
            "--web.enable-lifecycle",
            "--storage.tsdb.retention.time=1d",
            "--log.level=warn",
        ]

    def healthy(self, ports):
        return wire.http("GET", self.url(ports) + "/-/ready", timeout=5)[0] == 200

    def url(self, ports):
        return f"http://127.0.0.1:{ports['PROMETHEUS_PORT']}"

    def addresses(self, ports):
        return {"PROMETHEUS_URL": self.url(ports)}

    def version(self):
        return debian.line([debian.program("prometheus"), "--version"], "PROMETHEUS_VERSION")
