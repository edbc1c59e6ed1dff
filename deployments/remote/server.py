"""The Prefect server that the settings name: its address, and the error when it does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tasks.errors import BadSettings, ServerProblem

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


def server_url() -> str:
    """Address of the Prefect server's API.

    Raises:
        BadSettings: none is set.
    """
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if not url:
        raise BadSettings("PREFECT_API_URL is not set; set it to the server's API, such as http://server:4200/api")
    return str(url)


@contextmanager
def connected() -> Iterator["SyncPrefectClient"]:
    """Prefect's client for a block of requests.

    Raises:
        BadSettings: no server is set.
        ServerProblem: the server does not answer, or refuses.
    """
    from httpx import HTTPError
    from prefect.client.orchestration import get_client

    server_url()
    try:
        with get_client(sync_client=True) as client:
            yield client
    except (HTTPError, RuntimeError) as error:
        raise no_answer(error) from None


def no_answer(error: BaseException) -> ServerProblem:
    """The error to raise when a request to the server failed with ``error``."""
    return ServerProblem(f"{server_url()}: {first_line(error)}; is PREFECT_API_URL right, and the server up?")


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0] or type(error).__name__
