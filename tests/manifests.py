"""Checks the Kubernetes manifests of infra/kubernetes, and the jobs of the work pools: ``python -m tests.manifests``.

kubernetes-validate knows which fields there are. The rules here are for values that it takes and Kubernetes refuses.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
KUBERNETES = "1.34"
NATIVE = {"cpu", "memory", "ephemeral-storage"}
EXTENDED = {"nvidia.com/gpu"}
"""Resources of device plugins, which are whole numbers, and whose limit is the request."""
CPU = re.compile(r"\d+(\.\d+)?|\d+m")
BYTES = re.compile(r"\d+(\.\d+)?([KMGTPE]i|[kMGTPE])?")
OF_PREFECT = ("parallelism", "completions")
"""prefect-kubernetes wants these in the pod, where Kubernetes has no such fields, and takes no notice of them."""

Manifest = dict[str, Any]


def faults_of(manifests: list[Manifest]) -> list[str]:
    """What is wrong with manifests that are applied together, each with the place and what to do."""
    accounts = {one["metadata"]["name"] for one in manifests if one["kind"] == "ServiceAccount"}
    faults = [fault for manifest in manifests for fault in _faults_of_one(manifest)]
    for manifest in manifests:
        for account in _accounts_of(manifest):
            if account not in accounts:
                faults.append(f"{_name(manifest)}: no ServiceAccount {account} here; add one, or correct the name")
    return faults


def job_of(pool: str) -> Manifest:
    """The job that a run of a pool of Kubernetes is started as, with the defaults of the pool's template."""
    from prefect.utilities.templating import apply_values

    from deployments.remote.pool_templates import template_of

    template = template_of(pool, "kubernetes")
    values = {name: one["default"] for name, one in template["variables"]["properties"].items()}
    # A worker makes this a list, and names command and run.
    values.update(env=[], name=f"run-of-{pool}", command=["prefect", "flow-run", "execute"])
    manifest: Manifest = apply_values(template["job_configuration"]["job_manifest"], values)
    for field in OF_PREFECT:
        del manifest["spec"]["template"]["spec"][field]
    return manifest


def _name(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata.get('name') or metadata.get('generateName')}"


def _pod_of(manifest: Manifest) -> Manifest | None:
    if manifest["kind"] == "Pod":
        pod: Manifest = manifest["spec"]
        return pod
    spec = manifest.get("spec") or {}
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return spec["template"]["spec"] if "template" in spec else None


def _accounts_of(manifest: Manifest) -> list[str]:
    pod = _pod_of(manifest) or {}
    named = [pod["serviceAccountName"]] if "serviceAccountName" in pod else []
    subjects = [one["name"] for one in manifest.get("subjects", []) if one["kind"] == "ServiceAccount"]
    return [*named, *subjects]


def _faults_of_one(manifest: Manifest) -> Iterator[str]:
    pod = _pod_of(manifest)
    if pod is None:
        return
    name = _name(manifest)
    if manifest["kind"] in ("Job", "CronJob") and pod.get("restartPolicy") not in ("Never", "OnFailure"):
        yield f"{name}: restartPolicy {pod.get('restartPolicy')}; a job takes Never or OnFailure"
    volumes = {one["name"]: one for one in pod.get("volumes", [])}
    for volume in volumes.values():
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if limit is not None and not BYTES.fullmatch(str(limit)):
            yield f"{name}: volume {volume['name']}: sizeLimit {limit}; write it as 8Gi"
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        place = f"{name}: container {container['name']}"
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"{place}: mounts {mount['name']}, which is no volume of the pod; add it to volumes"
        yield from _faults_of_resources(place, container.get("resources") or {})


def _faults_of_resources(place: str, resources: dict[str, dict[str, Any]]) -> Iterator[str]:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for part, amounts in (("requests", requests), ("limits", limits)):
        for name, amount in amounts.items():
            yield from _faults_of_amount(f"{place}: {part}: {name} {amount}", name, amount)
    for name in EXTENDED & (set(requests) | set(limits)):
        if name not in limits:
            yield f"{place}: {name} has a request and no limit; set the same limit"
        elif requests.get(name, limits[name]) != limits[name]:
            yield f"{place}: {name} has request {requests[name]} and limit {limits[name]}; make them equal"


def _faults_of_amount(place: str, name: str, amount: object) -> Iterator[str]:
    if name not in NATIVE | EXTENDED:
        yield f"{place}; no such resource, known are {', '.join(sorted(NATIVE | EXTENDED))}"
    elif name in EXTENDED and not re.fullmatch(r"\d+", str(amount)):
        yield f"{place}; a device is whole, write 1"
    elif name == "cpu" and not CPU.fullmatch(str(amount)):
        yield f"{place}; write it as 2 or 500m"
    elif name in NATIVE - {"cpu"} and not BYTES.fullmatch(str(amount)):
        yield f"{place}; write it as 8Gi"


def main() -> int:
    """Check all manifests, say what is wrong, and give the exit code."""
    import kubernetes_validate

    files = [path for path in sorted((ROOT / "infra/kubernetes").glob("*.yaml")) if "-values" not in path.name]
    manifests = [one for path in files for one in yaml.safe_load_all(path.read_text())]
    manifests += [job_of(pool) for pool in ("default", "gpu")]
    faults = []
    for manifest in manifests:
        try:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            faults.append(f"{_name(manifest)}: {'.'.join(map(str, error.path))}: {error.message}")
    faults += faults_of(manifests)
    for fault in faults:
        sys.stderr.write(f"error: {fault}\n")
    sys.stdout.write(f"{len(manifests)} manifests, {len(faults)} faults\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
