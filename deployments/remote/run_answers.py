"""``nasflow runs answer``: answering a suspended run that asks whether to promote a model, as Prefect's UI does."""

from typing import Any, Literal
from uuid import UUID

from prefect.client.schemas.objects import FlowRun

from deployments.remote.find_run import find_run
from deployments.remote.flow_runs import describe
from deployments.remote.run_actions import require_accepted
from deployments.remote.server import connected
from tasks.errors import NasflowError
from tasks.orchestration.asking_runs import answer_until, in_words, is_asking


def answer_run(which: str, answer: Literal["promote", "keep"], by: str, why: str) -> dict[str, Any]:
    """Answer the question of a flow run, which then goes on.

    Args:
        which: Id, beginning of an id, or name.
        answer: Whether the version that it asks about becomes the champion.
        by: Who answers; may be empty.
        why: Reason of the answer; may be empty.

    Returns:
        The run with its new state.

    Raises:
        BadRequest: there is no such run, or there are several.
        BadSettings: no server is set.
        NasflowError: the run asks nothing, or the server does not take the answer.
        ServerProblem: the server does not answer.
    """
    with connected() as client:
        run = find_run(client, which)
        if not is_asking(run):
            raise NasflowError(f"flow run {run.name} ({run.id}) is {run.state_name}: it does not wait for an answer")
        result = client.resume_flow_run(UUID(str(run.id)), {"answer": answer, "by": by, "why": why})
        require_accepted(result, run, "does not take the answer")
        run = client.read_flow_run(run.id)
    return {"ok": True, **describe(run)}


def how_to_answer(run: FlowRun) -> str:
    """What a run that asks waits for, and how to answer, in a line."""
    until = answer_until(run)
    time = f" until {in_words(until)}" if until else ""
    page = describe(run)["url"]
    place = f"press Resume at {page}, or " if page else ""
    return (
        f"flow run {run.name} asks whether to promote its model{time}: {place}"
        f"`nasflow runs answer {str(run.id)[:8]} --promote` or `--keep`"
    )
