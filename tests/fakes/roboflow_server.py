"""A fake of the endpoints of Roboflow that the real package calls, which misbehaves as a test asks.

The API answers under ``/``, the link to the zip points to ``/ds/``. ``requests`` counts requests by path.

It answers as Roboflow is recorded and documented to do. Sources:

- answers about workspace, project (``versions`` beside ``project``), version and export: fixtures of the tests of
  roboflow/roboflow-python, package 1.7.3; ``versions`` within ``project``: the documentation, "Get a Project";
- health: roboflow-python pull request 472; other names of its counts: the documentation, "Dataset Health Check";
- a version that is empty and not yet generating: roboflow-python pull request 408; progress over 100 %:
  roboflow-100-benchmark issue 31; 202 with ``progress`` as a number, a text or null: the package and roboflow-cli;
- a crop that is recorded with ``percent``, sizes as text: answers pasted by users; the request: the documentation,
  "Create a Dataset Version";
- the search of a workspace: fixtures of the package's tests, its command line, which asks for ``project:`` and ``id``,
  and the documentation, "Search Images in a Dataset";
- tags of an image, and the refusal of tags with blanks: the package's tests/manual/demo_image_metadata.py, and the
  documentation, "Update Image Metadata and Tags";
- exports of a search: the package's adapter, ``start_search_export`` and ``get_search_export``;
- refusals: ``error`` and ``hint``, 402, 409, 423: the documentation, "Errors and Status Codes"; 404 of what a key may
  not see: Shape-Detection-with-YOLO issue 3, rf-detr issue 122;
- links that redirect (``app.roboflow.com/ds/``), and links to storage: fixtures, roboflow-python issue 104.

``python -m tests.fakes.roboflow_server ZIP`` serves in a process of its own until its stdin ends, and prints its URL.
"""

import contextlib
import hashlib
import json
import re
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.fakes.roboflow_misbehaviour import Misbehaviour
from tests.fakes.roboflow_project import PROJECT, WORKSPACE, ProjectState

KEY = "rf_Secret0Key1For2Tests3"
SIGNATURE = "Signature4Secret5Link6"
TRICKLES = 20
EXPORT_ID = "e7XportId"


@dataclass
class Received:
    """An image that was sent. ``predictions`` are what a person sees as such, ``labels`` what counts as truth."""

    name: str
    content: bytes
    batches: list[str]
    predictions: dict | None = None
    labels: dict | None = None
    tags: set[str] = field(default_factory=set)


