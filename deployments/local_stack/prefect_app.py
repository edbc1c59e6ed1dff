"""Prefect's server as the local stack runs it: a write that SQLite refuses is tried again at once.

SQLite refuses a transaction that read before another one was committed, and writes afterwards. It does not wait, since
waiting would not help. Prefect's server then answers 503, and its clients wait two seconds, in most runs several times.
"""

from prefect.server.api.server import create_app as create_prefect

from deployments.local_stack.try_again import App, TryAgain


def create_app() -> App:
    """Make the application that uvicorn serves."""
    return TryAgain(create_prefect())
