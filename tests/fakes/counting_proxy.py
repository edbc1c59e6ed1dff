"""A server between clients and an HTTP server, which counts the requests that pass."""

import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
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
        self._threads: list[threading.Thread] = []
        self._connected: set[socket.socket] = set()

    def __enter__(self) -> "CountingProxy":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connected in list(self._connected):
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def counted(self) -> Counter[str]:
        """Requests so far, by method and path."""
        with self._lock:
            return Counter(self.requests)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _start(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _serve(self, client: socket.socket) -> None:
        """One connection, both ways, until both sides have ended."""
        with client, socket.create_connection(self._server) as server:
            self._connected |= {client, server}
            back = self._start(self._pass, server, client, False)
            self._pass(client, server, is_asking=True)
            back.join()
            self._connected -= {client, server}

    def _pass(self, source: socket.socket, target: socket.socket, is_asking: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                # A client sends the head of a request in one piece.
                if is_asking and (found := REQUEST.match(data)):
                    with self._lock:
                        self.requests[f"{found[1].decode()} {found[2].decode()}"] += 1
                target.sendall(self._passed_on(data))
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _passed_on(self, data: bytes) -> bytes:
        return data


class CapitalsProxy(CountingProxy):
    """Writes the names of metadata with capitals, as proxies written in Go do."""

    def _passed_on(self, data: bytes) -> bytes:
        return data.replace(b"\r\nX-Amz-Meta-sha256:", b"\r\nX-Amz-Meta-Sha256:")
