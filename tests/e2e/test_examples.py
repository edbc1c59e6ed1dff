"""The example of a call from a program, against a real server."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fakes.waiting import wait_for

CALL = Path(__file__).parents[2] / "examples" / "call.sh"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_call_starts_a_run_with_the_request(stack):
    environment = {**os.environ, **stack.environment, "no_proxy": "127.0.0.1,localhost"}
    done = subprocess.run([CALL], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads(done.stdout)["id"]
    assert wait_for(lambda: stack.state(run)[0] == "Running")
    request = stack.api(f"/flow_runs/{run}")["parameters"]["request"]
    assert (request["project"], request["export"]) == ("circles-and-squares", str(CALL.parent / "labels"))
    stack.api(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    assert stack.end(run)[0] == "Cancelled", stack.state(run)
