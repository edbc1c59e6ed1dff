"""Values in Kubernetes manifests that a validator of fields lets pass, and Kubernetes does not."""

import pytest

from tests.manifests import faults_of


def job(resources=None, **pod):
    container = {"name": "trainer", "image": "nasflow-worker", "resources": resources or {}}
    spec = {"restartPolicy": "Never", "containers": [container], **pod}
    return {"kind": "Job", "metadata": {"name": "train"}, "spec": {"template": {"spec": spec}}}


def gpu(requests, limits):
    return job({
        "requests": {} if requests is None else {"nvidia.com/gpu": requests},
        "limits": {} if limits is None else {"nvidia.com/gpu": limits},
    })  # fmt: skip


@pytest.mark.parametrize(
    "manifest",
    [
        job(),
        gpu(1, 1),
        gpu("2", "2"),
        gpu(None, 1),  # Kubernetes takes the limit as the request
        job({"limits": {"cpu": "500m", "memory": "8Gi", "ephemeral-storage": "1.5G"}}),
        job({"limits": {"cpu": 0.5, "memory": 1024}}),
        job(volumes=[{"name": "work", "emptyDir": {"sizeLimit": "10Gi"}}]),
    ],
)
def test_what_kubernetes_takes_has_no_fault(manifest):
    assert faults_of([manifest]) == []


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (gpu(1, None), "has a request and no limit"),
        (gpu(1, 2), "has request 1 and limit 2; make them equal"),
        (gpu(0.5, 0.5), "a device is whole"),
        (gpu("500m", "500m"), "a device is whole"),
        (job({"limits": {"nvidia.com/gpus": 1}}), "no such resource"),
        (job({"limits": {"gpu": 1}}), "no such resource"),
        (job({"limits": {"memory": "8GB"}}), "memory 8GB; write it as 8Gi"),
        (job({"requests": {"memory": "400m"}}), "memory 400m; write it as 8Gi"),
        (job({"limits": {"cpu": "2 cores"}}), "write it as 2 or 500m"),
        (job(restartPolicy="Always"), "a job takes Never or OnFailure"),
        (job(volumes=[{"name": "shm", "emptyDir": {"sizeLimit": "8GB"}}]), "sizeLimit 8GB"),
        (job(serviceAccountName="nobody"), "no ServiceAccount nobody"),
    ],
)
def test_what_kubernetes_refuses_is_said_with_its_place(manifest, said):
    faults = faults_of([manifest])
    assert faults
    assert all(fault.startswith("Job train: ") for fault in faults)
    assert any(said in fault for fault in faults)


def test_a_mount_without_its_volume_is_a_fault():
    manifest = job()
    manifest["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "work", "mountPath": "/work"}]
    assert faults_of([manifest]) == [
        "Job train: container trainer: mounts work, which is no volume of the pod; add it to volumes"
    ]


def test_an_account_of_a_binding_has_to_be_there():
    account = {"kind": "ServiceAccount", "metadata": {"name": "worker"}}
    binding = {
        "kind": "RoleBinding", "metadata": {"name": "b"}, "subjects": [{"kind": "ServiceAccount", "name": "worker"}],
    }  # fmt: skip
    assert faults_of([account, binding]) == []
    assert faults_of([binding]) == ["RoleBinding b: no ServiceAccount worker here; add one, or correct the name"]
