"""Runs on a worker's machine in its environment: requests to the store with the worker's keys.

The argument is JSON, a list of operation, key, and whether it is signed. The answer is JSON: the code of each refusal,
or null.
"""

import json
import sys
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tasks.settings import StoreSettings


def main():
    """Try each."""
    settings = StoreSettings()

    common: dict[str, Any] = {
        "service_name": "s3", "endpoint_url": settings.endpoint, "region_name": settings.region,
        "verify": settings.ca_bundle, "aws_access_key_id": settings.access_key_id,
        "aws_secret_access_key": settings.secret_access_key.get_secret_value(),
    }  # fmt: skip
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    unsigned = config.merge(Config(signature_version=UNSIGNED))
    clients: dict[bool, Any] = {
        True: boto3.client(config=config, **common), False: boto3.client(config=unsigned, **common),
    }  # fmt: skip
    answers: list[str | None] = []
    for operation, key, is_signed in json.loads(sys.argv[1]):
        where = {"Bucket": key} if operation.endswith("bucket") else {"Bucket": settings.bucket, "Key": key}
        content = {"Body": b"rehearsal"} if operation == "put_object" else {}
        try:
            getattr(clients[is_signed], operation)(**where, **content)
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])
        else:
            answers.append(None)
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
