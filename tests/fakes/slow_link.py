"""A TCP relay in this process that stops after some bytes: a connection that hangs in the middle."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class SlowLink:
    """Relays to ``endpoint`` until ``pass_bytes`` have been sent to it in all; then ``stalled`` is set."""

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
        # Closing alone would not wake up the thread that waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        for open_socket in [self._listener, *self._open]:
            open_socket.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._open += [client, server]
            threading.Thread(target=self._relay, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._relay, args=(server, client, False), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if counted:
                    self._left -= len(data)
                if self._left < 0:
                    self.stalled.set()
                    return
                sink.sendall(data)
