"""What a round leaves in the store."""

import re
from collections import Counter

import boto3

from tasks.promotion.aliases import find_alias
from tasks.promotion.registry import versions
from tasks.settings import StoreSettings
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store

PREFIX = "NASFLOW_STORE_"
DIGEST = re.compile(r"[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{16}(?=-)")
"""Digests of content, and ids of flow runs."""


class RoundStore:
    """The store of a stack, emptied after each round, so that all rounds can train the same run.

    Args:
        environment: Variables of the stack, which name its store.
    """

    def __init__(self, environment):
        given = {name: value for name, value in environment.items() if name.startswith(PREFIX) and value}
        self._settings = settings = StoreSettings(
            **{name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
        )
        self._store = Store(settings)
        self._client = boto3.client(
            "s3", endpoint_url=settings.endpoint, region_name=settings.region,
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=settings.secret_access_key.get_secret_value(),
        )  # fmt: skip

    def list(self, prefix=""):
        """All keys below a prefix."""
        return list(self._store.list(prefix))

    def open_uploads(self):
        """Keys of multipart uploads that nobody has completed or aborted."""
        answer = self._client.list_multipart_uploads(Bucket=self._settings.bucket)
        return [upload["Key"] for upload in answer.get("Uploads", [])]

    def weights(self, run_key):
        """SHA-256 of a run's weights, or None before it is complete."""
        model = find_model(self._store, run_key)
        return model and model.weights.sha256

    def promotions(self, project):
        """How many versions a project has, and how often its champion was moved."""
        alias = find_alias(self._store, project, "champion")
        return len(versions(self._store, project)), len(alias.history) if alias else 0

    def kinds(self, project):
        """How many objects of each kind there are. What is named by content counts as one kind.

        Checkpoints are left out: how many epochs have one depends on how fast the machine is. Each flow run that ends
        writes its outcome, and faults ask for one run or two: outcomes count once.
        """
        names = [DIGEST.sub("#", key).replace(f"/{project}/", "/PROJECT/") for key in self.list()]
        outcomes = {name for name in names if name.startswith("outcomes/")}
        counted = (name for name in names if "/checkpoints/" not in name and name not in outcomes)
        return Counter(counted) + Counter(outcomes)

    def empty(self):
        """Remove everything. Only for the time between two rounds."""
        self._store.abort_uploads("")
        self._store.delete(self.list())
