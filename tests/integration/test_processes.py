"""Servers as child processes: which of them listens on a port."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from deployments.local_stack import processes

PARENT = """
import os, subprocess, sys, time
import psutil
from deployments.local_stack import processes
processes.adopt_orphans()
code = "import subprocess, time; subprocess.Popen(['sleep', '600']); time.sleep(600)"
worker, kept = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
while not (flow_runs := psutil.Process(worker.pid).children()):
    time.sleep(0.05)
worker.kill()
worker.wait()
print(flow_runs[0].pid, kept.pid, flush=True)
sys.stdin.readline()
processes.stop_descendants(10, keep={kept.pid, *(child.pid for child in psutil.Process(kept.pid).children())})
print(flow_runs[0].is_running(), kept.poll(), flush=True)
processes.stop_descendants(10, keep=())
print(psutil.Process().children(), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to an ancestor")
def test_what_a_killed_process_leaves_behind_is_stopped_with_the_rest():
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=pipe, stdout=pipe, text=True) as parent:
        orphan, kept = map(int, parent.stdout.readline().split())
        # It works on, like a flow run whose worker was killed.
        assert psutil.Process(orphan).parent().pid == parent.pid
        assert parent.communicate("\n")[0].splitlines() == ["False None", "[]"]
    assert not psutil.pid_exists(orphan)
    assert not psutil.pid_exists(kept)


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
