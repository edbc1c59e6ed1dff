"""What retrain runs came to, from a real store: written once, read by the command, and never made up."""

from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from deployments.remote.outcome import find_version_of, outcome_document, read_outcome
from tasks.errors import NasflowError
from tasks.promotion.outcome import reused_stages, store_outcome
from tasks.promotion.registry import Publication, publish
from tasks.records import ModelFormats, PromotionDecision, RunOutcome
from tests.fakes.finished_runs import evaluated, finished_run, stored_labels
from tests.fakes.published import now

RUN = FlowRun(id=uuid4(), flow_id=uuid4(), name="brave-otter")


@pytest.fixture
def version(store, tmp_path):
    """A version that was published, and is not the champion."""
    labels = stored_labels(store, tmp_path)
    model = finished_run(store, tmp_path, labels, 1)
    report = evaluated(store, tmp_path, labels, model, 1.0)
    decision = PromotionDecision(
        promote=False, verdict="cannot tell", reason="Too few images.", candidate_map=0.5, champion_map=None,
        champion_version=None,
    )  # fmt: skip
    formats = ModelFormats(
        run_key=model.run_key, weights_sha256=model.weights.sha256, threshold=0.5, formats=(), refused={}, seconds=1
    )
    weights, page = tmp_path / "weights.safetensors", tmp_path / "page.html"
    store.download(model.weights, weights)
    page.write_bytes(b"<html>")
    return publish(store, Publication("pets", model, report, decision, weights, page, formats, {}), now)


def outcome(**values):
    return RunOutcome(project="pets", flow_run=str(RUN.id), **values)


@pytest.mark.parametrize(
    ("flows", "reused"),
    [
        (set(), ("training", "evaluation")),
        ({"evaluate"}, ("training",)),
        ({"train"}, ()),
        ({"train", "evaluate"}, ()),
    ],
)
def test_what_had_no_flow_run_was_used_again(flows, reused):
    assert reused_stages(flows) == reused


def test_the_first_attempt_that_ended_is_the_one_that_counts(store):
    store_outcome(store, outcome(skipped="nothing changed"))
    store_outcome(store, outcome(version=3))
    assert read_outcome(store, "pets", RUN) == outcome(skipped="nothing changed")


def test_an_outcome_in_another_store_is_told(store):
    with pytest.raises(NasflowError, match="brave-otter completed, but its outcome is not in the store that"):
        read_outcome(store, "pets", RUN)


def test_a_run_is_shown_with_its_own_decision(store, version):
    stored = outcome(version=1, decision=version.decision, reused=("training",))
    document = outcome_document(store, stored, find_version_of(store, stored))
    assert document["decision"]["verdict"] == version.decision.verdict
    assert document["model"]["version"] == 1
    assert document["training"]["run_key"] == version.run_key
    assert (document["skipped"], document["reused"]) == (None, ["training"])


def test_a_skipped_run_without_a_champion_has_no_model_and_no_verdict(store):
    stored = outcome(skipped="gave way to another run")
    document = outcome_document(store, stored, find_version_of(store, stored))
    assert document == {
        "skipped": "gave way to another run", "training": None, "evaluation": None, "model": None, "decision": None,
        "reused": [],
    }  # fmt: skip
