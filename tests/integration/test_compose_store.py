"""The store of compose.yaml with the keys that infra/configure.py makes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deployments.local_stack.seaweed import Seaweed
from tasks.errors import NasflowError
from tasks.settings import StoreSettings
from tasks.storage import keys
from tasks.storage.s3 import Store

INFRA = Path(__file__).parents[2] / "infra"
RUN = keys.run_state("ab" * 32)
CARD = keys.model_card("pets", 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What infra/configure.py writes."""
    folder = tmp_path_factory.mktemp("compose")
    command = [sys.executable, str(INFRA / "configure.py"), "compose", "nasflow.example.org", "--to", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    with Seaweed(tmp_path_factory.mktemp("store"), identities=folder / "identities.json") as server:
        yield server


def store_of(server, folder, file):
    """The store as whoever has a file of variables reaches it."""
    values = dict(re.findall(r"^(\w+)=(.+)$", (folder / file).read_text(), re.MULTILINE))
    names = ("access_key_id", "secret_access_key")
    given = {name: values[f"NASFLOW_STORE_{name.upper()}"] for name in names}
    return Store(StoreSettings.model_validate({**server.settings().model_dump(), **given}))


def test_workers_write_runs_and_cannot_touch_models(server, folder):
    worker, control = store_of(server, folder, "worker.env"), store_of(server, folder, ".env")
    worker.put(RUN, b"{}")
    control.put(CARD, b"{}")
    assert worker.get(CARD)[0] == b"{}"
    for attempt in (lambda: worker.put(CARD, b"other"), lambda: worker.delete([CARD])):
        with pytest.raises(NasflowError, match="AccessDenied"):
            attempt()
    assert control.get(CARD)[0] == b"{}"


def test_people_send_labels_and_do_not_delete_models(server, folder):
    people = store_of(server, folder, "people.env")
    people.put(CARD, b"{}")
    people.put(keys.blob("ab" * 32), b"image")
    with pytest.raises(NasflowError, match="AccessDenied"):
        people.delete([CARD])


def test_compose_starts_the_store_as_the_local_stack_does(server):
    """Ports, folders and the address apart: else this file would try another store than Compose has."""
    command = yaml.safe_load((INFRA / "compose" / "compose.yaml").read_text())["services"]["store"]["command"]
    running = Path(f"/proc/{server.process.pid}/cmdline").read_text().rstrip("\0").split("\0")[1:]

    def kept(words):
        return {
            re.sub(r"^(-s3\.config)=.*", r"\1", word)
            for word in words
            if not re.match(r"-(dir|ip|.*port)=|-ip\.bind", word)
        }

    ports_off = {"-s3.port.iceberg=0", "-s3.port.lance=0"}
    assert ports_off <= set(command)
    assert ports_off <= set(running)
    assert kept(command) == kept(running)
