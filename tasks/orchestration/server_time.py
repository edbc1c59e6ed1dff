"""The Prefect server's time. It is the server that starts runs and says how old a state is, and clocks differ."""

from datetime import datetime
from email.utils import parsedate_to_datetime

from prefect.client.orchestration import SyncPrefectClient


def time_of_server(client: SyncPrefectClient) -> datetime:
    """The time by the server's clock, to the second.

    Raises:
        HTTPError: the server does not answer.
    """
    return parsedate_to_datetime(client.request("GET", "/health").headers["date"])
