"""The policies of infra/policies name every prefix of the store, and nothing of a model to a worker."""

import fnmatch
import json
import re

import pytest

from tasks.storage import keys
from tests.fakes.store_roles import BUCKET, PREFIX, render

ARN = "arn:aws:s3:::"
SHA = "ab" * 32
LISTED = set(re.findall(r"^    (\w+)/", keys.__doc__ or "", re.MULTILINE))
"""First parts of all keys, as the package lists them."""


def policy(role, bucket=BUCKET, prefix=PREFIX):
    done = render(role, "--bucket", bucket, "--prefix", prefix)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def as_list(value):
    return value if isinstance(value, list) else [value]


def allows(document, action, resource):
    """Whether a policy allows this, as IAM decides: a denial wins."""
    effects = {
        statement["Effect"]
        for statement in document["Statement"]
        if any(fnmatch.fnmatchcase(action, pattern) for pattern in as_list(statement["Action"]))
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in as_list(statement["Resource"]))
    }
    return effects == {"Allow"}


def test_the_package_of_keys_lists_its_prefixes():
    assert {"datasets", "models", "runs", "probe", "outcomes"} <= LISTED


@pytest.mark.parametrize("part", sorted(LISTED))
def test_the_control_side_writes_every_prefix_and_a_worker_writes_runs_and_probes_alone(part):
    resource = f"{ARN}{BUCKET}/{PREFIX}{part}/x"
    assert allows(policy("control"), "s3:PutObject", resource)
    assert allows(policy("worker"), "s3:PutObject", resource) == (part in ("runs", "probe"))
    assert allows(policy("worker"), "s3:DeleteObject", resource) == (part in ("runs", "probe"))


@pytest.mark.parametrize("role", ["worker", "control"])
def test_nobody_may_delete_models_or_versions_or_change_the_bucket(role):
    document = policy(role)
    model = f"{ARN}{BUCKET}/{PREFIX}{keys.model_card('pets', 1)}"
    assert not allows(document, "s3:DeleteObject", model)
    actions = {action for statement in document["Statement"] for action in as_list(statement["Action"])}
    assert not any("*" in action or "Version" in action or action.startswith("s3:PutBucket") for action in actions)


def test_a_worker_does_not_hold_the_lease_of_housekeeping():
    lease = f"{ARN}{BUCKET}/{PREFIX}{keys.run_state(keys.HOUSEKEEPING)}"
    assert allows(policy("worker"), "s3:GetObject", lease)
    assert not allows(policy("worker"), "s3:PutObject", lease)
    assert allows(policy("control"), "s3:PutObject", lease)


@pytest.mark.parametrize(("prefix", "key"), [("", "runs/x"), ("a", "a/runs/x"), ("/a/b/", "a/b/runs/x")])
def test_a_prefix_means_what_it_means_in_the_settings(prefix, key):
    assert allows(policy("worker", prefix=prefix), "s3:PutObject", f"{ARN}{BUCKET}/{key}")
    assert not allows(policy("worker", prefix=prefix), "s3:PutObject", f"{ARN}{BUCKET}/x/{key}")


def test_bucket_and_prefix_come_from_the_settings_of_the_store():
    done = render("worker", NASFLOW_STORE_BUCKET="mine", NASFLOW_STORE_PREFIX="a/")
    assert json.loads(done.stdout) == policy("worker", "mine", "a/")


@pytest.mark.parametrize(
    ("arguments", "words"), [(["--bucket", "A"], "'A' is no name of a bucket"), (["--prefix", "a*"], "--prefix 'a*'")]
)
def test_what_would_mean_something_else_in_a_policy_is_refused(arguments, words):
    done = render("worker", "--bucket", BUCKET, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_each_configuration_for_seaweedfs_has_new_keys():
    first, second = (json.loads(render("seaweedfs", "--bucket", BUCKET).stdout) for _ in range(2))
    secrets = [one["credentials"][0]["secretKey"] for each in (first, second) for one in each["identities"]]
    assert len(set(secrets)) == 4
    assert min(map(len, secrets)) >= 40
    assert json.loads(first["policies"][0]["content"]) == policy("worker", prefix="")
