"""Having the server tell people what happens to models: by Slack, Teams, mail, or whatever Apprise can reach."""

from typing import TYPE_CHECKING
from uuid import UUID

from deployments.remote.server import no_answer
from tasks.errors import BadRequest

if TYPE_CHECKING:
    from prefect.events import AutomationCore

NAME = "nasflow: notifications"
FAILING_NAME = "nasflow: notifications of failures"
BLOCK = "nasflow-notifications"
DESCRIPTION = "Registered by `nasflow deploy --notify`."
FAILURES = 3
"""So many failed runs of a project in a row are told, once."""


def register_notifications(url: str) -> list[str]:
    """Have promotions, verdicts of "cannot tell" and three failures in a row sent to an address.

    Args:
        url: A webhook of Slack, Teams or Discord, another http(s) address, or any Apprise URL. It is a secret.

    Returns:
        Names of the automations.

    Raises:
        BadRequest: nothing can be sent to such an address; the message does not show it.
        ServerProblem: the server does not answer, or refuses.
    """
    from httpx import HTTPError
    from prefect.blocks.notifications import SlackWebhook
    from prefect.client.orchestration import get_client
    from pydantic import SecretStr

    # Prefect's block for Slack hands its address to Apprise as it is, so it reaches all that Apprise reaches.
    try:
        block = SlackWebhook(url=SecretStr(_apprise_url(url)))
        # Called without an event loop it is no coroutine, which its type does not say.
        block_id: UUID = block.save(BLOCK, overwrite=True)  # type: ignore[assignment]
        with get_client(sync_client=True) as client:
            for automation in _automations(block_id):
                for existing in client.read_automations_by_name(automation.name):
                    client.delete_automation(existing.id)
                client.create_automation(automation)
    except (HTTPError, RuntimeError) as error:
        raise no_answer(error) from None
    return [NAME, FAILING_NAME]


def _apprise_url(url: str) -> str:
    """The address as Apprise knows it; an http(s) address that it does not know gets JSON."""
    from apprise import Apprise

    for candidate in (url, url.replace("http", "json", 1)):
        if Apprise.instantiate(candidate, suppress_exceptions=True) is not None:
            return candidate
    raise BadRequest(
        "--notify: nothing can be sent to this address; give a webhook's https address, or an Apprise URL such as "
        "mailtos://USER:PASSWORD@HOST"
    )


def _automations(block_id: UUID) -> "list[AutomationCore]":
    from prefect.events import AutomationCore, EventTrigger, Posture, SendNotification

    send = SendNotification(
        block_document_id=block_id, subject="{{ event.payload.title }}", body="{{ event.payload.text }}"
    )
    projects: dict[str, str | list[str]] = {"prefect.resource.id": "nasflow.project.*"}
    told = {"nasflow.model.promoted", "nasflow.model.cannot-tell"}
    triggers = {
        NAME: EventTrigger(match=projects, expect=told, posture=Posture.Reactive, threshold=1),
        FAILING_NAME: EventTrigger(
            match={**projects, "nasflow.in-a-row": str(FAILURES)},
            expect={"nasflow.model.failed"},
            posture=Posture.Reactive,
            threshold=1,
        ),
    }
    return [
        AutomationCore(name=name, description=DESCRIPTION, trigger=trigger, actions=[send])
        for name, trigger in triggers.items()
    ]
