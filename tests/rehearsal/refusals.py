"""What a worker must not reach and must not do, tried from its machine. What it may is tried the same way."""

import base64
import json
import time
from pathlib import Path

from tests.rehearsal.network import NAME, listening

INSIDE = Path(__file__).parent / "inside"
OPEN = {443: "Prefect's API", 8333: "the store"}


def try_network(control, worker, others, outside, steps):
    """Try all ports of the control side, other workers, and what is outside.

    Args:
        control: The control side.
        worker: The worker whose machine tries.
        others: Further workers.
        outside: Addresses and ports that could be reached from this machine before, by name.
        steps: Takes a line for each.
    """
    ports = listening()
    tried = [
        *((f"{OPEN[port]}, port {port}", "connect", worker.link.control, port) for port in OPEN),
        *((f"{name}, port {port} of the control side", "connect", worker.link.control, port)
          for port, name in ports.items() if port not in OPEN),
        *((f"{other.name}, port 22", "connect", other.link.worker, 22) for other in others),
        *((name, "connect", address, port) for name, (address, port) in outside.items()),
        ("looking up a name", "look_up", "www.debian.org"),
    ]  # fmt: skip
    _try(worker, tried, steps, allowed=len(OPEN))


def try_api(control, worker, steps):
    """Ask Prefect's API with and without what it asks for."""
    url, authority = f"https://{NAME}/api/admin/version", worker.variables["SSL_CERT_FILE"]
    tried = [
        ("Prefect's API with the password", "request", url, authority, _basic(control.auth)),
        ("Prefect's API without a password", "request", url, authority, ""),
        ("Prefect's API with another password", "request", url, authority, _basic("fleet:another")),
        ("Prefect's API without the authority of its certificate", "request", url, None, _basic(control.auth)),
    ]
    _try(worker, tried, steps, allowed=1)


def try_store(control, worker, steps):
    """Write, read and delete in the store with the worker's keys, also what is there."""
    prefix, store = control.settings["worker"].prefix, control.store
    before = {key: store.get(key)[0] for key in store.list("models/") if key.endswith(".json")}
    alias = next(key for key in before if "/aliases/" in key)
    outcome = next(iter(store.list("outcomes/")))
    tried = [
        ("write a run", "put_object", f"{prefix}runs/rehearsal/file", True),
        ("read a model", "get_object", f"{prefix}{alias}", True),
        ("delete what it wrote", "delete_object", f"{prefix}runs/rehearsal/file", True),
        ("replace the champion", "put_object", f"{prefix}{alias}", True),
        ("delete the champion", "delete_object", f"{prefix}{alias}", True),
        ("add a model", "put_object", f"{prefix}models/other/1/card.json", True),
        ("write labels", "put_object", f"{prefix}datasets/snapshots/other.json", True),
        ("read an outcome", "get_object", f"{prefix}{outcome}", True),
        ("write outside its prefix", "put_object", "others/runs/file", True),
        ("read a run without a key", "get_object", f"{prefix}{next(iter(store.list('runs/')))}", False),
        ("make a bucket", "create_bucket", "another", True),
        ("delete the bucket", "delete_bucket", control.settings["worker"].bucket, True),
    ]
    began = time.monotonic()
    asked = json.dumps([rest for _, *rest in tried])
    done = worker.run(["python", "-", asked], text=(INSIDE / "store.py").read_text())
    assert done.returncode == 0, done.stderr
    answers = zip(tried, json.loads(done.stdout), strict=True)
    named = [(f"store: {name}", answer) for (name, *_), answer in answers]
    _tell(worker, named, steps, allowed=3, seconds=time.monotonic() - began)
    after = {key: store.get(key)[0] for key in store.list("models/") if key.endswith(".json")}
    with steps.step("models are as they were"):
        assert after == before


def _try(worker, tried, steps, *, allowed):
    began = time.monotonic()
    asked = json.dumps([rest for _, *rest in tried])
    done = worker.run(["/usr/bin/python3", "-", asked], text=(INSIDE / "reach.py").read_text())
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    named = [(name, answer) for (name, *_), answer in zip(tried, answers, strict=True)]
    _tell(worker, named, steps, allowed=allowed, seconds=time.monotonic() - began)


def _tell(worker, answers, steps, *, allowed, seconds):
    """Lines for what was tried; the first ones are allowed."""
    each = seconds / len(answers)
    for name, answer in answers[:allowed]:
        steps.add("FAILED" if answer else "OK", f"from {worker.name}: {name}", each, answer or "")
    for name, answer in answers[allowed:]:
        steps.refusal(f"from {worker.name}: {name}", answer, each)


def _basic(auth):
    return f"Basic {base64.b64encode(auth.encode()).decode()}"
