"""Secrets of a rehearsal, looked for where they must not be."""

import json
import threading
from contextlib import suppress
from pathlib import Path

PAUSE_SECONDS = 0.5
PAGE = 200
SHOWN = (
    "flow_runs", "task_runs", "artifacts", "logs", "deployments", "work_pools", "variables", "automations",
    "block_documents",
)  # fmt: skip
"""What Prefect's API lists, besides events."""


class ProcessList:
    """Looks at the process list all the time, as a context manager. It may miss commands that live for a moment.

    Args:
        secrets: What must not be in it, by name.

    Attributes:
        commands: How many different command lines were seen.
        found: Secrets that were seen, with the program.
    """

    def __init__(self, secrets):
        self._secrets = secrets
        self._seen = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.found = set()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    @property
    def commands(self):
        return len(self._seen)

    def _watch(self):
        while not self._ended.wait(PAUSE_SECONDS):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    self._seen.add(path.read_bytes())
            for command in self._seen.copy():
                for name, secret in list(self._secrets.items()):
                    if secret.encode() in command:
                        self.found.add(f"{name} in the command of {command.split(bytes(1))[0].decode()}")


def in_files(secrets, files):
    """Secrets that are in files.

    Args:
        secrets: Values by name.
        files: Paths.

    Returns:
        Where they are, and how many bytes were searched.
    """
    found, size = [], 0
    for path in files:
        content = path.read_bytes()
        size += len(content)
        found += [f"{name} in {path.name}" for name, secret in secrets.items() if secret.encode() in content]
    return found, size


def in_prefect(secrets, control):
    """Secrets in what Prefect's API shows, such as parameters, states, artifacts, logs and events.

    Returns:
        Where they are, and how many things were searched.
    """
    found, count = [], 0
    listed = {what: _all(control, what) for what in SHOWN} | {"events": _events(control)}
    for what, things in listed.items():
        for number, text in enumerate(things):
            count += 1
            found += [f"{name} in {what} {number}" for name, secret in secrets.items() if secret in text]
    return found, count


def in_store(secrets, store):
    """Secrets in what the store has as text: records, pages, logs.

    Returns:
        Where they are, and how many objects were searched.
    """
    keys = [key for key in store.list("") if key.endswith((".json", ".jsonl", ".html", ".txt", ".log", ".md"))]
    found = []
    for key in keys:
        content = store.get(key)[0]
        found += [f"{name} in {key}" for name, secret in secrets.items() if secret.encode() in content]
    return found, len(keys)


def _all(control, what):
    """All things of a kind, as text."""
    offset = 0
    while rows := control.api(f"/{what}/filter", {"limit": PAGE, "offset": offset}):
        yield from map(json.dumps, rows)
        offset += PAGE


def _events(control):
    """All events, as text."""
    page = control.api("/events/filter", {"limit": 50})
    while True:
        yield from map(json.dumps, page["events"])
        if not page["next_page"]:
            return
        page = control.api(page["next_page"].partition("/api")[2])
