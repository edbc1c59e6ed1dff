"""A run that trains, cannot tell, and asks: answered over the API as Prefect's UI does it."""

from tasks.promotion.aliases import find_alias
from tasks.promotion.registry import find_version
from tasks.storage.s3 import Store
from tests.e2e.stack import ENDED, retrain
from tests.fakes.waiting import wait_for


def test_a_run_that_asks_has_no_process_and_goes_on_with_the_answer(stack, export):
    run = retrain(stack, export, "asks", "--no-wait", "--seed", "59", "--ask", "--min-ap", "bird=0.5")["flow_run"]
    assert stack.end(run, ("Suspended", *ENDED))[0] == "Suspended", stack.state(run)
    store = Store.from_environment()
    assert find_alias(store, "asks", "champion") is None
    assert find_version(store, "asks", 1).decision.is_open
    # A worker whose only place were taken would not take another run.
    assert retrain(stack, export, "does-not-ask", "--seed", "59")["reused"] == ["training", "evaluation"]

    inputs = f"/flow_runs/{run}/input/filter"
    wait_for(lambda: len(stack.api(inputs, {"prefix": "", "limit": 10})) == 2)  # the form and its text
    body = {"run_input": {"answer": "promote", "by": "Ada", "why": "birds come later"}}
    assert stack.api(f"/flow_runs/{run}/resume", body)["status"] == "ACCEPT"
    assert stack.end(run)[0] == "Completed", stack.state(run)
    assert find_alias(store, "asks", "champion").version == 1
    decision = find_version(store, "asks", 1).decision
    assert (decision.verdict, decision.answer, decision.answered_by) == ("cannot tell", "promote", "Ada")
