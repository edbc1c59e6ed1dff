"""SeaweedFS as the local store: what a restart keeps, how it ends, and what is said when it does not start."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deployments.local_stack.seaweed import Seaweed
from tasks.errors import NotInStore, ServerProblem
from tasks.storage.s3 import Store

PARENT = """
import sys, time
from pathlib import Path
from deployments.local_stack.seaweed import Seaweed
with Seaweed(Path(sys.argv[1])) as server:
    print(server._process.pid, flush=True)
    time.sleep(60)
"""


def test_data_credentials_and_address_outlive_a_restart(tmp_path):
    with Seaweed(tmp_path, bucket="mine") as server:
        first = server.environment()
        Store(server.settings()).put("kept", b"here")
        os.kill(server._process.pid, signal.SIGKILL)
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600
    with Seaweed(tmp_path, bucket="mine") as server:
        assert server.environment() == first
        assert Store(server.settings()).get("kept")[0] == b"here"
        os.kill(server._process.pid, signal.SIGKILL)
    (tmp_path / "ports.json").unlink()
    with Seaweed(tmp_path, bucket="mine") as server:
        assert server.environment()["NASFLOW_STORE_ENDPOINT"] != first["NASFLOW_STORE_ENDPOINT"]
        assert Store(server.settings()).get("kept")[0] == b"here"
        with pytest.raises(NotInStore):
            Store(server.settings()).get("other")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends child processes with their parent")
def test_the_server_dies_with_a_killed_parent(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    server = int(parent.stdout.readline())
    assert Path(f"/proc/{server}/cmdline").read_bytes().split(b"\0")[1] == b"mini"
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{server}/cmdline").exists() and Path(f"/proc/{server}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_that_does_not_start_is_one_line_with_its_log(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "filerldb2").write_text("not a folder")
    with pytest.raises(ServerProblem, match=r"SeaweedFS ended while starting; the reason is in .*weed\.log"):
        Seaweed(tmp_path).__enter__()
    assert (tmp_path / "weed.log").stat().st_size


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(ServerProblem, match="no use as the store's folder"):
        Seaweed(tmp_path).__enter__()


def test_a_missing_program_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ServerProblem, match=r"no SeaweedFS at .*/weed; run `make setup`"):
        Seaweed(tmp_path).__enter__()
