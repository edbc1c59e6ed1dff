"""A real store whose worker and control side have keys of their own, with the policies that infra/policies renders."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from deployments.local_stack.processes import publish_private
from deployments.local_stack.seaweed import Seaweed
from tasks.settings import StoreSettings

RENDER = Path(__file__).parents[2] / "infra" / "policies" / "render.py"
BUCKET, PREFIX = "fleet", "vision/"
ROLES = ("worker", "control")


def render(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    return subprocess.run(
        [sys.executable, str(RENDER), *arguments], capture_output=True, text=True, check=False, env=environment
    )


@contextmanager
def store_with_roles(folder: Path) -> Iterator[dict[str, StoreSettings]]:
    """Settings of the store as each role has them, and as an administrator of the whole bucket has them."""
    config = render("seaweedfs", "--bucket", BUCKET, "--prefix", PREFIX)
    assert config.returncode == 0, config.stderr
    publish_private(folder / "identities.json", config.stdout)
    keys_of = {one["name"]: one["credentials"][0] for one in json.loads(config.stdout)["identities"]}
    with Seaweed(folder / "store", bucket=BUCKET, identities=folder / "identities.json") as server:
        settings = {"administrator": server.settings()}
        for role in ROLES:
            credentials = keys_of[f"nasflow-{role}"]
            settings[role] = server.settings().model_copy(
                update={
                    "prefix": PREFIX,
                    "access_key_id": credentials["accessKey"],
                    "secret_access_key": SecretStr(credentials["secretKey"]),
                }
            )
        yield settings


def store_variables(settings: StoreSettings) -> dict[str, str]:
    """The environment variables that name a store."""
    values = settings.model_dump(exclude={"secret_access_key", "ca_bundle"}, exclude_none=True)
    secret = settings.secret_access_key.get_secret_value()
    return {f"NASFLOW_STORE_{name}".upper(): str(v) for name, v in {**values, "secret_access_key": secret}.items()}
