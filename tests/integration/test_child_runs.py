"""Asking a Prefect server for a child flow run, when it does not answer or refuses."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tasks.errors import ServerProblem, ServerUnavailable
from tasks.orchestration.child_runs import run_child_flow


@pytest.fixture
def server():
    """Gives the URL of a Prefect API that answers every request with a status."""
    running = []

    def start(status: int) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_any(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_POST = do_any  # noqa: N815 names that http.server calls

            def log_message(self, *_: object) -> None:
                pass

        running.append(HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=running[-1].serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{running[-1].server_port}/api"

    yield start
    for one in running:
        one.shutdown()
        one.server_close()


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (None, ServerUnavailable, "does not take the run of train/train"),
        (500, ServerUnavailable, "does not take the run of train/train"),
        (401, ServerProblem, "refuses the run of train/train: .*401.*; look into its log$"),
        (403, ServerProblem, "refuses the run of train/train: .*403.*; look into its log$"),
        (404, ServerProblem, "no deployment train/train on this server"),
    ],
)
def test_only_a_server_that_may_answer_later_is_unavailable(server, status, kind, words):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    url = server(status) if status else "http://127.0.0.1:9/api"
    with temporary_settings({PREFECT_API_URL: url}), pytest.raises(kind, match=words):
        run_child_flow("train/train", {})
