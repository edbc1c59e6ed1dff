"""A run that cannot tell, and asks: answered over the API as Prefect's UI does it. Its model is trained already."""

from tasks.promotion.aliases import find_alias
from tasks.promotion.registry import find_version
from tasks.storage.s3 import Store
from tests.e2e.stack import ENDED
from tests.fakes.measured_labels import measured_labels
from tests.fakes.waiting import wait_for


def test_a_run_that_asks_has_no_process_and_goes_on_with_the_answer(stack, tmp_path):
    store = Store.from_environment()
    options = ["--export", str(measured_labels(store, tmp_path, 59)), "--seed", "59"]
    ask = ["--project", "asks", "--ask", "--min-ap", "bird=0.5", "--no-wait"]
    run = stack.nasflow("retrain", *options, *ask)["flow_run"]
    assert stack.end(run, ("Suspended", *ENDED))[0] == "Suspended", stack.state(run)
    assert find_alias(store, "asks", "champion") is None
    assert find_version(store, "asks", 1).decision.is_open
    # A worker whose only place were taken would not take another run.
    other = stack.nasflow("retrain", *options, "--project", "does-not-ask")
    assert other["reused"] == ["training", "evaluation"]

    inputs = f"/flow_runs/{run}/input/filter"
    wait_for(lambda: len(stack.api(inputs, {"prefix": "", "limit": 10})) == 2)  # the form and its text
    body = {"run_input": {"answer": "promote", "by": "Ada", "why": "birds come later"}}
    assert stack.api(f"/flow_runs/{run}/resume", body)["status"] == "ACCEPT"
    assert stack.end(run)[0] == "Completed", stack.state(run)
    assert find_alias(store, "asks", "champion").version == 1
    decision = find_version(store, "asks", 1).decision
    assert (decision.verdict, decision.answer, decision.answered_by) == ("cannot tell", "promote", "Ada")
