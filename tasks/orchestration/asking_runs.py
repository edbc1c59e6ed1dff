"""Flow runs that ask a person, as others see them: what they ask, until when, and the end of that time.

What a run asks is in its labels.
"""

from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Scheduled

from tasks.orchestration.server_time import time_of_server

ABOUT, QUESTION, UNTIL = "nasflow.asked-about", "nasflow.question", "nasflow.answer-until"
"""Labels of a flow run: the version that it asked about, the question with a token, and the time limit."""


def question_of(run: FlowRun) -> str:
    """Key of the question that a run has asked, without the token; empty if it has not."""
    return str(run.labels.get(QUESTION, "")).rpartition("/")[0]


def is_asking(run: FlowRun) -> bool:
    """Whether a flow run is suspended because it asks a person. People can suspend runs, too."""
    return run.state is not None and run.state.is_paused() and QUESTION in run.labels


def has_asked(run: FlowRun) -> bool:
    """Whether a flow run has asked a person. Then it has no more to do than to take the answer."""
    return ABOUT in run.labels


def answer_until(run: FlowRun) -> datetime | None:
    """The end of the time for an answer; None if the run has not asked."""
    until = run.labels.get(UNTIL)
    return None if until is None else datetime.fromisoformat(str(until))


def is_over(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Whether the time for an answer is over, by the server's clock."""
    until = answer_until(run)
    return until is not None and time_of_server(client) >= until


def in_words(time: datetime) -> str:
    """A time as questions name it."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def end_question(client: SyncPrefectClient, run: FlowRun) -> str:
    """Have a suspended flow run go on if nobody answered in time.

    Args:
        client: Of the server.
        run: The flow run, which is paused or suspended.

    Returns:
        What was found, and done, in a sentence.
    """
    until = answer_until(run)
    if until is None or not is_asking(run):
        return "a person paused it"
    if not is_over(client, run):
        return f"it waits for an answer until {in_words(until)}"
    resuming: State = Scheduled(name="Resuming", message="nobody answered in time")
    client.set_flow_run_state(UUID(str(run.id)), resuming)
    return "nobody answered in time, so it goes on without an answer"
