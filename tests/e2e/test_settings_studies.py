"""Studies of settings through deployments, on a real server, workers and store."""

import html
import shlex
import urllib.request

import pytest

from tests.e2e.stack import TINY

PROJECT = "studied"


@pytest.fixture(scope="module")
def studied(stack, export):
    """Two sizes of the network."""
    return stack.nasflow(
        "study", "--export", str(export), "--project", PROJECT, "--variants", "s,m", "--epochs", "1", *TINY
    )


def test_a_study_of_settings_measures_all_models_and_publishes_nothing(stack, studied):
    assert studied["flow_run_state"] == "Completed"
    assert {model["settings"]["variant"] for model in studied["models"]} == {"s", "m"}
    assert (studied["split"], studied["sources"], studied["left_out"]) == ("test", 4, [])
    assert studied["recommended"] is None  # four images say nothing
    assert "4 source images to measure on, it takes 8" in studied["sentence"]
    assert stack.nasflow("models", "list", "--project", PROJECT)["models"] == []
    with urllib.request.urlopen(studied["link"], timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/html")
        assert studied["sentence"] in html.unescape(answer.read().decode())
    artifacts = {artifact["key"]: artifact for artifact in stack.artifacts(studied["flow_run"])}
    assert artifacts[f"settings-{PROJECT}"]["data"].startswith(f"# {PROJECT}: which settings")


def test_a_retrain_with_settings_of_a_study_uses_its_run_again(stack, studied, export):
    model = studied["models"][0]
    settings = model["settings"]
    options = [
        f"--variant {settings['variant']} --image-size {settings['image_size']} --epochs {settings['epochs']}",
        f"--batch-size {settings['batch_size']} --learning-rate {settings['learning_rate']} --patience 50",
    ]
    retrained = stack.nasflow("retrain", "--export", str(export), "--project", PROJECT, *shlex.split(" ".join(options)))
    assert retrained["training"]["run_key"] == model["run_key"]
    assert "training" in " ".join(retrained["reused"])


def test_a_search_is_told_its_trials_and_goes_on_with_more(stack, export):
    arguments = ["study", "--export", str(export), "--project", "searched", "--epochs", "1", *TINY]
    first = stack.nasflow(*arguments, "--trials", "2")
    assert len(first["models"]) == 2
    more = stack.nasflow(*arguments, "--trials", "3")
    before, after = ({model["run_key"] for model in one["models"]} for one in (first, more))
    assert before < after
    assert len(after) == 3


def test_a_study_with_nothing_to_choose_fails_with_a_line_from_the_api(stack, export):
    deployment = stack.api("/deployments/name/study-settings/study-settings")
    parameters = {"request": {"project": PROJECT, "export": str(export)}, "space": {"epochs": [1]}}
    run = stack.api(f"/deployments/{deployment['id']}/create_flow_run", {"parameters": parameters})
    name, message = stack.end(run["id"])
    assert name == "Failed"
    assert "there is one combination of settings, so there is nothing to choose between" in message
