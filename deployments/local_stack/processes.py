"""Servers and workers as child processes of this one: starting them, stopping them, and their ports.

A child process ends with its parent, and is stopped by its own process id.
"""

import ctypes
import os
import random
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path

import psutil

HOST = "127.0.0.1"

# exec keeps the process id, and the signal that the kernel sends when the thread of the parent ends.
_TIED = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent has ended")
os.execv(sys.argv[2], sys.argv[2:])
"""


def start(
    command: list[str], log: Path | None, environment: Mapping[str, str], *, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a server. On Linux it is killed when the thread that called this ends, in whatever way.

    Args:
        command: Full path of the program, and arguments.
        log: File that its output is appended to; None for the stderr of this process.
        environment: All of its environment variables.
        cwd: Its working directory, or None for that of this process.

    Returns:
        The process.
    """
    with log.open("ab") if log else nullcontext(sys.stderr) as output:
        return subprocess.Popen(
            [sys.executable, "-S", "-c", _TIED, str(os.getpid()), *command],
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C in the terminal reaches the parent alone, which then stops its servers in order.
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End a process: by SIGTERM, and after ``seconds`` by SIGKILL."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent is killed, so that they are stopped with the rest. Linux only."""
    if sys.platform == "linux":
        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1)


def stop_descendants(seconds: float, *, keep: Collection[int]) -> None:
    """End all descendants of this process: by SIGTERM, and after ``seconds`` by SIGKILL.

    A Prefect worker does not end its flow runs on SIGTERM, so they get it, too.

    Args:
        seconds: How long they may take.
        keep: Process ids that are left alone.
    """
    family = [child for child in psutil.Process().children(recursive=True) if child.pid not in keep]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.terminate()
    _, alive = psutil.wait_procs(family, timeout=seconds)
    for member in alive:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(alive, timeout=seconds)


def free_port(preferred: int | None = None) -> int:
    """A free port of this machine: the preferred one if it is free, else any below those of outgoing connections."""
    if preferred is not None and is_free(preferred):
        return preferred
    return next(port for port in random.sample(range(10_000, 20_000), 1000) if is_free(port))


def is_free(port: int) -> bool:
    """Whether a server could listen on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def is_open(port: int) -> bool:
    """Whether any process listens on this port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether this process listens on a port."""
    with suppress(psutil.Error):
        connections = psutil.Process(process.pid).net_connections("tcp")
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port for connection in connections
        )
    return False


def publish_private(path: Path, text: str) -> None:
    """Write a file that only this user may read, whole or not at all."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
