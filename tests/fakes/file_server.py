"""A web server that serves one file in parts, as S3 and CloudFront do, and misbehaves as a test asks."""

import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Trouble:
    """What goes wrong. Lists are answered in order, an entry per request; after them all is well."""

    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    """Bytes of a body after which the connection is cut."""
    hangs: list[int] = field(default_factory=list)
    """Bytes of a body after which nothing more comes."""
    ranges: bool = True
    """Whether parts are served."""
    if_range: bool = True
    """Whether If-Range is heeded."""
    etag: bool = True
    last_modified: bool = False
    length: int | None = None
    """A Content-Length that is not true; 0 for none."""
    page: bool = False
    """Whether a login page is served in place of the file, with status 200."""
    password: str | None = None
    redirect: str | None = None


class FileServer:
    """Serves ``content`` under every path; tests may replace it while it is fetched."""

    def __init__(self, content: bytes, trouble: Trouble | None = None) -> None:
        self.content, self.trouble = content, trouble or Trouble()
        self.state = 1
        self.requests: list[dict[str, str]] = []
        """Headers of the requests, and the path as ``path``."""
        self.sent = 0
        """Bytes of the bodies sent."""
        self._release = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/models"

    def __enter__(self) -> "FileServer":
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def replace(self, content: bytes) -> None:
        """Serve another file from now on."""
        self.content, self.state = content, self.state + 1

    def ranges(self) -> list[str | None]:
        """The Range that each request asked for."""
        return [request.get("Range") for request in self.requests]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append({**dict(request.headers), "path": request.path})
        trouble = self.trouble
        if trouble.statuses:
            self._send(request, trouble.statuses.pop(0), b"no", {"Content-Length": "2"})
        elif trouble.redirect:
            self._send(request, 302, b"", {"Location": trouble.redirect + request.path, "Content-Length": "0"})
        elif trouble.password and request.headers.get("Authorization") != trouble.password:
            self._send(request, 401, b"", {"Content-Length": "0"})
        elif trouble.page:
            self._send(request, 200, b"<html>Please log in</html>", {"Content-Type": "text/html; charset=utf-8"})
        else:
            self._answer_with_file(request)

    def _answer_with_file(self, request: BaseHTTPRequestHandler) -> None:
        trouble, content = self.trouble, self.content
        headers = {"Content-Type": "binary/octet-stream"}
        if trouble.etag:
            headers["ETag"] = f'"state-{self.state}"'
        if trouble.last_modified:
            headers["Last-Modified"] = f"Mon, 01 May 2023 00:00:0{self.state} GMT"
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        condition = request.headers.get("If-Range")
        fits = condition is None or not trouble.if_range or condition in headers.values()
        start = int(asked[1]) if asked and trouble.ranges and fits else 0
        if start >= len(content):
            self._send(request, 416, b"", {"Content-Length": "0"})
            return
        status = 200
        if asked and trouble.ranges and fits:
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if (length := len(content) - start if trouble.length is None else trouble.length) != 0:
            headers["Content-Length"] = str(length)
        self._send(request, status, content[start:], headers)

    def _send(self, request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        trouble = self.trouble
        is_file = status in (200, 206)
        hangs = trouble.hangs.pop(0) if is_file and trouble.hangs else None
        cut = trouble.cuts.pop(0) if is_file and trouble.cuts else None
        part = body[: hangs if hangs is not None else cut]
        request.wfile.write(part)
        request.wfile.flush()
        self.sent += len(part) * is_file
        if hangs is not None:
            self._release.wait(60)
