"""A worker reaches Prefect's API and the store from its network, and nothing else: the rehearsal in short."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NEEDED = ("unshare", "nsenter", "ip", "caddy")


def lacking():
    """What this machine lacks for it, or an empty text."""
    if sys.platform != "linux" or os.getuid() != 0:
        return "only root on Linux can make networks"
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        return f"not installed: {', '.join(missing)}"
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return "not installed: PostgreSQL's server"
    cable = "unshare --mount --pid --net --fork ip link add one type veth peer name two"
    tried = subprocess.run(cable.split(), capture_output=True, check=False)
    return "" if tried.returncode == 0 else "no right to make networks"


def test_a_worker_reaches_the_api_and_the_store_and_nothing_else(tmp_path):
    if reason := lacking():
        pytest.skip(reason)
    file = tmp_path / "steps.json"
    command = [sys.executable, "-m", "tests.rehearsal", "--short", "--roots", str(tmp_path), "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    (steps,) = json.loads(file.read_text()).values()
    named = {
        outcome: " ".join(step["step"] for step in steps if step["outcome"] == outcome) for outcome in ("OK", "refused")
    }
    for allowed in ("Prefect's API, port 443", "the store, port 8333", "API with the password", "write a run"):
        assert allowed in named["OK"]
    for refused in (
        "caddy, port 2019", "postgres, port 5432", "prefect, port 4200", "worker-2", "looking up a name",
        "API without a password", "replace the champion", "delete the champion", "read a run without a key",
    ):  # fmt: skip
        assert refused in named["refused"]
    # SeaweedFS has ports of its own for its master, filer, volumes and administration, and for gRPC of each.
    assert len(re.findall(r"weed, port \d+", named["refused"])) >= 5
