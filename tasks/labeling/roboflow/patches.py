"""What is changed in other libraries during a request to Roboflow, so that no API key reaches a log or an error.

The key is part of every URL. urllib3 logs URLs, and the ``roboflow`` package puts them into its errors and sends its
requests without a timeout. Nothing outside this module changes or imports the package.
"""

import contextlib
import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

_LOGGERS_WITH_URLS = ("urllib3.connectionpool", "urllib3.util.retry", "urllib3.response", "urllib3.poolmanager")
_package_lock = threading.Lock()


@contextlib.contextmanager
def no_urls_in_logs() -> Iterator[None]:
    """Drop what urllib3 logs in this thread."""
    thread = threading.get_ident()

    def is_other_thread(record: logging.LogRecord) -> bool:
        return record.thread != thread

    loggers = [logging.getLogger(name) for name in _LOGGERS_WITH_URLS]
    for logger in loggers:
        logger.addFilter(is_other_thread)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_other_thread)


@contextlib.contextmanager
def package_adapter(api_url: str, get: Callable[..., Any], post: Callable[..., Any]) -> Iterator[Any]:
    """The package's API adapter, which sends its requests through ``get`` and ``post``; for one thread at a time.

    Args:
        api_url: Address of the API, without a slash at the end.
        get: Replaces the package's function of that name; takes the URL.
        post: Replaces the package's function of that name, and that of the session that it uploads with; takes the URL,
            and ``json``, or ``data`` and ``headers``.

    Yields:
        The module ``roboflow.adapters.rfapi``.
    """
    with _package_lock:
        _import_package()
        import roboflow
        from roboflow.adapters import rfapi
        from roboflow.util import http

        with (
            _replaced(roboflow, API_URL=api_url),
            _replaced(rfapi, API_URL=api_url, _upload_session=lambda: SimpleNamespace(post=post)),
            _replaced(http, get=get, post=post),
        ):
            yield rfapi


def package_config() -> Any:
    """The module ``roboflow.config``, which knows the package's settings and the addresses of all regions."""
    with _package_lock:
        _import_package()
        from roboflow import config

        return config


def log_in(key: str) -> None:
    """Check a key as the package does; only while ``package_adapter`` is open."""
    import roboflow

    with contextlib.redirect_stdout(io.StringIO()):  # it prints a greeting for keys that look like placeholders
        roboflow.Roboflow(api_key=key)


def _import_package() -> None:
    """Import the package without its side effects.

    It loads a .env file, replaces the format of warnings, and warns of a region that ``address`` refuses.
    """
    if "roboflow" in sys.modules:
        return
    variable = "PYTHON_DOTENV_DISABLED"
    value = os.environ.get(variable)
    os.environ[variable] = "1"
    try:
        with _replaced(warnings, formatwarning=warnings.formatwarning), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            import roboflow  # noqa: F401
    finally:
        if value is None:
            del os.environ[variable]
        else:
            os.environ[variable] = value


@contextlib.contextmanager
def _replaced(module: Any, **values: object) -> Iterator[None]:
    saved = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in saved.items():
            setattr(module, name, value)
