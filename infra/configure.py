"""Makes what a control plane needs, with new secrets. It needs Python alone, no nasflow.

    python3 infra/configure.py compose HOST
    python3 infra/configure.py systemd HOST

HOST is the name by which browsers and workers reach this machine. The first one writes beside compose.yaml, the
second one into /etc/nasflow. Each NAME.env.example becomes NAME.env, and identities.json is what the store reads.
Nothing of an earlier call is replaced, since its secrets may be in use.
"""

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

INFRA = Path(__file__).parent
FOLDERS = {"compose": INFRA / "compose", "systemd": Path("/etc/nasflow")}
IDENTITIES = "identities.json"
BUCKET = "nasflow"
NEW = ".new-"


def main() -> None:
    """Make the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=list(FOLDERS))
    parser.add_argument("host", metavar="HOST")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="another folder")
    given = parser.parse_args()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", given.host):
        parser.error(
            f"{given.host!r} is no name of a machine; say it alone, such as nasflow.example.org, without https://"
        )
    folder = given.to or FOLDERS[given.way]
    texts = all_texts(INFRA / given.way, given.host)
    try:
        # The files are of their owner alone; certificates that others read may lie beside them.
        folder.mkdir(parents=True, exist_ok=True)
        publish(texts, folder)
    except FileExistsError:
        parser.error(what_is_there(texts, folder))
    except OSError as error:
        parser.error(f"{folder}: {error.strerror}; call it as a user who may write there, or say --to FOLDER")
    sys.stdout.write(f"wrote {', '.join(texts)} in {folder}; they hold all secrets, and no backup has them\n")


def all_texts(examples: Path, host: str) -> dict[str, str]:
    """Content of all files by name.

    Args:
        examples: Folder with the examples of this way; those of both are here.
        host: What ``$HOST`` in them stands for.
    """
    # The examples have no prefix; without the option, render.py takes that of the caller's environment.
    command = [sys.executable, str(INFRA / "policies" / "render.py"), "seaweedfs", "--bucket", BUCKET, "--prefix="]
    identities = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    values = new_values(host, identities)
    return {IDENTITIES: identities} | {
        path.name.removesuffix(".example"): Template(path.read_text()).substitute(values)
        for folder in (examples, INFRA)
        for path in sorted(folder.glob("*.env.example"))
    }


def new_values(host: str, identities: str) -> dict[str, str]:
    """What the examples are filled with."""
    keys = {one["name"].removeprefix("nasflow-"): one["credentials"][0] for one in json.loads(identities)["identities"]}
    return {
        "HOST": host,
        "PREFECT_PASSWORD": secrets.token_urlsafe(24),
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "SIGNING_KEY": secrets.token_hex(24),
        "ADMINISTRATOR_KEY_ID": secrets.token_hex(10),
        "ADMINISTRATOR_SECRET": secrets.token_urlsafe(30),
        **{f"{role.upper()}_KEY_ID": key["accessKey"] for role, key in keys.items()},
        **{f"{role.upper()}_SECRET": key["secretKey"] for role, key in keys.items()},
    }


def publish(texts: dict[str, str], folder: Path) -> None:
    """Write files that only this user may read, and replace none.

    Args:
        texts: Content by name. Of two calls at once, the one that writes the first of them writes all.
        folder: Where.

    Raises:
        FileExistsError: One of them is there.
    """
    if any((folder / name).exists() for name in texts):
        raise FileExistsError
    with TemporaryDirectory(dir=folder, prefix=NEW) as made:
        new = Path(made)
        for name, text in texts.items():
            (new / name).touch(0o600)
            with (new / name).open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for name in texts:
            (folder / name).hardlink_to(new / name)  # fails if the name is taken


def what_is_there(texts: dict[str, str], folder: Path) -> str:
    """Why nothing was written, and what to remove."""
    there = [name for name in texts if (folder / name).exists()]
    missing = [name for name in texts if name not in there]
    why = f", but not {', '.join(missing)}: an earlier call was ended midway, or is at work" if missing else ""
    remove = [*there, *(path.name for path in sorted(folder.glob(f"{NEW}*")))]
    return f"{', '.join(there)}: there already{why}; for new secrets, remove {' '.join(remove)} in {folder}"


if __name__ == "__main__":
    main()
