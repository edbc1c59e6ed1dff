"""Requests for the same project at the same time, through deployments on real servers and workers."""

import json

import pytest

from tasks.metrics.scoring_number import SCORING
from tasks.promotion.aliases import find_alias
from tasks.promotion.registry import find_version, versions
from tasks.storage.s3 import Store
from tests.e2e.stack import TINY
from tests.fakes.measured_labels import measured_labels


def run_together(stack, *requests):
    """Ask for runs before the first one can end; their ids when all are completed."""
    runs = [stack.nasflow("retrain", *options, "--no-wait")["flow_run"] for options in requests]
    ends = [stack.end(run) for run in runs]
    assert [name for name, _ in ends] == ["Completed"] * len(runs), ends
    return runs


def outcome(stack, run):
    """The row from which programs read what a run came to."""
    (row,) = [one for one in stack.artifacts(run) if one["key"] == "retrain-outcome"]
    return json.loads(row["data"])[0]


@pytest.fixture(scope="module")
def twins(stack, export):
    """Two identical requests for a new project."""
    request = ["--export", str(export), "--project", "twins", "--seed", "21", "--epochs", "1", *TINY]
    return run_together(stack, request, request)


def test_two_identical_requests_at_once_give_one_run_one_version_and_one_champion(stack, twins):
    store = Store.from_environment()
    (version,) = versions(store, "twins")
    assert [move.version for move in find_alias(store, "twins", "champion").history] == [1]
    for run in twins:
        row = outcome(stack, run)
        assert (row["version"], row["alias"], row["promote"], row["verdict"]) == (1, "champion", True, "promote")
        assert row["run_key"] == version.run_key
        assert row["reason"] == version.decision.reason
    reports = [key for key in store.list(f"runs/{version.run_key}/") if key.endswith("/report.json")]
    assert reports == [f"runs/{version.run_key}/scoring-{SCORING}/report.json"]


def test_two_different_requests_at_once_are_both_judged_and_the_second_against_the_first(stack, tmp_path):
    store = Store.from_environment()
    # Their models are trained and measured already, so that both come to the gate at the same time.
    labels = measured_labels(store, tmp_path, 22, 23)
    request = ["--export", str(labels), "--project", "rivals", "--seed"]
    runs = run_together(stack, [*request, "22"], [*request, "23"])
    assert [version.version for version in versions(store, "rivals")] == [1, 2]
    champion = find_alias(store, "rivals", "champion")
    rows = [outcome(stack, run) for run in runs]
    assert sorted(row["version"] for row in rows) == [1, 2]
    for row in rows:
        card = find_version(store, "rivals", row["version"])
        assert (card.decision.promote, card.decision.reason) == (row["promote"], row["reason"])
    # The one that came first had no champion to beat. The other is as good, so it cannot be surely better.
    assert len(champion.history) == 1
    first, second = sorted(rows, key=lambda row: row["version"] != champion.version)
    assert first["reason"].startswith("First model")
    assert (first["alias"], second["alias"]) == ("champion", None)
    assert (first["promote"], second["promote"]) == (True, False)
    assert not second["reason"].startswith("First model")
