"""A proxy between the command and its server: it is named, and a server on this machine does not meet it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from deployments.local_stack import processes
from tasks.errors import NasflowError
from tasks.settings import StoreSettings
from tasks.storage.s3 import Store
from tests.fakes.proxy import refusing_proxy

NASFLOW = str(Path(sys.executable).with_name("nasflow"))
REMOTE = {"http": "http://prefect.example:4200/api", "https": "https://prefect.example/api"}


@pytest.fixture
def deploy(tmp_path):
    """Run ``nasflow deploy``, and give its error."""

    def deploy(**variables):
        private = ("PREFECT_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
        others = {name: value for name, value in os.environ.items() if not name.upper().startswith(private)}
        environment = {**others, "PREFECT_HOME": str(tmp_path), "PREFECT_CLIENT_MAX_RETRIES": "0", **variables}
        command = [NASFLOW, "deploy"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert "secret" not in done.stderr
        return done.stderr.strip().splitlines()[-1]

    return deploy


@pytest.mark.parametrize("code", [407, 502, 503, 403, 200])
def test_a_proxy_that_answers_for_the_server_is_named_with_the_remedy(deploy, code):
    with refusing_proxy(code) as (address, asked):
        error = deploy(PREFECT_API_URL=REMOTE["http"], HTTP_PROXY=f"http://me:secret@{address}")
    assert asked
    assert f"a proxy is in between: HTTP_PROXY names http://{address}; " in error
    assert "add prefect.example to NO_PROXY" in error


def test_a_proxy_that_refuses_a_tunnel_is_named(deploy):
    with refusing_proxy(407) as (address, asked):
        error = deploy(PREFECT_API_URL=REMOTE["https"], HTTPS_PROXY=f"http://me:secret@{address}")
    assert asked[0].startswith("CONNECT prefect.example:443")
    assert f"a proxy is in between: HTTPS_PROXY names http://{address}; " in error


def test_a_proxy_that_is_not_there_is_named(deploy):
    closed = processes.free_port()
    error = deploy(PREFECT_API_URL=REMOTE["http"], ALL_PROXY=f"http://me:secret@127.0.0.1:{closed}")
    assert f"a proxy is in between: ALL_PROXY names http://127.0.0.1:{closed}; " in error


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_on_this_machine_is_asked_directly(deploy, host):
    with refusing_proxy(502) as (address, asked):
        closed = processes.free_port()
        error = deploy(PREFECT_API_URL=f"http://{host}:{closed}/api", HTTP_PROXY=f"http://{address}")
    assert asked == []
    assert error.endswith("is PREFECT_API_URL right, and the server up?")
    assert "proxy" not in error


@pytest.mark.parametrize("code", [407, 502, 503, 403, 200])
def test_a_proxy_that_answers_for_the_store_is_named_with_the_remedy(monkeypatch, code):
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    settings = StoreSettings(
        endpoint="http://store.example:8333", bucket="b", access_key_id="key", secret_access_key=SecretStr("s3cret")
    )
    with refusing_proxy(code) as (address, asked):
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@{address}")
        with pytest.raises(NasflowError) as caught:
            Store(settings).answering_within(5).get("x")
    assert asked
    assert f"a proxy is in between: HTTP_PROXY names http://{address}; " in str(caught.value)
    assert "add store.example to NO_PROXY" in str(caught.value)
    assert "secret" not in str(caught.value)
