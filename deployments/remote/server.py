"""The Prefect server that the settings name: its address, and the error when it does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from typing import TYPE_CHECKING

from httpx import HTTPError, HTTPStatusError, Response

from tasks.errors import BadSettings, ServerProblem
from tasks.local.proxies import describe_proxy
from tasks.local.urls import is_url, shown_url, url_problem, without_passwords

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


def server_url() -> str:
    """Address of the Prefect server's API, as messages may show it: without a name and password.

    Raises:
        BadSettings: none is set, or it is not a URL.
    """
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if not url:
        raise BadSettings("PREFECT_API_URL is not set; set it to the server's API, such as http://server:4200/api")
    if not is_url(str(url)):
        raise BadSettings(f"PREFECT_API_URL is {url_problem(str(url))}")
    return shown_url(str(url))


def read_settings_again() -> None:
    """Have Prefect in this process take its settings from the environment as it is now."""
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()


@contextmanager
def connected() -> Iterator["SyncPrefectClient"]:
    """Prefect's client for a block of requests.

    Raises:
        BadSettings: no server is set.
        ServerProblem: the server does not answer, or refuses.
    """
    from prefect.client.orchestration import get_client

    server_url()
    with asking_server(), get_client(sync_client=True) as client:
        yield client


@contextmanager
def asking_server() -> Iterator[None]:
    """Requests to the server in this block fail with one line.

    Raises:
        ServerProblem: the server does not answer, or refuses.
    """
    try:
        yield
    except (HTTPError, JSONDecodeError, RuntimeError) as error:
        raise no_answer(error) from None


def no_answer(error: BaseException) -> ServerProblem:
    """The error to raise when a request to the server failed with ``error``."""
    url = server_url()
    if (proxy := describe_proxy(url, "the server")) and not is_answer_of_prefect(error):
        return ServerProblem(f"{url}: {first_line(error)}; {proxy}")
    if isinstance(error, HTTPStatusError):
        asked = f"{error.request.method} {error.request.url.path}"
        return ServerProblem(f"{url}: {asked}: {error.response.status_code} {error.response.text[:200]}")
    return ServerProblem(f"{url}: {first_line(error)}; is PREFECT_API_URL right, and the server up?")


def is_answer_of_prefect(error: BaseException) -> bool:
    """Whether an error is a refusal by a Prefect server, and not by what is between."""
    return isinstance(error, HTTPStatusError) and _is_json(error.response) and error.response.status_code != 407


def _is_json(response: Response) -> bool:
    return "json" in response.headers.get("content-type", "")


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without passwords of URLs, or its type where it has none."""
    return without_passwords((str(error).splitlines() or [""])[0]) or type(error).__name__