class RoboflowServer:
    """Serves one project with versions 2, 9 and 10, all with the same zip, given as bytes or as a file."""

    def __init__(self, archive: bytes | Path, misbehaviour: Misbehaviour | None = None) -> None:
        self.archive = archive
        self.trouble = misbehaviour or Misbehaviour()
        self.requests: Counter[str] = Counter()
        self.state = ProjectState(self.trouble)
        self.searches: list[dict] = []
        """Requests for the export of a search."""
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
            refusal = self.trouble.refusal or {"error": {"message": "no", "hint": f"Try {self.url}{request.path}"}}
            _send(request, status, refusal, headers)
        elif parse_qs(url.query).get("api_key") != [KEY]:
            words = f"This API key does not exist (or has been revoked): {request.path}"
            _send(request, 401, {"error": {"message": words, "type": "OAuthException", "status": 401}})
        elif url.path.startswith("/dataset/") or url.path.endswith("/metadata"):
            self._answer_upload(request, url)
        else:
            length = int(request.headers.get("Content-Length") or 0)
            settings = json.loads(request.rfile.read(length) or "null")
            parts = tuple(filter(None, url.path.split("/")))
            asks_for_version = (request.command, *parts) == ("POST", WORKSPACE, PROJECT, "generate")
            if (request.command, *parts) == ("POST", WORKSPACE, "search", "export"):
                _send(request, *self._search(settings))
                return
            if (request.command, *parts) == ("POST", WORKSPACE, "search", "v1"):
                _send(request, *self._found_images(settings))
                return
            is_fresh = parse_qs(url.query).get("nocache") == ["true"]
            _send(request, *(self.state.generate(settings) if asks_for_version else self._api(parts, is_fresh)))

    def _answer_upload(self, request, url):
        """An image, its boxes or its tags; the path of the first two names the project alone, as the real one does."""
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
        elif url.path.split("/")[1:3] == [WORKSPACE, "images"] and parts[1] in self.received:
            answer = self._receive_tags(self.received[parts[1]], json.loads(body))
        if trouble == "hang":
            self.stalled.set()
            self._stop.wait(60)
        _send(request, *((502, {"error": "bad gateway"}) if trouble == "lost" else answer))

    def _receive_image(self, content_type, body, query):
        parts = (
            BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body).iter_parts()
        )
        file = next(part for part in parts if part.get_filename())
        name, content = file.get_filename(), file.get_payload(decode=True)
        assert name
        assert isinstance(content, bytes)
        image_id = hashlib.sha256(content).hexdigest()[:20]
        known = image_id in self.received
        image = self.received.setdefault(image_id, Received(name, content, []))
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

    def _receive_tags(self, image, body):
        tags = body.get("addTags") or []
        if not tags or body.keys() - {"addTags"}:
            return 400, {"error": "At least one of metadata, removeMetadata, addTags, removeTags is required"}
        if bad := [tag for tag in tags if not re.fullmatch(r"[\w-]+", tag)]:
            return 400, {"error": f"Invalid tag: {bad[0]}"}
        image.tags |= set(tags)
        return 200, {"success": True}

    def _found_images(self, body):
        """A page of the images of a project; of each what was asked for."""
        if body["query"] != f"project:{PROJECT}":
            return 200, {"results": [], "total": 0, "continuationToken": None}
        trouble, start = self.trouble, int(body.get("continuationToken", "at-0")[3:])
        size = trouble.search_pages.pop(0) if trouble.search_pages else body["pageSize"]
        images = list(self.received.items())
        values = [{"id": image_id, "filename": image.name, "tags": sorted(image.tags)} for image_id, image in images]
        results = [{"mediaType": "image"} | {name: one[name] for name in body["fields"]} for one in values]
        end = start + size
        token = "at-0" if trouble.circle else f"at-{end}" if end < len(images) else None
        answer = {"results": results[start:end], "total": len(images), "continuationToken": token}
        if trouble.drop:
            _drop(answer, trouble.drop)
        return 200, answer

    def _api(self, parts, is_fresh):
        """Status and body for the parts of an API path."""
        trouble, state = self.trouble, self.state
        answer = (404, not_visible("/".join(parts)))
        if parts == ():
            answer = (200, {"welcome": "Welcome to the Roboflow API.", "workspace": WORKSPACE})
        elif parts == (WORKSPACE,):
            answer = (200, {"workspace": {"name": "Acme", "url": WORKSPACE, "members": 3, "projects": []}})
        elif parts == (WORKSPACE, PROJECT):
            answer = (200, state.project(is_fresh=is_fresh))
        elif parts == (WORKSPACE, PROJECT, "health") and trouble.health != "none":
            answer = (200, state.health())
        elif parts == (WORKSPACE, "search", "export", EXPORT_ID) and self.searches:
            answer = self._found()
        elif len(parts) == 3 and parts[2] in map(str, state.settings):
            answer = state.version(int(parts[2]))
        elif len(parts) == 4 and parts[3] == "coco":
            answer = self._export()
        if trouble.drop:
            _drop(answer[1], trouble.drop)
        return answer

    def _search(self, body):
        """Begin the export of a search, which is known by the id that comes as a link."""
        if self.trouble.export_status != 200:
            return self.trouble.export_status, {"error": f"Invalid query {body['query']}"}
        self.searches.append(body)
        return 202, {"link": EXPORT_ID}

    def _found(self):
        if self.trouble.export_polls > 0:
            self.trouble.export_polls -= 1
            return 200, {"ready": False}
        return 200, {"ready": True, "link": f"{self.url}/ds/n9Qw?key={SIGNATURE}"}

    def _export(self):
        trouble = self.trouble
        if trouble.export_status != 200:
            return trouble.export_status, {"error": f"format not found at {self.url}"}
        if trouble.failed:
            return 200, {"ready": False, "error": "export failed"}
        if trouble.export_polls > 0:
            trouble.export_polls -= 1
            return trouble.unready_status, {"progress": trouble.progress}
        link: str | None = f"{self.url}/ds/n9Qw?key={SIGNATURE}"
        if trouble.links_to_come > 0:
            trouble.links_to_come -= 1
            link = None
        return 200, {"export": {"format": "coco", "link": link}}

    def _answer_link(self, request):
        if self.trouble.redirected_link and "/storage/" not in request.path:
            _send_bytes(request, 302, b"", "text/plain", {"Location": f"/ds/storage/n9Qw.zip?X-Signature={SIGNATURE}"})
            return
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


def not_visible(path):
    """The body of a 404, which is the same for what does not exist and for what the key may not see."""
    words = f"Unsupported get request. Object with ID `{path}` does not exist or cannot be loaded due to missing"
    hint = f"You can find what you may see at `/?api_key={KEY}`."
    return {"error": {"message": f"{words} permissions.", "type": "GraphMethodException", "hint": hint}}


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
