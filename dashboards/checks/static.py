"""Whether files say only what is there, and whether alerts are tested and have runbooks."""

import json
import re
import subprocess
import tempfile

from .words import (HERE, NAME, RULES, SCRAPED, boards, declared, domains, fail, failures, filled,
                    outside, panels, rules, shown, used)

TESTS = HERE / "tests" / "alerts_test.yml"


def check_names(expressions, recorded):
    series, metrics = declared()
    foreign, words = outside(), domains()
    touched = set()
    for where, expression in expressions:
        for name, selected in used(expression):
            touched.add(name)
            if name in series:
                touched.add(series[name][0])
                labels = series[name][1]
            elif name in foreign:
                labels = foreign[name]
            elif name in recorded or name == "up":
                continue
            else:
                fail(f"{where}: {name} is neither in docs/metrics.md nor a recording rule")
                continue
            if strange := selected - labels - SCRAPED:
                fail(f"{where}: {name} has no label {', '.join(sorted(strange))}")
        for label, _, said in re.findall(rf"({NAME})(=~?)\"([^\"$]*)\"", expression):
            for word in said.split("|") if label in words else []:
                # Connect's own `status` and `state` are not ours to know.
                if word not in words[label] and "kafka_connect" not in expression:
                    fail(f"{where}: there is no {label} {word}")
    for name in sorted((metrics | recorded | set(foreign)) - touched):
        fail(f"{name} is used nowhere")


def overlap(a, b):
    return (a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"]
            and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"])


def check_board(path, board):
    """Checks the shape of a dashboard."""
    every = panels(board)
    ids = [p["id"] for p in every]
    if len(ids) != len(set(ids)):
        fail(f"{path.name}: panel ids are not unique")
    for at, panel in enumerate(every):
        where, grid = f"{path.name}: {panel['title']}", panel["gridPos"]
        if grid["x"] + grid["w"] > 24:
            fail(f"{where}: wider than the grid")
        for other in every[at + 1:]:
            if overlap(grid, other["gridPos"]):
                fail(f"{where}: overlaps {other['title']}")
        if panel["type"] == "row":
            continue
        if not panel.get("description") or not panel["fieldConfig"]["defaults"].get("unit"):
            fail(f"{where}: has no description or no unit")
        if not panel.get("targets"):
            fail(f"{where}: has no expression")
        for link in panel.get("links", []):
            if not (HERE / "runbooks" / link["url"].rpartition("/")[2]).is_file():
                fail(f"{where}: leads to a runbook that is not there")
    for uid in re.findall(r'"datasource": (?:\{[^}]*"uid": "([^"]*)"|"([^"]*)")', path.read_text()):
        if "${datasource}" not in uid:
            fail(f"{path.name}: has a data source of its own: {''.join(uid)}")


def check_alerts(alerts):
    """Every alert has a runbook, and a firing and a quiet test; answers how many have all."""
    text, complete = TESTS.read_text(), 0
    firing, quiet = set(), set()
    for name, expected in re.findall(r"alertname: (\w+)\n\s+exp_alerts:(.*)", text):
        (quiet if expected.strip() == "[]" else firing).add(name)
    for name, body in alerts.items():
        before = len(failures)
        book = f"dashboards/runbooks/{name}.md"
        path = HERE.parent / book
        if f"runbook: {book}\n" not in body + "\n" or not path.is_file():
            fail(f"{name}: has no runbook at {book}")
        elif missing := [part for part in ("**Symptom.**", "**Meaning.**", "**First.**\n```sh\n")
                         if part not in path.read_text()]:
            fail(f"{name}: its runbook has no {missing[0].splitlines()[0]}")
        for word in ("summary:", "description:", "severity:"):
            if word not in body:
                fail(f"{name}: has no {word[:-1]}")
        if name not in firing:
            fail(f"{name}: no test sees it fire")
        if name not in quiet:
            fail(f"{name}: no test sees it quiet")
        complete += len(failures) == before
    for name in sorted((firing | quiet | {b.stem for b in HERE.glob("runbooks/*.md")}) - set(alerts)):
        fail(f"{name}: has a test or a runbook, but is no alert")
    return complete


def promtool(*arguments):
    try:
        done = subprocess.run(["promtool", *map(str, arguments)], cwd=HERE, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except FileNotFoundError:
        return fail("promtool is not there; on Debian it is in the package prometheus")
    if done.returncode:
        fail(f"promtool {arguments[0]} {arguments[1]} failed\n{done.stdout.rstrip()}")


def check_grammar(expressions):
    """Lets promtool read the dashboards' expressions, as rules with Grafana's variables filled in."""
    written = [{"record": f"panel:{n}", "expr": filled(e)} for n, (_, e) in enumerate(expressions)]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump({"groups": [{"name": "panels", "rules": written}]}, file)  # JSON is YAML
        file.flush()
        promtool("check", "rules", file.name)


def check():
    """Checks all that needs no server; answers the numbers of the last line."""
    written = rules()
    recorded = {name for kind, name, _, _ in written if kind == "record"}
    alerts = {name: body for kind, name, _, body in written if kind == "alert"}
    every = boards()
    for path, board in every.items():
        check_board(path, board)
    seen = [found for path, board in every.items() for found in shown(path, board)]
    expressions = [(name, expression) for _, name, expression, _ in written] + seen
    check_names(expressions, recorded)
    tested = check_alerts(alerts)
    check_grammar(seen)
    promtool("check", "rules", *RULES)
    promtool("test", "rules", TESTS)
    return {"expressions": len(expressions), "alerts": len(alerts), "alerts_tested": tested}
