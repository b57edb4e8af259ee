"""How every panel, variable and annotation looks, and where it stands: once, for all dashboards."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
HEIGHT = 8
RATE = "$__rate_interval"
# Green until the first, then the colours in turn.
COLOURS = ("yellow", "red")


def target(expr, legend, ref, instant):
    made = {
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": expr,
        "legendFormat": legend,
        "range": not instant,
        "refId": ref,
    }
    return {**made, "instant": True, "format": "table"} if instant else made


def panel(kind, title, about, unit, targets, *, w=8, runbook=None, instant=False, limits=(), **more):
    """A panel without a place. `targets` are (expression, legend), `limits` where colours change."""
    defaults = {"unit": unit, "min": 0}
    if limits:
        steps = [{"color": "green", "value": None}]
        colours = COLOURS[-len(limits):]
        steps += [{"color": c, "value": v} for c, v in zip(colours, limits, strict=True)]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    made = {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "gridPos": {"h": HEIGHT, "w": w, "x": 0, "y": 0},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {},
        "targets": [
            target(expr, legend, chr(ord("A") + n), instant)
            for n, (expr, legend) in enumerate(targets)
        ],
        **more,
    }
    if runbook:
        made["links"] = [
            {"title": f"Runbook: {runbook}", "url": f"${{runbooks}}/{runbook}.md",
             "targetBlank": True}
        ]
    return made


def graph(title, about, unit, *targets, **more):
    """Lines over time."""
    made = panel("timeseries", title, about, unit, targets, **more)
    made["fieldConfig"]["defaults"]["custom"] = {
        "drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never",
    }
    made["options"] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return made


def number(title, about, unit, *targets, **more):
    """One number, or one a legend."""
    made = panel("stat", title, about, unit, targets, **more)
    made["options"] = {
        "colorMode": "background" if more.get("limits") else "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    }
    return made


def bars(title, about, unit, *targets, **more):
    """A bar a legend."""
    made = panel("bargauge", title, about, unit, targets, **more)
    made["options"] = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
    }
    return made


def table(title, about, unit, expr, called, **more):
    """A table of the labels of an expression, with its value under a name."""
    made = panel("table", title, about, unit, [(expr, "")], instant=True, **more)
    del made["fieldConfig"]["defaults"]["min"]
    made["options"] = {"showHeader": True}
    made["transformations"] = [{
        "id": "organize",
        "options": {"excludeByName": {"Time": True}, "indexByName": {},
                    "renameByName": {"Value": called}},
    }]
    return made


def row(title, *panels):
    """A row with its panels, from left to right."""
    return (title, panels)


def placed(rows):
    """All panels with ids and places."""
    made, y = [], 0
    for title, panels in rows:
        made.append({
            "type": "row", "title": title, "collapsed": False, "panels": [],
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
        })
        x, y = 0, y + 1
        for one in panels:
            place = one["gridPos"]
            if x + place["w"] > COLUMNS:
                x, y = 0, y + HEIGHT
            made.append({**one, "gridPos": {**place, "x": x, "y": y}})
            x += place["w"]
        y += HEIGHT
    return [{"id": n, **one} for n, one in enumerate(made, 1)]


def variable(name, label, query, *, several=True):
    """A variable with the values of a label."""
    both = {"includeAll": several, "multi": several}
    everything = {"selected": True, "text": ["All"], "value": ["$__all"]} if several else {}
    return {
        "name": name, "label": label, "type": "query", "datasource": SOURCE, "definition": query,
        "query": {"qryType": 1, "query": query, "refId": name}, "refresh": 2, "sort": 1, "hide": 0,
        "current": everything, "options": [], "regex": "", **both,
        **({"allValue": ".*"} if several else {}),
    }


MODELS = variable("model", "Model", "label_values(readmill_consumed_total, model)")
ONE_MODEL = variable("model", "Model", "label_values(readmill_consumed_total, model)", several=False)
SOURCES = {
    "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
    "refresh": 1, "hide": 0, "includeAll": False, "multi": False, "current": {}, "options": [],
    "regex": "",
}
RUNBOOKS = {
    "name": "runbooks", "label": "Where the runbooks are", "type": "textbox", "hide": 0,
    "query": "dashboards/runbooks", "options": [],
    "current": {"selected": True, "text": "dashboards/runbooks", "value": "dashboards/runbooks"},
}


def annotation(name, colour, expr, title, at_value=False):
    return {
        "name": name, "datasource": SOURCE, "enable": True, "hide": False, "iconColor": colour,
        "expr": expr, "step": "15s", "titleFormat": title, "textFormat": "",
        "tagKeys": "instance,model", "useValueForTime": "on" if at_value else "off",
    }


# A start is a deploy, or a restart by whoever watches over processes.
ANNOTATIONS = [
    annotation(
        "Starts", "blue",
        "1000 * max by (job, instance) (process_start_time_seconds and on (job, instance) "
        "readmill_build_info)",
        "{{instance}} began", at_value=True,
    ),
    annotation(
        "Swaps", "purple",
        'max by (model) (changes(readmill_live_generation[1m])) > 0',
        "{{model}}: readers see another generation",
    ),
]


def links(uid):
    return [{
        "title": "Readmill", "type": "dashboards", "tags": ["readmill"], "asDropdown": True,
        "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "external link",
        "tooltip": "", "url": "",
    }]


def board(uid, title, about, variables, *rows):
    """A dashboard."""
    return {
        "uid": uid, "title": title, "description": about, "tags": ["readmill"],
        "schemaVersion": 39, "version": 1, "editable": True, "graphTooltip": 1, "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"}, "timezone": "browser",
        "annotations": {"list": ANNOTATIONS}, "links": links(uid),
        "templating": {"list": [SOURCES, *variables, RUNBOOKS]},
        "panels": placed(rows),
    }


# Expressions that come again and again.


def of(metric, more=""):
    """A metric of the chosen models."""
    chosen = 'model=~"$model"' + (f", {more}" if more else "")
    return f"{metric}{{{chosen}}}"


def rate(metric, by="model", more=""):
    return f"sum by ({by}) (rate({of(metric, more)}[{RATE}]))"


def quantile(q, metric, by="model", more=""):
    return f"histogram_quantile({q}, {rate(metric + '_bucket', by + ', le', more)})"


def mean(metric, by="model", more=""):
    return f"{rate(metric + '_sum', by, more)} / {rate(metric + '_count', by, more)}"


def total(metric, by="model", more=""):
    return f"sum by ({by}) ({of(metric, more)})"


def most(metric, by="model", more=""):
    return f"max by ({by}) ({of(metric, more)})"
