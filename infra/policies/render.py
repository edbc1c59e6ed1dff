"""The store policies for a bucket and prefix, as JSON on stdout. It needs Python alone, no nasflow.

    python infra/policies/render.py worker --bucket BUCKET --prefix PREFIX > worker-policy.json

Without options, bucket and prefix are those of NASFLOW_STORE_BUCKET and NASFLOW_STORE_PREFIX.
"""

import argparse
import json
import os
import re
import secrets
import sys
from pathlib import Path
from string import Template
from typing import Any

FOLDER = Path(__file__).parent
ROLES = ("worker", "control")


def rendered(name: str, bucket: str, prefix: str) -> dict[str, Any]:
    """A file of this folder for a bucket.

    Args:
        name: Name of the file without .json.
        bucket: Name of the bucket.
        prefix: What comes before each key; slashes around it do not matter.

    Returns:
        Its content.
    """
    prefix = f"{stripped}/" if (stripped := prefix.strip("/")) else ""
    text = Template((FOLDER / f"{name}.json").read_text()).substitute(bucket=bucket, prefix=prefix)
    document: dict[str, Any] = json.loads(text)
    return document


def seaweedfs(bucket: str, prefix: str) -> dict[str, Any]:
    """What SeaweedFS reads with -s3.config: both roles, with new keys, and their policies."""
    names = {role: f"nasflow-{role}" for role in ROLES}
    identities = [
        {
            "name": names[role],
            "credentials": [{"accessKey": secrets.token_hex(10), "secretKey": secrets.token_urlsafe(30)}],
            "policyNames": [names[role]],
        }
        for role in ROLES
    ]
    policies = [{"name": names[role], "content": json.dumps(rendered(role, bucket, prefix))} for role in ROLES]
    return {"identities": identities, "policies": policies}


def main() -> None:
    """Print what the arguments ask for."""
    parser = argparse.ArgumentParser(description="Print a store policy of nasflow for your bucket, as JSON.")
    parser.add_argument("what", choices=[*ROLES, "lifecycle", "seaweedfs"])
    parser.add_argument("--bucket", default=os.environ.get("NASFLOW_STORE_BUCKET", ""), help="name of the bucket")
    parser.add_argument("--prefix", default=os.environ.get("NASFLOW_STORE_PREFIX", ""), help="before each key")
    given = parser.parse_args()
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", given.bucket):
        parser.error(f"{given.bucket!r} is no name of a bucket; give --bucket, or set NASFLOW_STORE_BUCKET")
    if not re.fullmatch(r"[\w./-]*", given.prefix):
        parser.error(f"--prefix {given.prefix!r} has characters that mean something in a policy; choose another one")
    if given.what == "seaweedfs":
        document = seaweedfs(given.bucket, given.prefix)
    else:
        document = rendered(given.what, given.bucket, given.prefix)
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
