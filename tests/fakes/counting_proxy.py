"""A server between clients and an HTTP server, which counts the requests that pass."""

import re
import socket
import threading
from collections import Counter
from contextlib import suppress

REQUEST = re.compile(rb"(GET|PUT|HEAD|POST|DELETE) (/[^ \r\n]*) HTTP/1\.1\r\n")


class CountingProxy:
    """Passes bytes on, and counts requests by method and path. Ends with its ``with`` block.

    Args:
        host: Host of the server.
        port: Its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server, self.requests = (host, port), Counter[str]()
        self._lock = threading.Lock()

    def __enter__(self) -> "CountingProxy":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def counted(self) -> Counter[str]:
        """Requests so far, by method and path."""
        with self._lock:
            return Counter(self.requests)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, is_asking: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                # A client sends the head of a request in one piece.
                if is_asking and (found := REQUEST.match(data)):
                    with self._lock:
                        self.requests[f"{found[1].decode()} {found[2].decode()}"] += 1
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
