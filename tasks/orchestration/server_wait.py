"""Waiting for a Prefect server that is away.

Prefect's engine gives up after a minute when it reports the end of a run. So a step does not end before the server
answers. What it has done is in the store by then.
"""

import logging
import time
from collections.abc import Callable

import httpx
from prefect.settings import get_current_settings

from tasks.orchestration.run_watch import check_run

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 3600.0
"""After an hour a server is given up."""
PAUSE_SECONDS = 5.0
REMIND_SECONDS = 60.0


def wait_for_server(sleep: Callable[[float], None] = time.sleep, patience: float = PATIENCE_SECONDS) -> bool:
    """Return as soon as the Prefect server answers, in whatever way; it is logged once a minute that it does not.

    Args:
        sleep: Waits for a number of seconds.
        patience: Seconds until the server is given up.

    Returns:
        Whether it answers.
    """
    url = get_current_settings().api.url
    if url is None:
        return True
    began = time.monotonic()
    reminded = began - REMIND_SECONDS
    while not _answers(f"{url}/health"):
        waited = time.monotonic() - began
        if waited > patience:
            logger.error("the Prefect server %s has not answered for %d s; given up", url, waited)
            return False
        if time.monotonic() - reminded >= REMIND_SECONDS:
            reminded = time.monotonic()
            left = (patience - waited) / 60
            logger.warning("the Prefect server %s does not answer; this step is done, and waits %d min more", url, left)
        sleep(PAUSE_SECONDS)
        check_run()
    return True


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code < 500
    except (httpx.HTTPError, OSError):
        return False
