"""A fake of the endpoints of Roboflow that the real package calls, which misbehaves as a test asks.

The API answers under ``/``, the signed link to the zip points to ``/ds/``. ``requests`` counts requests by path.

``python -m tests.fakes.roboflow_server ZIP`` serves in a process of its own until its stdin ends, and prints its URL.
"""

import contextlib
import hashlib
import json
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

KEY = "rf_Secret0Key1For2Tests3"
SIGNATURE = "Signature4Secret5Link6"
WORKSPACE, PROJECT = "acme", "pets"
TRICKLES = 20


@dataclass
class Misbehaviour:
    """What goes wrong. Statuses are answered in order, one per request; after them all is well."""

    api: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    link: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    half_bodies: int = 0
    damaged_bodies: int = 0
    content_length: bool = True
    html_link: bool = False
    endless: bool = False
    trickle: float = 0
    """Seconds that sending the zip takes."""
    images: int = 6
    generating_polls: int = 0
    export_polls: int = 0
    failed: bool = False
    progress: float = 0.5
    drop: str | None = None
    no_versions: bool = False
    failed_version: bool = False
    export_status: int = 200
    generate_status: int = 200
    lost_answers: int = 0
    """Requests for a new version that are carried out, and answered with an error of the server."""
    slow_start: int = 0
    """Polls for which a new version is empty and not being generated yet."""
    copies_missing: int = 0
    """Augmented copies that a new version lacks."""
    uploads: list[int | str] = field(default_factory=list)
    """What happens to requests that send something, in order, one each; after them all is well.

    A status is answered and nothing done; ``lost`` is done and answered with 502; ``hang`` is done and not answered;
    ``cut`` closes the connection; ``no`` is answered with 200 and no success.
    """


@dataclass
class Received:
    """An image that was sent. ``predictions`` are what a person sees as such, ``labels`` what counts as truth."""

    name: str
    content: bytes
    batches: list[str]
    predictions: dict | None = None
    labels: dict | None = None


