"""Checks infra/monitoring with promtool, and its metrics against the exporter's: ``python -m tests.monitoring``.

promtool comes with Prometheus. On a machine without it only names and the form of the dashboard are checked, which is
said.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deployments.monitoring.families import METRICS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "infra" / "monitoring"
MISSING = (
    "not checked: promtool is not here, so queries and alerts were not tried; on Debian: "
    "apt-get install --no-install-recommends prometheus"
)
COMMANDS = (
    ("check", "config", "--syntax-only", "prometheus.yml"),
    ("check", "rules", "alerts.yml"),
    ("test", "rules", "alerts.test.yml"),
)
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")

Panel = dict[str, Any]


def panels(dashboard: dict[str, Any]) -> list[Panel]:
    """The panels of a dashboard with queries."""
    return [panel for panel in dashboard["panels"] if "targets" in panel]


def queries(dashboard: dict[str, Any]) -> dict[str, list[str]]:
    """The queries of each panel, by its title."""
    return {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in panels(dashboard)}


def faults_of_dashboard(dashboard: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the form of a dashboard."""
    ids = [panel["id"] for panel in panels(dashboard)]
    if len(ids) != len(set(ids)):
        yield "panels share an id; give each its own"
    titles = [panel["title"] for panel in panels(dashboard)]
    if len(titles) != len(set(titles)):
        yield "panels share a title; give each its own"
    for panel in panels(dashboard):
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            yield f"{panel['title']}: wider than the 24 columns; make it narrower"
        if panel["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
            yield f"{panel['title']}: names a data source of one Grafana; use the variable ${{datasource}}"


def faults_of_names(text: str) -> Iterator[str]:
    """Metrics of nasflow and their labels in a query that the exporter does not have."""
    labels = {kind.name: kind.labels for kind in METRICS}
    for name, selector in re.findall(r"\b(nasflow_\w+)(?:\{([^}]*)\})?", text):
        if name not in labels:
            yield f"{name}: no such metric; `nasflow metrics` has {', '.join(sorted(labels))}"
            continue
        for label in LABEL.findall(selector):
            if label not in labels[name]:
                yield f"{name}: has no label {label}; it has {', '.join(labels[name]) or 'none'}"


def rules_of(dashboard: dict[str, Any]) -> dict[str, Any]:
    """A file of rules with the queries of a dashboard, since promtool reads no dashboards."""
    rules = [
        {"record": f"panel_{panel['id']}_{target['refId']}", "expr": target["expr"]}
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]
    return {"groups": [{"name": "dashboard", "rules": rules}]}


def faults_of_promtool(promtool: str, dashboard: dict[str, Any]) -> Iterator[str]:
    """What promtool says against configuration, rules, tests of rules and queries of the dashboard."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grafana-dashboard.json.yml"
        path.write_text(yaml.safe_dump(rules_of(dashboard)))
        for arguments in (*COMMANDS, ("check", "rules", str(path))):
            done = subprocess.run([promtool, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
            if done.returncode:
                yield f"promtool {' '.join(arguments)}:\n{(done.stdout + done.stderr).strip()}"


def main() -> int:
    """Check all, print what is wrong, and give the exit code."""
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    faults = list(faults_of_dashboard(dashboard))
    expressions = [query for some in queries(dashboard).values() for query in some]
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    expressions += [rule["expr"] for group in rules for rule in group["rules"]]
    faults += [fault for expression in expressions for fault in faults_of_names(expression)]
    promtool = shutil.which("promtool")
    if promtool:
        faults += faults_of_promtool(promtool, dashboard)
    for fault in faults:
        print(f"infra/monitoring: {fault}")
    if not promtool:
        print(MISSING, file=sys.stderr)
    print(f"{len(METRICS)} metrics, {len(expressions)} queries: {'faulty' if faults else 'good'}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
