"""A stand-in for a Docker daemon, which takes what the real client sends for one build, and builds nothing."""

import io
import subprocess
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "1.41"


class Server(ThreadingHTTPServer):
    """Keeps what it was sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Daemon)
        self.contexts = []


class Daemon(BaseHTTPRequestHandler):
    """As much of Docker's API as its client needs for ``docker build`` without BuildKit."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(b"")

    def do_GET(self):
        self._answer(b'{"ApiVersion": "%s", "Os": "linux", "Arch": "amd64"}' % VERSION.encode())

    def do_POST(self):
        context = b""
        while size := int(self.rfile.readline(), 16):
            context += self.rfile.read(size)
            self.rfile.readline()
        self.server.contexts.append(context)
        self._answer(b'{"stream": "taken"}\n')

    def _answer(self, body):
        self.send_response(200)
        self.send_header("Api-Version", VERSION)
        self.send_header("OSType", "linux")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def daemon():
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def build_context(folder, dockerfile, environment):
    """Files that the Docker client sends for a build in a folder, by name, with their content."""
    with daemon() as server:
        variables = {
            **environment, "DOCKER_HOST": f"tcp://127.0.0.1:{server.server_port}", "DOCKER_BUILDKIT": "0",
        }  # fmt: skip
        command = ["docker", "build", "--file", dockerfile, "."]
        subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True, timeout=60)
        with tarfile.open(fileobj=io.BytesIO(server.contexts[-1])) as archive:
            return {one.name: archive.extractfile(one).read() for one in archive.getmembers() if one.isfile()}
