"""What there is to say: the metrics of docs/metrics.md, the rules, the dashboards' expressions."""

import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
PAGE = HERE.parent / "docs" / "metrics.md"  # a unit test holds that it is what the tables make
JMX = HERE / "jmx" / "connect.yml"
RULES = [HERE / "rules" / "recording.yml", HERE / "rules" / "alerts.yml"]
SCRAPED = {"job", "instance"}  # labels that Prometheus adds
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right",
         "offset", "bool", "inf", "nan"}
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
failures = []


def fail(what):
    failures.append(what)
    print(f"dashboards: {what}")


def declared():
    """The series of docs/metrics.md: series name -> (metric, its labels), and all metrics."""
    series, metrics = {}, set()
    for metric, kind, listed in re.findall(
        r"^\| `([a-z_]+)` \| (counter|gauge|histogram)[^|]*\| ([^|]*)\|", PAGE.read_text(), re.M
    ):
        labels = set(re.findall(r"`(\w+)`", listed))
        metrics.add(metric)
        if kind == "histogram":
            series |= {metric + "_bucket": (metric, labels | {"le"}),
                       metric + "_sum": (metric, labels), metric + "_count": (metric, labels)}
        else:
            series[metric] = (metric, labels)
    return series, metrics


def domains():
    """The labels whose values are words: label -> its words."""
    found = {}
    for label, values in re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(), re.M):
        if "anything else would be" in values:
            found[label] = set(re.findall(r"`(\w+)`", values))
    return found


def outside():
    """The metrics of the JMX exporter: name -> its labels."""
    found = {}
    for part in JMX.read_text().split("\n  - ")[1:]:
        name = re.search(r"^    name: (\w+)", part, re.M)
        if name:
            found[name.group(1)] = set(re.findall(r"^      (\w+):", part, re.M))
    return found


def rules():
    """(kind, name, expression, body) of each rule; rules are written `- record:` or `- alert:`."""
    found = []
    for path in RULES:
        text, before = path.read_text(), len(found)
        for part in re.split(r"\n      - (?=record:|alert:)", text)[1:]:
            part += "\n"  # which the split has taken
            kind, name = re.match(r"(record|alert): (\S+)", part).groups()
            expr = re.search(r"\n        expr:(?: \|\n((?:          .*\n)+)| ?(.+))", part)
            if not expr:
                fail(f"{path.name}: {name} has no expr in the form that is read here")
                continue
            found.append((kind, name, expr.group(1) or expr.group(2), part))
        if len(re.findall(r"\bexpr:", text)) != len(found) - before:
            fail(f"{path.name}: has expressions in a form that is not read here")
    return found


def boards():
    """The dashboards by their files' names."""
    return {path: json.loads(path.read_text()) for path in sorted(HERE.glob("*.json"))}


def panels(board):
    return [p for top in board["panels"] for p in [top, *top.get("panels", [])]]


def shown(path, board):
    """(where, expression) of all panels, variables and annotations of a dashboard."""
    found = [(f"{path.name}: {panel['title']}", target["expr"])
             for panel in panels(board) for target in panel.get("targets", [])]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            metric = re.match(rf"label_values\(({NAME}(?:{{.*}})?),", variable["query"]["query"])
            found.append((f"{path.name}: ${variable['name']}", metric.group(1)))
    for one in board["annotations"]["list"]:
        found.append((f"{path.name}: annotation {one['name']}", one["expr"]))
    return found


def filled(expression, rate_interval="1m"):
    """An expression with Grafana's variables filled in."""
    text = expression.replace("$__rate_interval", rate_interval)
    return re.sub(r"\$(model|rollup|connector)\b", ".*", text)


def bare(expression):
    """Without strings, ranges, groupings and offsets: what is left are names and selectors."""
    text = re.sub(r"\"[^\"]*\"", '""', expression)
    text = re.sub(r"\[[^\]]*\]", " ", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    return re.sub(r"\boffset\s+-?\w+", " ", text)


def used(expression):
    """The series that a PromQL expression names, each with the labels it selects by."""
    for name, call, braces in re.findall(rf"(?<![\w.$:])({NAME})\s*(\()?(\{{[^}}]*\}})?",
                                         bare(expression)):
        if not call and name not in WORDS:
            yield name, set(re.findall(rf"({NAME})\s*[=!]", braces))


def selectors(expression):
    """The selectors of an expression as they stand there, without ranges and offsets."""
    strings = []

    def put_away(found):
        strings.append(found.group(0))
        return f'"{len(strings) - 1}"'

    def put_back(text):
        return re.sub(r'"(\d+)"', lambda found: strings[int(found.group(1))], text)

    text = re.sub(r'"[^"]*"', put_away, expression)
    text = re.sub(r"\[[^\]]*\]", " ", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    text = re.sub(r"\boffset\s+-?\w+", " ", text)
    found = re.findall(rf"(?<![\w.$:])({NAME})\s*(\()?(\{{[^}}]*\}})?", text)
    return [put_back(name + braces) for name, call, braces in found
            if not call and name not in WORDS]
