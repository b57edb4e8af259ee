"""Whether Grafana's own typed model of a dashboard takes all of ours: what it drops is a mistake."""

import json
import subprocess
import sys

from .words import HERE, boards, fail

VERSION = "1769699998!10.1.0"
SHA256 = "d131ffe49057fb669ba31ce7e28a303c96b3aecf4332b20de33cfa55110d498c"
CACHE = HERE.parent / ".cache" / "grafana-foundation-sdk"
# What Grafana has of its Prometheus data source and of its form, and the model does not.
BEYOND = {"annotations": {"expr", "step", "titleFormat", "textFormat", "tagKeys", "useValueForTime"},
          "templating": {"definition"}}


def wheel():
    """The model, fetched once; a wheel is a zip that can be imported."""
    there = sorted(CACHE.glob("*.whl"))
    if not there:
        CACHE.mkdir(parents=True, exist_ok=True)
        wish = CACHE / "requirements.txt"
        wish.write_text(f"grafana-foundation-sdk=={VERSION} --hash=sha256:{SHA256}\n")
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
             "--require-hashes", "-r", wish, "-d", CACHE], check=True)
        there = sorted(CACHE.glob("*.whl"))
    return there[0]


def lost(ours, theirs, path=()):
    """What is in ours and not in theirs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from lost(value, theirs[key], (*path, key))
            elif key not in BEYOND.get(path[0] if path else "", ()):
                yield (*path, key)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for n, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            yield from lost(a, b, (*path, n))
    elif ours != theirs:
        yield path


def check():
    """Lets the model read and write every dashboard."""
    sys.path.insert(0, str(wheel()))
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    for path, board in boards().items():
        back = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))
        for place in lost(board, back):
            fail(f"{path.name}: Grafana's model does not know {'/'.join(map(str, place))}")
