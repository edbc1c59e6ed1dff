"""Base job templates of the work pools: how a worker starts a flow run as a process, a container or a Kubernetes job.

The fields of docker and kubernetes are those of the workers of prefect-docker 0.7.4 and prefect-kubernetes 0.8.0.
They hold no secret, since Prefect stores and shows them.
"""

from typing import Any, Literal, get_args

PoolType = Literal["process", "docker", "kubernetes"]
POOL_TYPES: tuple[PoolType, ...] = get_args(PoolType)

GPU_POOL = "gpu"
IMAGES = {"default": "nasflow-control", "gpu": "nasflow-worker"}
SECRETS = {"default": "nasflow-control", "gpu": "nasflow-worker"}
"""Of Kubernetes, by pool."""
JOB_USER = 10001
"""The user nasflow of the images."""
CHECKPOINT_SECONDS = 120
"""How long a pod may take to end. A trainer that is asked to stop writes a checkpoint first."""

Template = dict[str, Any]


def template_of(pool: str, pool_type: PoolType) -> Template:
    """The base job template of a pool.

    Args:
        pool: Name of the pool; runs of ``gpu`` get a GPU.
        pool_type: What its workers are.

    Returns:
        ``job_configuration``, and the ``variables`` that deployments may set, with their defaults.
    """
    if pool_type == "docker":
        return _docker(pool)
    if pool_type == "kubernetes":
        return _kubernetes(pool)
    from prefect.workers.process import ProcessWorker

    return ProcessWorker.get_default_base_job_template()


def _docker(pool: str) -> Template:
    # What prefect-docker takes out of these keywords, such as memory and volumes, has fields of its own.
    keywords: dict[str, Any] = {"shm_size": "{{ shared_memory }}", "init": True, "read_only": True}
    # The check of the images asks a worker, and in the container of a run there is none.
    keywords["healthcheck"] = {"test": ["NONE"]}
    if pool == GPU_POOL:
        # Each worker has a GPU of its own, which the worker's environment names.
        keywords["device_requests"] = [
            {"driver": "nvidia", "device_ids": ["{{ $NASFLOW_GPU }}"], "capabilities": [["gpu"]]}
        ]
    configuration = {
        "command": "{{ command }}",
        "env": "{{ env }}",
        "labels": "{{ labels }}",
        "name": "{{ name }}",
        "image": "{{ image }}",
        "image_pull_policy": "{{ image_pull_policy }}",
        "networks": "{{ networks }}",
        "auto_remove": True,
        "volumes": "{{ volumes }}",
        "mem_limit": "{{ memory }}",
        "container_create_kwargs": keywords,
    }
    variables = {
        **_common_variables(pool),
        # Runs have the store and the settings of their worker; what a deployment sets comes on top. Prefect fills in
        # variables of the worker's environment here.
        "env": _environment({name: f"{{{{ ${name} }}}}" for name in _settings_of_workers()}),
        "networks": _list("Docker networks that containers join.", []),
        "volumes": _list("Volumes of containers; images are kept in /work from run to run.", ["nasflow-work:/work"]),
        "shared_memory": _text("Memory that loader processes share, such as 8g.", "8g"),
        "memory": _text("Limit of memory, such as 32g; empty for none.", None),
    }
    if pool == GPU_POOL:
        # The server wants each placeholder declared, also those of the environment.
        variables["$NASFLOW_GPU"] = _text("Not to be set here: the GPU of a worker, from its environment.", None)
    return {"job_configuration": configuration, "variables": {"type": "object", "properties": variables}}


def _settings_of_workers() -> list[str]:
    """Environment variables of nasflow, without paths, which are others in a container."""
    from tasks.settings import RoboflowSettings, StoreSettings, WorkSettings

    names = [
        f"{kind.model_config['env_prefix']}{name}".upper()
        for kind in (StoreSettings, RoboflowSettings, WorkSettings)
        for name in kind.model_fields
    ]
    return [name for name in names if name not in ("NASFLOW_WORK_DIR", "NASFLOW_STORE_CA_BUNDLE")]