class RoboflowServer:
    """Serves one project with versions 2, 9 and 10, all with the same zip, given as bytes or as a file.

    It generates further versions of all images of the project, including those without labels.
    """

    def __init__(self, archive: bytes | Path, misbehaviour: Misbehaviour | None = None) -> None:
        self.archive = archive
        self.trouble = misbehaviour or Misbehaviour()
        self.requests: Counter[str] = Counter()
        self.images, self.unannotated = 6, 0
        self.settings: dict[int, dict] = {} if self.trouble.no_versions else {9: {}, 10: {}, 2: {}}
        self.splits = {number: {"train": 4, "valid": 2} for number in self.settings}
        self.generated: list[int] = []
        self.received: dict[str, Received] = {}
        """What was sent, by Roboflow's id, which depends on the content."""
        self.stalled = threading.Event()
        """Set when a request that sends something was done, and will not be answered."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.sending, self.sent = threading.Event(), threading.Event()
        """Set when a trickling zip begins, and when it is sent."""
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
        self.requests[url.path] += 1
        if url.path.startswith("/ds/"):
            self._answer_link(request)
        elif self.trouble.api:
            status, headers = self.trouble.api.pop(0)
            _send(request, status, {"error": f"no: {request.path}"}, headers)
        elif parse_qs(url.query).get("api_key") != [KEY]:
            _send(request, 401, {"error": {"message": f"This API key does not exist: {request.path}"}})
        elif url.path.startswith("/dataset/"):
            self._answer_upload(request, url)
        else:
            length = int(request.headers.get("Content-Length") or 0)
            settings = json.loads(request.rfile.read(length) or "null")
            parts = tuple(filter(None, url.path.split("/")))
            asks_for_version = (request.command, *parts) == ("POST", WORKSPACE, PROJECT, "generate")
            _send(request, *(self._generate(settings) if asks_for_version else self._api(parts)))

    def _answer_upload(self, request, url):
        """An image, or the boxes of one; the path names the project alone, as the real one does."""
        body = request.rfile.read(int(request.headers["Content-Length"]))
        trouble = self.trouble.uploads.pop(0) if self.trouble.uploads else "well"
        if isinstance(trouble, int):
            _send(request, trouble, {"error": {"message": f"no: {request.path}"}})
            return
        if trouble == "no":
            _send(request, 200, {"success": False, "message": f"not now: {request.path}"})
            return
        if trouble == "cut":
            request.close_connection = True
            return
        parts, query = url.path.split("/")[2:], parse_qs(url.query)
        answer = (404, {"error": "no such project"})
        if parts == [PROJECT, "upload"]:
            answer = self._receive_image(request.headers["Content-Type"], body, query)
        elif parts[:2] == [PROJECT, "annotate"] and parts[2] in self.received:
            answer = self._receive_boxes(self.received[parts[2]], json.loads(body), query)
        if trouble == "hang":
            self.stalled.set()
            self._stop.wait(60)
        _send(request, *((502, {"error": "bad gateway"}) if trouble == "lost" else answer))

    def _receive_image(self, content_type, body, query):
        parts = (
            BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body).iter_parts()
        )
        file = next(part for part in parts if part.get_filename())
        content = file.get_payload(decode=True)
        image_id = hashlib.sha256(content).hexdigest()[:20]
        known = image_id in self.received
        image = self.received.setdefault(image_id, Received(file.get_filename(), content, []))
        image.batches += query["batch"]
        return 200, {"duplicate": True, "id": image_id} if known else {"success": True, "id": image_id}

    def _receive_boxes(self, image, document, query):
        if image.predictions or image.labels:
            return 409, {"error": {"message": "This image was already annotated."}}
        boxes = json.loads(document["annotationFile"])
        if query.get("prediction") == ["true"]:
            image.predictions = boxes
        else:
            image.labels = boxes
        image.batches += query["jobName"]
        return 200, {"success": True}

    def _api(self, parts):
        """Status and body for the parts of an API path."""
        trouble = self.trouble
        answer = (404, {"error": {"message": "not found"}})
        if parts == ():
            answer = (200, {"welcome": "Roboflow", "workspace": WORKSPACE})
        elif parts == (WORKSPACE,):
            answer = (200, {"workspace": {"name": "Acme", "url": WORKSPACE, "projects": []}})
        elif parts == (WORKSPACE, PROJECT):
            project = {"id": f"{WORKSPACE}/{PROJECT}", "images": self.images, "unannotated": self.unannotated}
            versions = [{"id": f"{WORKSPACE}/{PROJECT}/{n}"} for n in self.settings]
            answer = (200, {"project": project, "versions": versions})
        elif len(parts) == 3 and parts[2] in map(str, self.settings):
            answer = (200, {"version": self._version(int(parts[2]))})
        elif len(parts) == 4 and parts[3] == "coco":
            answer = self._export()
        if trouble.drop:
            _drop(answer[1], trouble.drop)
        return answer

    def _version(self, number):
        trouble = self.trouble
        generating = trouble.generating_polls > 0
        trouble.generating_polls -= generating
        if not_begun := number in self.generated and trouble.slow_start > 0:
            trouble.slow_start -= 1
        images = 0 if generating or not_begun else trouble.images
        version = {"id": f"{WORKSPACE}/{PROJECT}/{number}", "images": images, "generating": generating}
        if trouble.failed_version:
            version["status"] = "failed"
        version |= {"splits": self.splits[number], "preprocessing": {}, "augmentation": {}} | self.settings[number]
        return version | {"progress": trouble.progress if generating else 1, "exports": ["coco"]}

    def _generate(self, settings):
        """Generate a version; steps come as the package documents them, and are recorded with ``enabled``."""
        trouble = self.trouble
        if trouble.generate_status != 200:
            return trouble.generate_status, {"error": f"no: {settings}"}
        if not isinstance(settings, dict) or settings.keys() != {"augmentation", "preprocessing"}:
            return 400, {"error": "augmentation and preprocessing are required"}
        number = max(self.settings, default=0) + 1
        self.settings[number] = {
            kind: {name: {"enabled": True} | (step if isinstance(step, dict) else {}) for name, step in steps.items()}
            for kind, steps in settings.items()
        }
        copies = int(settings["augmentation"].get("image", {}).get("versions", 1))
        self.splits[number] = {"train": copies * (self.images - 2) - trouble.copies_missing, "valid": 2}
        self.generated.append(number)
        if trouble.lost_answers > 0:
            trouble.lost_answers -= 1
            return 502, {"error": "bad gateway"}
        return 200, {"message": "Generating version", "version": str(number)}

    def _export(self):
        trouble = self.trouble
        if trouble.export_status != 200:
            return trouble.export_status, {"error": f"format not found at {self.url}"}
        if trouble.failed:
            return 200, {"ready": False, "error": "export failed"}
        if trouble.export_polls > 0:
            trouble.export_polls -= 1
            return 202, {"progress": trouble.progress}
        return 200, {"export": {"format": "coco", "link": f"{self.url}/ds/n9Qw?key={SIGNATURE}"}}

    def _answer_link(self, request):
        if isinstance(self.archive, Path):
            _send_file(request, self.archive)
            return
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
            middle = len(body) // 2  # in an image's bytes, not in a header
            body = body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :]
        headers = {"Content-Length": str(len(body))} if trouble.content_length else {}
        if trouble.half_bodies > 0:
            trouble.half_bodies -= 1
            body = body[: len(body) // 2]
        if trouble.trickle:
            self._trickle(request, body, headers)
            return
        _send_bytes(request, 200, body, "application/zip", headers)
        while trouble.endless and not self._stop.wait(0.05):
            request.wfile.write(b"\0" * 1000)

    def _trickle(self, request, body, headers):
        self.sending.set()
        _send_bytes(request, 200, b"", "application/zip", headers)
        size = len(body) // TRICKLES + 1
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for start in range(0, len(body), size):
                self._stop.wait(self.trouble.trickle / TRICKLES)
                request.wfile.write(body[start : start + size])
            self.sent.set()


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


def _send_file(request, path):
    with path.open("rb") as file, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        _send_bytes(request, 200, b"", "application/zip", {"Content-Length": str(path.stat().st_size)})
        request.wfile.flush()
        request.connection.sendfile(file)


if __name__ == "__main__":
    with RoboflowServer(Path(sys.argv[1])) as running:
        print(running.url, flush=True)
        sys.stdin.read()
