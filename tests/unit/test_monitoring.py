"""Metrics for Prometheus: figures in, text out; freshness; and that the checks of infra/monitoring find faults."""

import copy
import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from deployments.monitoring.families import METRICS, families, of_server, of_statuses, of_store
from deployments.monitoring.figures import (
    Champion,
    Crash,
    Queue,
    ServerFigures,
    StoreFigures,
    TrainingInStore,
)
from deployments.monitoring.poller import Poller, Status
from deployments.monitoring.store_look import lost_seconds
from tasks.storage.checkpoints import SavedCheckpoint
from tests.monitoring import FOLDER, faults_of_dashboard, faults_of_names, faults_of_promtool, rules_of

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVER = ServerFigures(
    flow_runs={("train", "running"): 2, ("train", "failed"): 0},
    training_seconds={"completed": 7200.5},
    queues=[Queue("gpu", "default", 3, 90.0)],
    workers_online={"gpu": 4},
    trainings=[],
    crashes=[],
    backup_begun=None,
    left_out={"trainings": 1},
)
STORE = StoreFigures(
    trainings=[TrainingInStore("abcdef" * 8, 2, 61.0)], champions=[Champion("pets", 7, NOON)], left_out={"projects": 0}
)


class _Fixed(Collector):
    def __init__(self, samples):
        self.samples = samples

    def collect(self):
        return families(self.samples)


def text_of(*samples):
    registry = CollectorRegistry()
    registry.register(_Fixed(samples))
    return generate_latest(registry).decode()


def lines_of(*samples):
    return [line for line in text_of(*samples).splitlines() if not line.startswith("#")]


# From figures to text ----------------------------------------------------------------------------


def test_figures_of_the_server_become_these_lines():
    assert lines_of(of_server(SERVER)) == [
        'nasflow_left_out{what="trainings"} 1.0',
        'nasflow_flow_runs{flow="train",state="running"} 2.0',
        'nasflow_flow_runs{flow="train",state="failed"} 0.0',
        'nasflow_training_seconds{state="completed"} 7200.5',
        'nasflow_waiting_flow_runs{pool="gpu",queue="default"} 3.0',
        'nasflow_queue_wait_seconds{pool="gpu",queue="default"} 90.0',
        'nasflow_workers_online{pool="gpu"} 4.0',
    ]


def test_figures_of_the_store_become_these_lines():
    assert lines_of(of_store(STORE), {"nasflow_training_lost_seconds_total": [((), 12.5)]}) == [
        'nasflow_left_out{what="projects"} 0.0',
        "nasflow_training_lost_seconds_total 12.5",
        'nasflow_upload_lag_epochs{run="abcdefabcdef"} 2.0',
        'nasflow_unsaved_seconds{run="abcdefabcdef"} 61.0',
        'nasflow_champion_version{project="pets"} 7.0',
        'nasflow_champion_promoted_timestamp_seconds{project="pets"} 1.7723664e+09',
    ]


def test_each_metric_has_its_help_and_type_once_also_from_two_sources():
    statuses = of_statuses({"server": Status(True, 5.0, 0.1), "store": Status(False, None, 0.0)})
    found = list(text_string_to_metric_families(text_of(statuses, of_server(SERVER), of_store(STORE))))
    assert [family.name for family in found] == [kind.name.removesuffix("_total") for kind in METRICS]
    assert {family.name: family.type for family in found}["nasflow_training_lost_seconds"] == "counter"
    assert [sample.value for sample in found[0].samples] == [1.0, 0.0]
    assert all(family.documentation for family in found)


def test_names_follow_the_conventions_of_prometheus():
    for kind in METRICS:
        assert re.fullmatch(r"nasflow_[a-z_]+", kind.name)
        assert kind.name.endswith("_total") == (kind.type == "counter")
        assert not re.search(r"_(minutes|hours|days|ms|milliseconds|count|sum|bucket)$", kind.name)
        assert not {"le", "quantile", "job", "instance"} & set(kind.labels)


# What a crash cost -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("saved_minutes", "expected"),
    [
        ([], 3600),  # nothing was saved: the whole attempt
        ([-30], 3600),  # saved by an attempt before
        ([20, 50], 600),
        ([20, 50, 61], 600),  # the next attempt went on from it, and has saved another
        ([60], 0),
    ],
)
def test_a_crash_costs_what_was_trained_since_the_newest_checkpoint(saved_minutes, expected):
    crash = Crash("1", "a" * 64, began=NOON, at=NOON + timedelta(hours=1))
    saved = [SavedCheckpoint(one, NOON + timedelta(minutes=minutes)) for one, minutes in enumerate(saved_minutes)]
    assert lost_seconds(crash, saved) == expected


