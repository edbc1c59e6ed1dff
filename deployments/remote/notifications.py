"""Having the server tell people what happens to models: by Slack, Teams, mail, or whatever Apprise can reach."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from pydantic import SecretStr

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


@dataclass(frozen=True)
class Receiver:
    """What messages are sent to."""

    address: SecretStr
    """As Apprise knows it."""
    shown: str
    """What people may see of it, such as ``https://hooks.example.org (JSON)``."""


def receiver_of(url: str) -> Receiver:
    """Find out what can be sent to an address.

    Args:
        url: A webhook of Slack, Teams or Discord, another http(s) address, or any Apprise URL. It is a secret.

    Returns:
        The receiver. Of an http(s) address scheme, host and port are shown, of an Apprise URL the service alone,
        since its host may be a secret.

    Raises:
        BadRequest: nothing can be sent to such an address, or not to all of it; the message does not show it.
    """
    from apprise import Apprise

    if _is_changed_on_its_way(url):
        raise BadRequest(
            "--notify: of this address something else would be asked for: a name stands twice in its query, or its "
            "path has an encoded or a double slash; give an address without"
        )
    with _apprise_is_silent():
        for candidate in filter(None, (url, _as_json(url))):
            if (service := Apprise.instantiate(candidate, suppress_exceptions=True)) is not None:
                name, site = str(service.service_name), _site_of(url)
                return Receiver(SecretStr(candidate), f"{site} ({name})" if site else name)
    raise BadRequest(
        "--notify: nothing can be sent to this address; give a webhook's https address, or an Apprise URL such as "
        "mailtos://USER:PASSWORD@HOST"
    )


def register_notifications(receiver: Receiver) -> list[str]:
    """Have promotions, verdicts of "cannot tell" and three failures in a row sent to a receiver.

    Args:
        receiver: What they are sent to.

    Returns:
        Names of the automations.

    Raises:
        ServerProblem: the server does not answer, or refuses.
    """
    from httpx import HTTPError
    from prefect.blocks.notifications import SlackWebhook
    from prefect.client.orchestration import get_client

    # Prefect's block for Slack hands its address to Apprise as it is, so it reaches all that Apprise reaches.
    try:
        block = SlackWebhook(url=receiver.address)
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


@contextmanager
def _apprise_is_silent() -> Iterator[None]:
    """Keep Apprise from logging addresses that it does not know, which shows a part of the secret."""
    logger = logging.getLogger("apprise")
    logger.addFilter(_nothing)
    try:
        yield
    finally:
        logger.removeFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False


def _as_json(url: str) -> str | None:
    """The Apprise URL that sends JSON to an http(s) address, with all of its query; None for other addresses."""
    if _site_of(url) is None:
        return None
    parts = urlsplit(url)
    # Apprise takes the parameters of a query for its own options, and sends those that begin with a dash.
    sent = urlencode([(f"-{name}", value) for name, value in parse_qsl(parts.query, keep_blank_values=True)])
    return urlunsplit((parts.scheme.replace("http", "json"), parts.netloc, parts.path, sent, ""))


def _is_changed_on_its_way(url: str) -> bool:
    """Whether Apprise would ask another http(s) address: it keeps one value of a name, and decodes slashes."""
    if _site_of(url) is None:
        return False
    parts = urlsplit(url)
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    return len(names) > len(set(names)) or "//" in parts.path or "%2f" in parts.path.lower()


def _site_of(url: str) -> str | None:
    """Scheme, host and port of an http(s) address, None for another one."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"


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
