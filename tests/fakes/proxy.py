"""A proxy that refuses everything with a page of its own, as a misconfigured one does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def refusing_proxy(code: int) -> Iterator[tuple[str, list[str]]]:
    """Run the proxy; give its address, and the requests that it gets."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.requestline)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            page = b"<html><body><h1>ERROR: The requested URL could not be retrieved</h1></body></html>"
            self.send_response(code)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Via", "1.1 squid")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass

    for method in ("POST", "PUT", "PATCH", "DELETE", "HEAD", "CONNECT"):
        setattr(Handler, f"do_{method}", Handler.do_GET)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
