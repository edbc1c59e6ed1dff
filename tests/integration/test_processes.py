"""Servers as child processes: which one it is that answers on a port, and how it shares the processor."""

import os
import sys
import time
from pathlib import Path

import psutil

from deployments import processes
from tasks.priority import BESIDE_TRAINING


def server(tmp_path, port, nice=0):
    command = [sys.executable, "-m", "http.server", str(port), "--bind", processes.HOST]
    return processes.start(command, tmp_path / "log", os.environ, cwd=tmp_path, nice=nice)


def test_a_port_is_known_by_the_process_that_listens_on_it(tmp_path):
    port = processes.free_port()
    first = server(tmp_path, port)
    try:
        for _ in range(100):
            if processes.listens(first, port):
                break
            time.sleep(0.1)
        assert processes.listens(first, port)
        assert not processes.is_free(port)
        # Whoever comes second ends, and what answers is not it.
        second = server(tmp_path, port)
        assert second.wait(30) != 0
        assert processes.is_open(port)
        assert not processes.listens(second, port)
        assert processes.free_port(port) != port
    finally:
        processes.stop(first, 10)
    assert not processes.listens(first, port)


def test_a_server_gives_way_as_it_is_told(tmp_path):
    port = processes.free_port()
    given = server(tmp_path, port, nice=BESIDE_TRAINING)
    try:
        while not processes.listens(given, port):
            assert given.poll() is None
            time.sleep(0.1)
        assert psutil.Process(given.pid).nice() == psutil.Process().nice() + BESIDE_TRAINING
        session = Path(f"/proc/{given.pid}/autogroup")  # on Linux where sessions share the processor
        assert not session.exists() or session.read_text().endswith(f" nice {BESIDE_TRAINING}\n")
    finally:
        processes.stop(given, 10)
