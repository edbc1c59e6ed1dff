"""Makes what Compose needs for a control plane, with new secrets. It needs Python alone, no nasflow.

    python infra/compose/configure.py HOST

HOST is the name by which browsers and workers reach this machine. Beside this script appear identities.json and .env
for compose.yaml, worker.env for machines with GPUs, and people.env for the command. Nothing of an earlier call is
replaced, since its secrets may be in use.
"""

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(__file__).parent
RENDER = FOLDER.parent / "policies" / "render.py"
BUCKET = "nasflow"
ENVIRONMENTS = ("worker.env", "people.env", ".env")
"""Each is made of its example."""


def store_keys(text: str) -> dict[str, dict[str, str]]:
    """Access keys by role, from what SeaweedFS is given."""
    return {
        identity["name"].removeprefix("nasflow-"): {
            "NASFLOW_STORE_ACCESS_KEY_ID": identity["credentials"][0]["accessKey"],
            "NASFLOW_STORE_SECRET_ACCESS_KEY": identity["credentials"][0]["secretKey"],
        }
        for identity in json.loads(text)["identities"]
    }


def all_values(host: str, identities: str) -> dict[str, dict[str, str]]:
    """What each file of ENVIRONMENTS is filled with."""
    keys = store_keys(identities)
    access = {"NASFLOW_HOST": host, "PREFECT_AUTH": f"nasflow:{secrets.token_urlsafe(24)}"}
    return {
        ".env": {
            **access,
            **keys["control"],
            "POSTGRES_PASSWORD": secrets.token_hex(24),
            "SEAWEEDFS_SIGNING_KEY": secrets.token_hex(24),
            "STORE_ADMINISTRATOR_ACCESS_KEY_ID": secrets.token_hex(10),
            "STORE_ADMINISTRATOR_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
        },
        "worker.env": {**access, **keys["worker"]},
        "people.env": {
            **keys["control"],
            "PREFECT_API_URL": f"https://{host}/api",
            "PREFECT_API_AUTH_STRING": access["PREFECT_AUTH"],
            "NASFLOW_STORE_ENDPOINT": f"https://{host}:8333",
        },
    }


def filled(name: str, values: dict[str, str]) -> str:
    """The example of a file with its empty values filled in."""
    text = (FOLDER / f"{name}.example").read_text()
    return re.sub(r"^(\w+)=$", lambda line: f"{line[1]}={values.get(line[1], '')}", text, flags=re.MULTILINE)


def publish(texts: dict[str, str]) -> None:
    """Write files that only this user may read, and replace none.

    Args:
        texts: Content by name. Of two calls at once, the one that writes the first of them writes all.

    Raises:
        FileExistsError: One of them is there.
    """
    if any((FOLDER / name).exists() for name in texts):
        raise FileExistsError
    with TemporaryDirectory(dir=FOLDER, prefix=".new-") as made:
        new = Path(made)
        for name, text in texts.items():
            (new / name).touch(0o600)
            with (new / name).open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for name in texts:
            (FOLDER / name).hardlink_to(new / name)  # fails if the name is taken


def main() -> None:
    """Make the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", metavar="HOST")
    host = parser.parse_args().host
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", host):
        parser.error(
            f"{host!r} is no name of a machine; give that alone, such as nasflow.example.org, without https://"
        )
    names = ("identities.json", *ENVIRONMENTS)
    command = [sys.executable, str(RENDER), "seaweedfs", "--bucket", BUCKET]
    identities = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    values = all_values(host, identities)
    try:
        publish({"identities.json": identities, **{name: filled(name, values[name]) for name in ENVIRONMENTS}})
    except FileExistsError:
        there = ", ".join(name for name in names if (FOLDER / name).exists())
        parser.error(f"{there}: there already; for new secrets, remove {' '.join(names)} in {FOLDER}")
    except OSError as error:
        parser.error(f"{FOLDER}: {error.strerror}; call it as a user who may write there")
    sys.stdout.write(f"wrote {', '.join(names)} in {FOLDER}; they hold all secrets, and no backup has them\n")


if __name__ == "__main__":
    main()
