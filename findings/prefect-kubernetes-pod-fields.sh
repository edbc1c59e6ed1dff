#!/usr/bin/env bash
# prefect-kubernetes 0.8.0: whether the worker takes a job manifest depends on which values stand in unrelated fields.
#
# One would guess: the worker takes a manifest that is valid for Kubernetes, or refuses it for what it says. How many pods a
#   Job runs, at once and in all, is `parallelism` and `completions` of the Job's spec; without them it is one.
# Seen: the worker wants both fields, with the value 1, in the pod's spec, where its own default template has them and Kubernetes
#   has no such fields: kubernetes-validate in strict mode refuses them. A valid manifest without them there is refused as
#   incomplete, unless the value 1 stands in two other fields that the worker does not ask for. It compares by a JSON patch,
#   in which "remove 1 here, add 1 there" becomes one "move", and it looks at "add" and "replace" alone. With `parallelism: 1`
#   in the Job, `backoffLimit: 1` is taken, and with 2 `completions` is missing. Two pods in all are refused, and are
#   taken with `backoffLimit: 1` and `ttlSecondsAfterFinished: 1`.
# Why it matters: another number of attempts makes a manifest invalid, with an error about other fields. The remedy that the
#   error names does not pass a strict check of fields. And the rule, one pod for a flow run, is checked where nothing reads it.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check \
  prefect==3.9.1 prefect-kubernetes==0.8.0 jsonpatch==1.48 kubernetes-validate==1.37.0

export HOME=$here PREFECT_HOME=$here/prefect DO_NOT_TRACK=1
cd "$here"
"$here/venv/bin/python" - <<'PYTHON'
import copy
import sys
from importlib.metadata import version

import kubernetes_validate
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration
from pydantic import ValidationError

print(*(f"{one} {version(one)}" for one in ("prefect", "prefect-kubernetes", "jsonpatch", "kubernetes-validate")))


def worker(manifest):
    try:
        KubernetesWorkerJobConfiguration(command="true", job_manifest=copy.deepcopy(manifest))
    except ValidationError as error:
        return error.errors()[0]["msg"]
    return "taken"


def kubernetes(manifest):
    try:
        kubernetes_validate.validate(manifest, "1.37", strict=True)
    except kubernetes_validate.ValidationError as error:
        return error.message
    return "taken"


def manifest(spec, in_pod):
    pod = {"restartPolicy": "Never", "containers": [{"name": "prefect-job", "image": "python:3.11"}], **in_pod}
    spec = {**spec, "template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "one"}, "spec": spec}


one, two = ({"parallelism": count, "completions": count} for count in (1, 2))
cases = {
    "no count": (manifest({}, {}), False, True),
    "one pod, in the Job": (manifest(one, {}), True, True),
    "parallelism 1, backoffLimit 1": (manifest({"parallelism": 1, "backoffLimit": 1}, {}), True, True),
    "parallelism 1, backoffLimit 2": (manifest({"parallelism": 1, "backoffLimit": 2}, {}), False, True),
    "two pods": (manifest(two, {}), False, True),
    "two pods, and 1 twice": (manifest({**two, "backoffLimit": 1, "ttlSecondsAfterFinished": 1}, {}), True, True),
    "one pod, in the pod": (manifest({}, one), True, False),
}
changed = []
for name, (job, *expected) in cases.items():
    answers = worker(job), kubernetes(job)
    print(f"{name}:\n  worker:     {answers[0]}\n  Kubernetes: {answers[1]}")
    if [answer == "taken" for answer in answers] != expected:
        changed.append(name)
if changed:
    sys.exit(f"CHANGED: {', '.join(changed)}")
print("as described")
PYTHON
