"""What threads log reaches the flow run that they belong to."""

import json
import os
import subprocess
import sys


def test_lines_of_threads_reach_their_flow_run_and_its_attempts_are_counted():
    """Lines of the lease's thread, and of threads that delete objects; Prefect warns of lines that have no flow run."""
    environment = {
        **os.environ, "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.1",
    }  # fmt: skip
    command = [sys.executable, "-W", "always", "-m", "tests.fakes.flow_with_lease"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stderr
    lines = json.loads(done.stdout.splitlines()[-1])
    assert len([line for line in lines if "not renewed, training goes on" in line]) == 2, lines
    assert len([line for line in lines if "signing in again" in line]) == 2, lines
    attempts = [line.split(", ")[1] for line in lines if line.startswith("holder: flow run ")]
    assert attempts == ["attempt 1", "attempt 2"]
    assert "without a flow run id" not in done.stderr
