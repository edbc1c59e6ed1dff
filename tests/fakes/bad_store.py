"""A small S3 server in this process that misbehaves on request, as some stores do."""

import hashlib
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "bucket"
CHECKSUM_HEADER = re.compile(r"x-amz-(checksum|sdk-checksum|trailer)", re.IGNORECASE)


class BadStore:
    """Objects in memory behind HTTP; every fault is an attribute that a test sets.

    Attributes:
        refuse_checksums: Answer 400 to checksum headers and chunked bodies, as older stores do.
        ignore_conditions: Ignore If-Match and If-None-Match.
        lack_conditions: Answer 501 to them.
        next_answers: Answers (status, code) to the next requests, one each; None lets a request pass.
        every_answer: Answer (status, code) or (status, code, message) to every request.
        refuse_right_etag: Refuse If-Match though the ETag is right, as Ceph before Tentacle does.
        refuse_fresh_key: Refuse If-None-Match though there is no object.
        refuse_parts: Answer 501 to uploads in parts.
        refuse_deletes: Answer 403 to deletions.
        refuse_links: Answer 403 to signatures in the URL.
        drop_metadata: Keep no metadata.
        spoil: Read another content than was written.
        hide: List nothing.
        demand_encryption: What every write must ask for, as a bucket's policy may demand; empty for nothing.
        known_key: The access key id that is known; empty for all.
        drop_answers: How many of the next writes are carried out without an answer.
        requests: Method and path of every request so far.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.refuse_checksums = False
        self.ignore_conditions = False
        self.lack_conditions = False
        self.next_answers: list[tuple[int, str] | None] = []
        self.every_answer: tuple[int, str] | tuple[int, str, str] | None = None
        self.refuse_right_etag = self.refuse_fresh_key = self.refuse_parts = False
        self.refuse_deletes = self.refuse_links = self.drop_metadata = self.spoil = self.hide = False
        self.demand_encryption = ""
        self.known_key = ""
        self.drop_answers = 0
        self.requests: list[str] = []
        self.objects: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.parts: dict[int, bytes] = {}
        self.parts_metadata: dict[str, str] = {}
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": self}))
        self._server.daemon_threads = True
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.endpoint = f"{scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "BadStore":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fault(self, request: str, headers: dict[str, str]) -> tuple[int, str] | tuple[int, str, str] | None:
        """The answer that a fault dictates, if one does."""
        chunked = "aws-chunked" in headers.get("content-encoding", "") or "STREAMING" in headers.get(
            "x-amz-content-sha256", ""
        )
        conditional = "if-match" in headers or "if-none-match" in headers
        if self.next_answers:
            return self.next_answers.pop(0)
        if self.refuse_checksums and (chunked or any(CHECKSUM_HEADER.match(name) for name in headers)):
            return 400, "InvalidArgument"
        if self.lack_conditions and conditional:
            return 501, "NotImplemented"
        if self.known_key and f"Credential={self.known_key}/" not in headers.get("authorization", ""):
            return 403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
        if self.refuse_parts and request.endswith("?uploads"):
            return 501, "NotImplemented"
        if self.refuse_deletes and request.startswith("DELETE "):
            return 403, "AccessDenied"
        if self.refuse_links and "X-Amz-Signature=" in request:
            return 403, "AccessDenied"
        creates = (request.startswith("PUT ") and "partNumber=" not in request) or request.endswith("?uploads")
        if (
            self.demand_encryption
            and creates
            and headers.get("x-amz-server-side-encryption", "") != self.demand_encryption
        ):
            return 403, "AccessDenied", "User: u is not authorized to perform: s3:PutObject with an explicit deny"
        return self.every_answer

    def condition_fails(self, key: str, headers: dict[str, str]) -> bool:
        if self.ignore_conditions:
            return False
        current = self.objects.get(key)
        if headers.get("if-none-match") == "*":
            return current is not None or self.refuse_fresh_key
        if self.refuse_right_etag and "if-match" in headers:
            return True
        return "if-match" in headers and (current is None or _etag(current[0]) != headers["if-match"])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: BadStore

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_error(self, status: int, code: str, message: str = "as requested") -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode())

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        url = urlsplit(self.path)
        key, query = unquote(url.path).removeprefix(f"/{BUCKET}/"), parse_qs(url.query, keep_blank_values=True)
        with self.store.lock:
            self.store.requests.append(f"{self.command} {self.path}")
            if fault := self.store.fault(f"{self.command} {self.path}", headers):
                self.answer_error(*fault)
            else:
                getattr(self, self.command.lower())(key, query, headers, body)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = do_any  # noqa: N815 names that http.server calls

    def listing(self, prefix: str) -> bytes:
        found = [] if self.store.hide else sorted(key for key in self.store.objects if key.startswith(prefix))
        date = "<LastModified>2026-01-01T00:00:00Z</LastModified><Size>1</Size>"
        entries = "".join(f"<Contents><Key>{escape(key)}</Key>{date}</Contents>" for key in found)
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()

    def get(self, key: str, query: dict, headers: dict[str, str], _body: bytes) -> None:
        if query.get("list-type") == ["2"]:
            return self.answer(200, self.listing(query["prefix"][0]))
        if key not in self.store.objects:
            return self.answer_error(404, "NoSuchKey")
        data, metadata = self.store.objects[key]
        data = data[::-1] if self.store.spoil else data
        more = metadata | {"ETag": _etag(data), "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        if "range" not in headers:
            return self.answer(200, data, more)
        first, last = headers["range"].removeprefix("bytes=").split("-")
        part = data[int(first) : int(last) + 1 if last else None]
        more |= {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"}
        return self.answer(206, part, more)

    head = get

    def put(self, key: str, query: dict, headers: dict[str, str], body: bytes) -> None:
        if "partNumber" in query:
            self.store.parts[int(query["partNumber"][0])] = body
            return self.answer(200, headers={"ETag": _etag(body)})
        if self.store.condition_fails(key, headers):
            return self.answer_error(412, "PreconditionFailed")
        self.store.objects[key] = body, {} if self.store.drop_metadata else _metadata(headers)
        if self.store.drop_answers:
            self.store.drop_answers -= 1
            self.close_connection = True
            return None
        return self.answer(200, headers={"ETag": _etag(body)})

    def post(self, key: str, query: dict, headers: dict[str, str], _body: bytes) -> None:
        store = self.store
        if "uploads" in query:
            store.parts, store.parts_metadata = {}, {} if store.drop_metadata else _metadata(headers)
            return self.answer(
                200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
            )
        store.objects[key] = b"".join(store.parts[number] for number in sorted(store.parts)), store.parts_metadata
        return self.answer(200, b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")

    def delete(self, key: str, _query: dict, _headers: dict[str, str], _body: bytes) -> None:
        self.store.objects.pop(key, None)
        self.answer(204)


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'  # noqa: S324 as S3 does


def _metadata(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("x-amz-meta-")}
