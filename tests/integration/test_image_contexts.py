"""What the Docker client sends for an image: all that nasflow needs, and no key that lies beside the sources."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fakes.docker_daemon import build_context

ROOT = Path(__file__).parents[2]
KEY = "AKIA-planted-key"
PLANTED = [
    ".env", ".git/config", ".venv/bin/key.py", "nasflow-local/env.sh", "credentials.json", "server.pem",
    "deployments/.env", "deployments/cli/key.json", "flows/store.env", "tasks/training/.netrc",
    "infra/compose/.env", "infra/compose/worker.env", "infra/compose/identities.json", "infra/images/key",
    "infra/requirements/pip.conf", "tests/key.py",
]  # fmt: skip

pytestmark = pytest.mark.skipif(
    shutil.which("docker") is None, reason="no docker client here; its daemon is not needed"
)


def tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of the tracked files, with keys beside them."""
    folder = tmp_path_factory.mktemp("sources")
    for name in [*tracked(), ".dockerignore"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    for name in PLANTED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(KEY)
    return folder


@pytest.mark.parametrize("image", ["control", "worker"])
def test_a_context_has_what_nasflow_needs_and_no_key(sources, image, tmp_path):
    dockerfile = f"infra/images/{image}.Dockerfile"
    sent = build_context(sources, dockerfile, {**os.environ, "HOME": str(tmp_path)})
    assert [name for name, content in sent.items() if KEY.encode() in content] == []
    needed = {name for name in tracked() if name.startswith(("deployments/", "flows/", "tasks/"))}
    locks = {f"infra/requirements/{name}.txt" for name in ("all", "build", "control")}
    scripts = {"infra/images/install.sh", "infra/images/system.sh"}
    own = {".dockerignore", dockerfile}  # the client adds these for the daemon
    others = {"pyproject.toml", "README.md", "LICENSE", "NOTICE"}
    assert set(sent) == needed | locks | scripts | own | others
