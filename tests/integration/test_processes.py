"""Servers as child processes: which of them listens on a port."""

import os
import sys
import time

from deployments.local_stack import processes


def server(tmp_path, port):
    command = [sys.executable, "-m", "http.server", str(port), "--bind", processes.HOST]
    return processes.start(command, tmp_path / "log", os.environ, cwd=tmp_path)


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
        # The second server ends, and what listens on the port is the first one.
        second = server(tmp_path, port)
        assert second.wait(30) != 0
        assert processes.is_open(port)
        assert not processes.listens(second, port)
        assert processes.free_port(port) != port
    finally:
        processes.stop(first, 10)
    assert not processes.listens(first, port)
