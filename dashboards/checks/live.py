"""Whether every expression has data on a real Prometheus that scrapes a loaded instance."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request

from .words import boards, fail, filled, outside, rules, selectors, shown, used

RATE_INTERVAL = "30s"
# What cannot have data in a run of the test, each with why. The check fails if one of them has.
JUSTIFIED = {}
CONNECT = "Connect's JVM is not scraped here: the stack runs without the JMX exporter"
NUMBER = r"-?\d+(?:\.\d+)?(?:e\d+)?"


def ask(url, expression):
    """What a Prometheus answers to an expression at once: its samples."""
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=10) as answer:
            data = json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        said = json.loads(error.read() or b"{}").get("error", error.reason)
        raise SyntaxError(f"{said}: {expression}") from error
    if data["resultType"] == "scalar":
        return [data["result"]]
    # What is divided by nothing is no data.
    return [one for one in data["result"] if one["value"][1] != "NaN"]


def quiet(expression):
    """Without its comparisons with numbers, so that it has data while nothing is wrong."""
    return re.sub(rf"(==|!=|>=|<=|>|<)\s*(?!bool){NUMBER}", " ", expression)


def has_data(url, expression):
    """How it has data: as it stands, without comparisons, or in each of its selectors; else none."""
    if ask(url, expression):
        return "whole"
    calm = quiet(expression)
    if calm != expression and ask(url, calm):
        return "without its comparison"
    operands = re.search(r"\b(and|or|unless|absent)\b", expression)
    if operands and all(ask(url, one) for one in selectors(expression)):
        return "by its selectors"
    return None


def everything():
    """(where, expression) of all rules and dashboards, with variables filled in."""
    found = [(name, expression) for _, name, expression, _ in rules()]
    found += [one for path, board in boards().items() for one in shown(path, board)]
    return [(where, " ".join(filled(expression, RATE_INTERVAL).split()))
            for where, expression in found]


def check(url):
    """Asks all of it; answers how many have data and how many are justified."""
    foreign, counted = outside(), {"with_data": 0, "justified": 0}
    with_connect = bool(ask(url, "kafka_connect_connector_task_status"))
    for where, expression in everything():
        excuse = JUSTIFIED.get(where)
        if not with_connect and any(name in foreign for name, _ in used(expression)):
            excuse = CONNECT
        try:
            how = has_data(url, expression)
        except SyntaxError as error:
            fail(f"{where}: {error}")
            continue
        if excuse == CONNECT:  # whatever is made up beside, such as `or vector(0)`
            how = None
        if how:
            counted["with_data"] += 1
            if how != "whole":
                print(f"dashboards: {where}: has data {how}")
            if excuse:
                fail(f"{where}: has data, and is excused: {excuse}")
        elif excuse:
            counted["justified"] += 1
            print(f"dashboards: {where}: no data, since {excuse}")
        else:
            fail(f"{where}: no data: {expression}")
    return counted