def test_a_crash_by_a_clock_that_is_behind_costs_nothing_less_than_nothing():
    crash = Crash("1", "a" * 64, began=NOON, at=NOON - timedelta(seconds=5))
    assert lost_seconds(crash, []) == 0


# Freshness ---------------------------------------------------------------------------------------


class Source:
    """A source whose clock and answers a test sets."""

    def __init__(self):
        self.now = 0.0
        self.answer: int | Exception = 1
        self.poller = Poller("the source", self.look, 10.0, lambda: self.now)

    def look(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_figures_are_served_until_three_looks_would_have_been():
    source = Source()
    assert source.poller.fresh() is None
    source.poller.look()
    source.now = 30.0
    assert source.poller.fresh() == 1
    source.now = 30.1  # a look hangs
    assert source.poller.fresh() is None
    assert not source.poller.status().up


def test_a_look_that_fails_takes_the_figures_away_at_once_and_the_next_brings_them_back(caplog):
    caplog.set_level("INFO")
    source = Source()
    source.poller.look()
    source.answer = OSError("http://someone:hunter2@server is away")
    source.poller.look()
    source.poller.look()
    assert source.poller.fresh() is None
    assert source.poller.status().last_success is not None
    source.answer = 2
    source.poller.look()
    assert (source.poller.fresh(), source.poller.status().up) == (2, True)
    assert caplog.messages == [
        "the source: answers",
        "the source: no answer (OSError); `nasflow doctor` says why",
        "the source: answers",
    ]


# infra/monitoring --------------------------------------------------------------------------------


PROMTOOL = shutil.which("promtool")
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("rate(nasflow_lost_total[1h])", "nasflow_lost_total: no such metric"),
        ('nasflow_flow_runs{project="pets"}', "nasflow_flow_runs: has no label project; it has flow, state"),
        ('nasflow_training_lost_seconds_total{run=~"a.*"}', "has no label run; it has none"),
    ],
)
def test_a_query_about_something_that_is_not_there_is_found(query, said):
    (fault,) = faults_of_names(query)
    assert said in fault
    assert not list(faults_of_names('sum by (pool) (nasflow_queue_wait_seconds{pool!="gpu"}) > 1'))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda panel: panel.update(id=2), "panels share an id"),
        (lambda panel: panel["gridPos"].update(x=20), "Sources: wider than the 24 columns"),
        (lambda panel: panel.update(datasource={"type": "prometheus", "uid": "P18"}), "names a data source of one"),
    ],
)
def test_a_fault_in_the_form_of_the_dashboard_is_found(change, said):
    dashboard = copy.deepcopy(DASHBOARD)
    change(dashboard["panels"][0])
    assert [fault for fault in faults_of_dashboard(dashboard) if said in fault]
    assert not list(faults_of_dashboard(DASHBOARD))


def test_every_query_of_the_dashboard_is_a_rule_for_promtool():
    (group,) = rules_of(DASHBOARD)["groups"]
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert [rule["expr"] for rule in group["rules"]] == queries
    assert len({rule["record"] for rule in group["rules"]}) == len(queries)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here: apt-get install prometheus")
def test_promtool_finds_a_query_that_does_not_parse():
    dashboard = copy.deepcopy(DASHBOARD)
    dashboard["panels"][1]["targets"][0]["expr"] = "sum(nasflow_flow_runs"
    (fault,) = faults_of_promtool(str(PROMTOOL), dashboard)
    assert "panel_2_A" in fault
    assert "unclosed left parenthesis" in fault


def test_every_alert_has_a_test_a_severity_a_summary_and_a_remedy():
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((FOLDER / "alerts.test.yml").read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one.get("exp_alerts")}
    assert {rule["alert"] for rule in rules} == fired
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "remedy"}


def test_every_metric_is_in_the_docs_and_in_an_alert_or_the_dashboard():
    page = (ROOT / "docs" / "monitoring.md").read_text()
    rows = re.findall(r"^\| `(nasflow_\w+)` \| (.*?) ?\| (.+) \|$", page, re.MULTILINE)
    assert rows == [(kind.name, ", ".join(f"`{label}`" for label in kind.labels), kind.help) for kind in METRICS]
    text = (FOLDER / "alerts.yml").read_text() + json.dumps(DASHBOARD)
    told_otherwise = {"nasflow_last_success_timestamp_seconds", "nasflow_champion_version"}
    assert {kind.name for kind in METRICS if kind.name not in text} == told_otherwise
