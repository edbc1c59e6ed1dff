"""A TCP relay in this process that stops passing bytes on after some: a link that hangs in the middle."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class SlowLink:
    """Relays to ``endpoint``; ``stalled`` is set when ``pass_bytes`` have gone towards it in all."""

    def __init__(self, endpoint: str, pass_bytes: int) -> None:
        url = urlsplit(endpoint)
        self._target = (url.hostname, url.port)
        self._left = pass_bytes
        self.stalled = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "SlowLink":
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A socket that is only closed would go on accepting in the thread that waits for it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        for one in [self._listener, *self._open]:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._open += [near, far]
            threading.Thread(target=self._relay, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._relay, args=(far, near, False), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if counted:
                    self._left -= len(data)
                if self._left < 0:
                    self.stalled.set()
                    return
                sink.sendall(data)
