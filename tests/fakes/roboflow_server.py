"""A local stand-in for the endpoints of Roboflow that the real package calls, misbehaving as a test asks for.

The API answers under ``/``, the signed link to the zip points to ``/ds/``. Paths, not secrets, are kept in ``asked``.
"""

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEY = "rf_Secret0Key1For2Tests3"
SIGNATURE = "Signature4Secret5Link6"
WORKSPACE, PROJECT = "acme", "pets"


@dataclass
class Misbehaviour:
    """What goes wrong. Statuses are given in order, one a request, then all is well; None for no end."""

    api: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    link: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    half_bodies: int = 0
    damaged_bodies: int = 0
    content_length: bool = True
    html_link: bool = False
    endless: bool = False
    images: int = 6
    generating_polls: int = 0
    export_polls: int = 0
    failed: bool = False
    progress: float = 0.5
    drop: str | None = None
    no_versions: bool = False


class RoboflowServer:
    """Serves one project with versions 2, 9 and 10, all with the same zip."""

    def __init__(self, archive: bytes, misbehaviour: Misbehaviour | None = None) -> None:
        self.archive = archive
        self.trouble = misbehaviour or Misbehaviour()
        self.asked: Counter[str] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._stop = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server._answer(self)

            def do_POST(self):
                server._answer(self)

            def log_message(self, *_):
                pass

        return Handler

    def _answer(self, request):
        url = urlsplit(request.path)
        self.asked[url.path] += 1
        if url.path.startswith("/ds/"):
            self._answer_link(request)
        elif self.trouble.api:
            status, headers = self.trouble.api.pop(0)
            _send(request, status, {"error": f"no: {request.path}"}, headers)
        elif parse_qs(url.query).get("api_key") != [KEY]:
            _send(request, 401, {"error": {"message": f"This API key does not exist: {request.path}"}})
        else:
            _send(request, *self._api(tuple(filter(None, url.path.split("/")))))

    def _api(self, parts):
        """Status and body for the parts of an API path."""
        trouble = self.trouble
        answer = (404, {"error": {"message": "not found"}})
        if parts == ():
            answer = (200, {"welcome": "Roboflow", "workspace": WORKSPACE})
        elif parts == (WORKSPACE,):
            answer = (200, {"workspace": {"name": "Acme", "url": WORKSPACE, "projects": []}})
        elif parts == (WORKSPACE, PROJECT):
            versions = [] if trouble.no_versions else [{"id": f"{WORKSPACE}/{PROJECT}/{n}"} for n in (9, 10, 2)]
            answer = (200, {"project": {"id": f"{WORKSPACE}/{PROJECT}"}, "versions": versions})
        elif len(parts) == 3 and parts[2] in ("2", "9", "10"):
            answer = (200, {"version": self._version(parts[2])})
        elif len(parts) == 4 and parts[3] == "coco":
            answer = self._export()
        if trouble.drop:
            _drop(answer[1], trouble.drop)
        return answer

    def _version(self, number):
        trouble = self.trouble
        generating = trouble.generating_polls > 0
        trouble.generating_polls -= generating
        images = 0 if generating else trouble.images
        version = {"id": f"{WORKSPACE}/{PROJECT}/{number}", "images": images, "generating": generating}
        return version | {"progress": trouble.progress if generating else 1, "exports": ["coco"]}

    def _export(self):
        trouble = self.trouble
        if trouble.failed:
            return 200, {"ready": False, "error": "export failed"}
        if trouble.export_polls > 0:
            trouble.export_polls -= 1
            return 202, {"progress": trouble.progress}
        return 200, {"export": {"format": "coco", "link": f"{self.url}/ds/n9Qw?key={SIGNATURE}"}}

    def _answer_link(self, request):
        trouble, body = self.trouble, self.archive
        if trouble.link:
            status, headers = trouble.link.pop(0)
            _send(request, status, {"error": f"no: {request.path}"}, headers)
            return
        if trouble.html_link:
            page = f"<html>AccessDenied {request.path}</html>".encode()
            _send_bytes(request, 403, page, "text/html", {"Content-Length": str(len(page))})
            return
        if trouble.damaged_bodies > 0:
            trouble.damaged_bodies -= 1
            middle = len(body) // 2  # in a picture's bytes, not in a header
            body = body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :]
        headers = {"Content-Length": str(len(body))} if trouble.content_length else {}
        if trouble.half_bodies > 0:
            trouble.half_bodies -= 1
            body = body[: len(body) // 2]
        _send_bytes(request, 200, body, "application/zip", headers)
        while trouble.endless and not self._stop.wait(0.05):
            request.wfile.write(b"\0" * 1000)


def _drop(answer, name):
    """Remove a field wherever it is."""
    if isinstance(answer, dict):
        answer.pop(name, None)
    for value in answer.values() if isinstance(answer, dict) else answer:
        if isinstance(value, dict | list):
            _drop(value, name)


def _send(request, status, body, headers=None):
    data = json.dumps(body).encode()
    _send_bytes(request, status, data, "application/json", {"Content-Length": str(len(data)), **(headers or {})})


def _send_bytes(request, status, data, kind, headers):
    try:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the client gave up
