"""``python -m tests.fakes.warm_start_server FD``: trainers as forks of a process that has imported all they need.

A trainer takes seconds to import torch and super-gradients, and tests start a hundred. Only the imports are shared:
each trainer is a process of its own, with its own environment, files and signals.
"""

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]


class ForkedProcess:
    """A trainer under way, with the methods of ``subprocess.Popen`` that tests use."""

    def __init__(self, server: "WarmStartServer", pid: int, stdin: Any) -> None:
        self._server, self.pid, self.stdin = server, pid, stdin
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.exit_code(self.pid, 0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.returncode = self._server.exit_code(self.pid, timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("trainer", timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(9)


class WarmStartServer:
    """The client's side: one server for each process that runs tests. It ends with that process."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with theirs, tempfile.TemporaryFile() as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()], env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._codes: dict[int, int] = {}

    def start(self, arguments: list[str], environment: dict[str, str], *outputs: Any) -> ForkedProcess:
        """Start a trainer; ``outputs`` are the files for stdout and stderr."""
        read_end, write_end = os.pipe()
        request = {"arguments": arguments, "environment": environment, "folder": str(Path.cwd())}
        data = json.dumps(request).encode()
        descriptors = [read_end, *(output.fileno() for output in outputs)]
        self._socket.sendall(len(data).to_bytes(4, "big"))
        socket.send_fds(self._socket, [b"."], descriptors)
        self._socket.sendall(data)
        os.close(read_end)
        while "pid" not in (answer := self._next()):
            self._codes[answer["ended"]] = answer["code"]
        return ForkedProcess(self, answer["pid"], os.fdopen(write_end, "wb"))

    def close(self) -> None:
        """End the process; it ends when nobody can ask it any more."""
        self._socket.close()
        self._process.wait(60)

    def exit_code(self, pid: int, timeout: float | None) -> int | None:
        """The exit code, as Popen tells it; None if it has not ended within ``timeout`` seconds."""
        while pid not in self._codes:
            ready, _, _ = select.select([self._socket], [], [], timeout)
            if not ready:
                return None
            answer = self._next()
            self._codes[answer["ended"]] = answer["code"]
        return self._codes[pid]

    def _next(self) -> dict[str, int]:
        # Unbuffered by lines: an answer is sent whole, and is short.
        line = b""
        while not line.endswith(b"\n"):
            if not (part := self._socket.recv(1)):
                raise RuntimeError("the server of trainers has ended")
            line += part
        answer: dict[str, int] = json.loads(line)
        return answer


def serve(connection: socket.socket) -> None:
    """Fork a trainer for each request, and tell its end."""
    running: dict[int, int] = {}  # pid by pidfd
    while True:
        waiting: list[Any] = [connection, *running]
        ready, _, _ = select.select(waiting, [], [])
        for pidfd in [one for one in ready if one is not connection]:
            pid = running.pop(pidfd)
            os.close(pidfd)
            _, status = os.waitpid(pid, 0)
            connection.sendall(json.dumps({"ended": pid, "code": os.waitstatus_to_exitcode(status)}).encode() + b"\n")
        if connection in ready:
            header = connection.recv(4, socket.MSG_WAITALL)
            if not header:
                return
            _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
            request = json.loads(connection.recv(int.from_bytes(header, "big"), socket.MSG_WAITALL))
            pid = os.fork()
            if pid == 0:
                connection.close()
                for pidfd in running:
                    os.close(pidfd)
                become_trainer(request, list(descriptors))
            for descriptor in descriptors:
                os.close(descriptor)
            running[os.pidfd_open(pid)] = pid
            connection.sendall(json.dumps({"pid": pid}).encode() + b"\n")


def become_trainer(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Be the process that ``python -m tasks.training.worker ARGUMENTS`` would be."""
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv[1:] = request["arguments"]
    from tasks.training.worker import __main__
    from tasks.training.worker.runtime.process import leave

    try:
        leave(__main__.process_exit_code(__main__.main()))
    except SystemExit as error:  # argparse
        leave(error.code if isinstance(error.code, int) else 1)


def main() -> None:
    """Import what trainers import, then serve."""
    from tasks.training.worker.runtime.process import heavy_imports, quiet_libraries

    connection = socket.socket(fileno=int(sys.argv[1]))
    with tempfile.TemporaryDirectory() as folder:
        quiet_libraries(Path(folder))
        with heavy_imports():
            import tasks.training.worker.__main__
            import tasks.training.worker.loop.split_detection
            import tasks.training.worker.loop.training  # noqa: F401
        serve(connection)


if __name__ == "__main__":
    main()
