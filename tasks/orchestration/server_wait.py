"""Waiting for a Prefect server that is away.

Prefect's engine gives up after a minute when it reports the end of a run. So a step does not end before the server
answers. What it has done is in the store by then.
"""

from contextlib import suppress

import httpx
from prefect.settings import get_current_settings

from tasks.errors import ServerUnavailable, StillUnavailable
from tasks.orchestration.run_watch import sleep
from tasks.outages import Patience, wait_out

PATIENCE = Patience(longest_pause=10)


def wait_for_server() -> None:
    """Return as soon as the Prefect server answers, in whatever way; after an hour return without an answer."""
    with suppress(StillUnavailable):
        wait_out(_require_answer, "what this step did is stored", PATIENCE, sleep)


def _require_answer() -> None:
    url = get_current_settings().api.url
    if url is None:
        return
    try:
        status = httpx.get(f"{url}/health", timeout=10).status_code
    except (httpx.HTTPError, OSError) as error:
        raise ServerUnavailable(f"{url} does not answer: {error}") from None
    if status >= 500:
        raise ServerUnavailable(f"{url} answers {status}")
