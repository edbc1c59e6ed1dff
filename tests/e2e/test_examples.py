"""The example of a call from a program, against a real server."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.stack import wait_for

CALL = Path(__file__).parents[2] / "examples" / "call.sh"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_call_asks_for_a_run_that_publishes_a_model(stack):
    environment = {**os.environ, **stack.environment, "no_proxy": "127.0.0.1,localhost"}
    done = subprocess.run([CALL], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads(done.stdout)["id"]
    name, message = wait_for(
        lambda: (state := stack.state(run))[0] in ("Completed", "Failed", "Crashed") and state, 480
    )
    assert name == "Completed", message
    models = stack.nasflow("models", "list", "--project", "circles-and-squares")["models"]
    assert [model["version"] for model in models] == [1]
