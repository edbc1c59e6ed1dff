"""``nasflow serve``: the server in the foreground."""

import logging
import socket

import uvicorn

from deployments.serving.app import create_app
from deployments.serving.following import Following
from deployments.serving.metrics import Metrics
from deployments.serving.model import ServedModel, source_of
from deployments.serving.settings import ServeSettings, check_reach
from deployments.terminal.console import document, say
from tasks.errors import BadRequest

GRACE = 60
"""Seconds that open requests have at the end."""


def serve(model: str, settings: ServeSettings, *, as_json: bool) -> None:
    """Serve a model until Ctrl-C or SIGTERM; open requests are answered first.

    Args:
        model: ``PROJECT`` for its champion, ``PROJECT/VERSION``, ``PROJECT@ALIAS``, or an ONNX file.
        settings: How it is served.
        as_json: Whether its address is printed as one JSON document on stdout, once a model is loaded.

    Raises:
        BadInput: there is no such model, or the address cannot be listened on.
    """
    check_reach(settings)
    source, metrics = source_of(model), Metrics()
    following = Following(source, settings.follow_seconds, metrics)
    app = create_app(lambda: following.present, settings, metrics)
    _log_to_stderr()
    with _listen(settings) as listener:
        url = _url_of(listener)

        def tell(first: ServedModel) -> None:
            if as_json:
                document({"ok": True, "url": url, "model": first.name, "device": first.runtime.device})
            say(f"{first.name} serves on {url}, its calls are on {url}/docs; Ctrl-C ends it")

        server = uvicorn.Server(
            uvicorn.Config(
                app, lifespan="off", log_config=None, access_log=False, server_header=False, proxy_headers=False,
                timeout_graceful_shutdown=GRACE,
            )
        )  # fmt: skip
        following.start(tell, lambda: setattr(server, "should_exit", True))
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            say("stopped")
        finally:
            following.stop()
    if following.error:
        raise following.error


def _listen(settings: ServeSettings) -> socket.socket:
    """Listen before anything is loaded, so that an address that cannot be is told at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        where = f"--host {settings.host} --port {settings.port}"
        raise BadRequest(f"{where}: {error.strerror or error}; give an address of this machine that is free") from None


def _url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _log_to_stderr() -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    for name in ("deployments", "tasks"):
        logging.getLogger(name).setLevel(logging.INFO)
