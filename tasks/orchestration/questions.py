"""Questions to a person: a flow run is suspended until somebody fills in a form in Prefect's UI, or time is up.

A suspended run has no process and takes no place of a worker. Answered, it begins from the start again, and finds here
what it asked about and what the answer was. What it asked is kept in its labels, the answer is a flow run input.

Prefect would end a run as Failed that nobody answers in time. So its own time limit is not used: a run of the supervise
deployment is scheduled for the end of that time, and lets the run go on without an answer.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.input.actions import read_flow_run_input
from prefect.input.run_input import keyset_from_base_key
from prefect.runtime import flow_run
from prefect.settings import get_current_settings
from prefect.states import Scheduled
from pydantic import Field

from tasks.errors import ServerProblem, ServerUnavailable
from tasks.orchestration.announcements import project_of
from tasks.orchestration.asking_runs import ABOUT, QUESTION, UNTIL, is_asking, is_over, question_of
from tasks.orchestration.run_watch import sleep
from tasks.orchestration.server_time import time_of_server
from tasks.outages import wait_out
from tasks.records import Answer

SUPERVISE = "supervise/supervise"
LOOK_BACK = 200
"""Suspended runs among which one that asks the same is looked for."""
END_MARGIN = timedelta(seconds=5)
"""The server tells its time in whole seconds. A look at the very end would find some time left, and be the last one."""
MAX_NAME, MAX_REASON = 100, 500


class AnswerForm(RunInput):
    """The form that Prefect's UI shows. Text has defaults, since the form has no button for a choice of types then."""

    answer: Literal["promote", "keep"] = Field(
        description="promote makes the new version the champion; keep leaves the champion in use."
    )
    by: str = Field(default="", max_length=MAX_NAME, description="Who answers; kept with the model. May be empty.")
    why: str = Field(default="", max_length=MAX_REASON, description="Reason; kept with the model. May be empty.")


@dataclass(frozen=True)
class Question:
    """Something that a person is asked.

    Attributes:
        about: Version of the model that it is about.
        key: What it asks, the same whenever the same is asked.
        text: What the form shows, Markdown.
        token: Makes each time that it is asked another one. Prefect does not count a resumed run as a new attempt.
    """

    about: int
    key: str
    text: str
    token: str = field(default_factory=lambda: uuid4().hex[:8])

    @property
    def asked(self) -> str:
        """Key and token."""
        return f"{self.key}/{self.token}"


def find_subject() -> int | None:
    """The version that this flow run has asked about; None if it has not asked.

    Raises:
        ServerUnavailable: the server does not answer.
    """
    about = _this_run().labels.get(ABOUT)
    return None if about is None else int(str(about))


def find_answer(key: str) -> Answer | None:
    """The answer to a question of this flow run.

    Args:
        key: Key of the question.

    Returns:
        The answer, "none" if time is up; None if it has not been asked, or may still be answered.

    Raises:
        ServerUnavailable: the server does not answer.
    """
    this = _this_run()
    if question_of(this) != key:
        return None
    asked = str(this.labels[QUESTION])
    try:
        with get_client(sync_client=True) as client:
            # Called without an event loop it is no coroutine, which its type does not say.
            response: dict[str, str] | None = read_flow_run_input(_keys(asked)["response"], _id())  # type: ignore[assignment]
            if response:
                form = AnswerForm.model_validate(response)
                return Answer(answer=form.answer, by=form.by.strip() or None, why=form.why.strip() or None)
            return Answer(answer="none") if is_over(client, this) else None
    except HTTPError as error:
        raise _no_answer(error) from None


def find_other_run(key: str, project: str) -> str | None:
    """The name of another flow run that is suspended and asks the same; None if there is none.

    Args:
        key: Key of the question.
        project: Project of the model.

    Returns:
        Its name.

    Raises:
        ServerUnavailable: the server does not answer.
    """
    paused = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    try:
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(flow_run_filter=paused, sort=FlowRunSort.ID_DESC, limit=LOOK_BACK)
    except HTTPError as error:
        raise _no_answer(error) from None
    others = [run for run in runs if run.id != _id() and is_asking(run) and project_of(run) == project]
    return next((run.name for run in others if question_of(run) == key), None)


def prepare(question: Question, hours: float) -> datetime:
    """Note in the labels of this flow run what it asks, and schedule the end of the time for an answer.

    Args:
        question: What it asks.
        hours: Hours that there are for an answer.

    Returns:
        The end of that time.

    Raises:
        ServerProblem: there is no supervise deployment.
        ServerUnavailable: the server does not answer.
    """
    try:
        with get_client(sync_client=True) as client:
            until = time_of_server(client) + timedelta(hours=hours)
            client.create_flow_run_from_deployment(
                client.read_deployment_by_name(SUPERVISE).id,
                name=f"end-of-question-of-{flow_run.name}",
                parameters={"job": {"flow_run": str(flow_run.id)}},
                state=Scheduled(scheduled_time=until + END_MARGIN),
            )
            labels: dict[str, bool | int | float | str] = {
                ABOUT: question.about,
                QUESTION: question.asked,
                UNTIL: until.isoformat(),
            }
            client.update_flow_run_labels(_id(), labels)
    except ObjectNotFound:
        raise ServerProblem(f"no deployment {SUPERVISE} on this server; run `nasflow deploy`") from None
    except HTTPError as error:
        raise _no_answer(error) from None
    return until


def suspend(question: Question) -> None:
    """End this process, and have the flow run begin again when its question is answered.

    Returns at once if the time for an answer is over already, as after an outage: nobody would end the suspension.

    Args:
        question: What is asked; it has been prepared.
    """
    form = AnswerForm.with_initial_data(description=question.text)

    def ask() -> None:
        try:
            with get_client(sync_client=True) as client:
                if is_over(client, client.read_flow_run(_id())):
                    return
            suspend_flow_run(wait_for_input=form, key=_pause_key(question.asked))
        except HTTPError as error:
            raise _no_answer(error) from None

    wait_out(ask, "the model is published", sleep=sleep)


def page_of_run() -> str:
    """Address of this flow run in Prefect's UI, where the form is."""
    return f"{get_current_settings().ui_url}/runs/flow-run/{flow_run.id}"


def _this_run() -> FlowRun:
    try:
        with get_client(sync_client=True) as client:
            return client.read_flow_run(_id())
    except HTTPError as error:
        raise _no_answer(error) from None


def _id() -> UUID:
    return UUID(str(flow_run.id))


def _pause_key(asked: str) -> str:
    """Prefect takes no slash in the names of a run's inputs."""
    return asked.replace("/", "-")


def _keys(asked: str) -> dict[str, str]:
    """Names of the run's inputs that Prefect makes for a suspension."""
    return {str(kind): name for kind, name in keyset_from_base_key(f"suspended-{_pause_key(asked)}").items()}


def _no_answer(error: HTTPError) -> ServerUnavailable:
    return ServerUnavailable(f"the Prefect server does not answer: {error}")
