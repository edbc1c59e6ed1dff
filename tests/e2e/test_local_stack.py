"""The local stack when a process of it is killed, with a proxy in the environment that answers for nobody."""

import json
import os
import shutil
import subprocess
import sys

import psutil
import pytest

from deployments.local_stack import processes
from tasks.storage.s3 import Store
from tests.e2e.stack import LocalStack
from tests.fakes.measured_labels import measured_labels
from tests.fakes.proxy import refusing_proxy
from tests.fakes.waiting import wait_for

KINDS = {
    "the worker of pool default": ["worker", "start", "--pool", "default"],
    "the worker of pool gpu": ["worker", "start", "--pool", "gpu"],
    "the Prefect server": ["uvicorn", "deployments.local_stack.prefect_app:create_app"],
    "the object store": ["mini"],
}


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    """A stack with a proxy in its environment and no NO_PROXY, and the requests that the proxy gets."""
    with refusing_proxy(502) as (address, asked), pytest.MonkeyPatch.context() as environment:
        for name in ("no_proxy", "NO_PROXY"):
            environment.delenv(name, raising=False)
        variables = {"HTTP_PROXY": f"http://{address}", "http_proxy": f"http://{address}"}
        with LocalStack(tmp_path_factory.mktemp("stack"), **variables) as running:
            yield running, asked


def find_process(stack, words):
    """The process of the stack with these words in its command, or None."""
    for child in psutil.Process(stack.process.pid).children():
        try:
            command = child.cmdline()
        except psutil.Error:
            continue
        if all(word in command for word in words):
            return child
    return None


def log_lines(stack, name):
    return [line for line in (stack.folder / "up.log").read_text().splitlines() if line.startswith(name)]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", KINDS)
def test_a_killed_process_is_started_again_with_the_same_address(proxied, name):
    stack, _ = proxied
    killed = wait_for(lambda: find_process(stack, KINDS[name]))
    killed.kill()
    again = wait_for(lambda: (found := find_process(stack, KINDS[name])) and found.pid != killed.pid and found)
    (line,) = wait_for(lambda: log_lines(stack, name))
    assert "was killed by signal 9; starting it again in 1 s; see " in line
    assert stack.process.poll() is None
    port = {
        "the Prefect server": stack.addresses["ui"],
        "the object store": stack.environment["NASFLOW_STORE_ENDPOINT"],
    }
    if name in port:
        wait_for(lambda: processes.is_open(int(port[name].rpartition(":")[2])))
    assert again.is_running()


@pytest.mark.timeout(1800)
def test_a_run_that_is_asked_for_afterwards_completes(proxied, tmp_path, monkeypatch):
    stack, _ = proxied
    wait_for(lambda: answers(stack))
    for name, value in stack.environment.items():
        if name.startswith("NASFLOW_STORE_"):
            monkeypatch.setenv(name, value)
    labels = measured_labels(Store.from_environment(), tmp_path, 1)
    done = stack.nasflow("retrain", "--export", str(labels), "--project", "afterwards", "--seed", "1")
    assert (done["flow_run_state"], done["model"]["alias"]) == ("Completed", "champion")


def answers(stack):
    try:
        return stack.api("/health")
    except OSError:
        return None


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_shell_with_a_proxy_reaches_the_stack_too(proxied):
    stack, _ = proxied
    script = f'. {stack.folder}/env.sh; curl -sS "$PREFECT_API_URL/health"'
    environment = {**os.environ, **stack.variables}
    done = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (0, True), done.stderr


def test_no_request_to_a_server_of_this_machine_met_the_proxy(proxied):
    _, asked = proxied
    assert [line for line in asked if processes.HOST in line or "localhost" in line] == []


OTHER_PORT = """
import json, socket, sys, time, urllib.request
from pathlib import Path
from deployments.local_stack import processes
from deployments.local_stack.stack import Stack

free_port = processes.free_port

def take_first_port(*wanted):
    # Another program takes the port between the look and the server's start.
    processes.free_port = free_port
    port = free_port(*wanted)
    taken.append(socket.create_server((processes.HOST, port)))
    return port

taken = []
processes.free_port = take_first_port
with Stack(Path(sys.argv[1]), print) as stack:
    assert stack.ui.rpartition(":")[2] != str(taken[0].getsockname()[1])
    with urllib.request.urlopen(stack.ui + "/api/deployments/name/retrain/retrain", timeout=60) as answer:
        print("registered", json.load(answer)["name"])
"""


def test_a_server_whose_port_another_program_took_meanwhile_goes_to_another_one_with_all_deployments(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "NASFLOW_"))}
    command = [sys.executable, "-c", OTHER_PORT, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "registered retrain"