def _kubernetes(pool: str) -> Template:
    variables = {
        **_common_variables(pool),
        # A pod that is evicted, or whose node is drained, gives its run back to Prefect, which starts it again.
        "env": _environment({"PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule"}),
        "namespace": _text("Namespace of the jobs.", "nasflow"),
        "annotations": {"type": "object", "title": "Annotations", "default": {}},
        # Each pool has its own: runs that train may not touch models.
        "secret": _text("Secret with the variables of the store, NASFLOW_STORE_...", SECRETS[pool]),
        "cpu": _text("Processor cores, such as 4.", "8" if pool == GPU_POOL else "2"),
        "memory": _text("Memory, such as 32Gi; shared memory counts.", "32Gi" if pool == GPU_POOL else "8Gi"),
        "shared_memory": _text("Memory that loader processes share, such as 8Gi.", "8Gi"),
        "disk": _text("Disk for runs in progress and fetched images, such as 100Gi.", "100Gi"),
        "node_selector": {"type": "object", "title": "Node selector", "default": {}},
        "tolerations": {"type": "array", "title": "Tolerations", "default": _tolerations(pool)},
        "grace_seconds": _number("Seconds that a pod may take to end, for a last checkpoint.", CHECKPOINT_SECONDS),
        "finished_job_seconds": _number("Seconds that finished jobs are kept.", 86_400),
    }
    if pool == GPU_POOL:
        variables["gpus"] = _number("GPUs of a run.", 1)
    configuration = {
        "command": "{{ command }}",
        "env": "{{ env }}",
        "labels": "{{ labels }}",
        "name": "{{ name }}",
        "annotations": "{{ annotations }}",
        "namespace": "{{ namespace }}",
        "job_manifest": _job_manifest(pool),
        # Images with CUDA are large.
        "pod_watch_timeout_seconds": 1800,
        "stream_output": False,
    }
    return {"job_configuration": configuration, "variables": {"type": "object", "properties": variables}}


def _job_manifest(pool: str) -> dict[str, Any]:
    pod = {
        # prefect-kubernetes wants these two here, and refuses a job without. Kubernetes takes no notice of them.
        "parallelism": 1,
        "completions": 1,
        "restartPolicy": "Never",
        "serviceAccountName": "nasflow-job",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": "{{ grace_seconds }}",
        "nodeSelector": "{{ node_selector }}",
        "tolerations": "{{ tolerations }}",
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": JOB_USER, "runAsGroup": JOB_USER, "fsGroup": JOB_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(pool)],
        "volumes": [
            {"name": "work", "emptyDir": {"sizeLimit": "{{ disk }}"}},
            {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "{{ shared_memory }}"}},
        ],
    }  # fmt: skip
    # Network policies select pods by these.
    labels = {"app.kubernetes.io/component": "nasflow-job", "nasflow-pool": pool}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": "{{ name }}-",
            "namespace": "{{ namespace }}",
            "labels": "{{ labels }}",
            "annotations": "{{ annotations }}",
        },
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": "{{ finished_job_seconds }}",
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _container(pool: str) -> dict[str, Any]:
    # Limits equal requests, so that no other pod takes what a run counts on. A GPU has no other way.
    resources = {"cpu": "{{ cpu }}", "memory": "{{ memory }}"}
    if pool == GPU_POOL:
        resources["nvidia.com/gpu"] = "{{ gpus }}"
    return {
        "name": "prefect-job",
        "image": "{{ image }}",
        "imagePullPolicy": "{{ image_pull_policy }}",
        "args": "{{ command }}",
        "env": "{{ env }}",
        "envFrom": [{"secretRef": {"name": "{{ secret }}"}}],
        "resources": {"requests": resources, "limits": dict(resources)},
        "securityContext": {
            "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "work", "mountPath": "/work"},
            {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108, a mount of the pod's own
        ],
    }  # fmt: skip


def _tolerations(pool: str) -> list[dict[str, str]]:
    """GPU nodes are often kept for those that ask for GPUs."""
    return [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}] if pool == GPU_POOL else []


def _common_variables(pool: str) -> dict[str, Any]:
    """Variables that Prefect's workers and deployments set, and the image."""
    return {
        "command": _text("Command of a run; empty for Prefect's own.", None),
        "env": _environment({}),
        "labels": {"type": "object", "title": "Labels", "default": {}},
        "name": _text("Name of what a run is started as; empty for the name of the run.", None),
        "image": _text("Image of nasflow, with registry, and tag or digest.", IMAGES[pool]),
        "image_pull_policy": _text("When the image is fetched: IfNotPresent, Always or Never.", "IfNotPresent"),
    }


def _environment(default: dict[str, str]) -> dict[str, Any]:
    description = "Environment variables of runs; what deployments set is added."
    return {
        "type": "object", "additionalProperties": {"type": "string"}, "description": description, "default": default,
    }  # fmt: skip


def _text(description: str, default: str | None) -> dict[str, Any]:
    kinds = {"type": "string"} if default is not None else {"anyOf": [{"type": "string"}, {"type": "null"}]}
    return {**kinds, "description": description, "default": default}


def _number(description: str, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "description": description, "default": default}


def _list(description: str, default: list[str]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description, "default": default}
