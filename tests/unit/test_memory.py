"""How much memory there is: made-up control groups, and the real limits of this process."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks.training.worker.runtime import memory

V1 = "4:memory:/jobs/one\n3:cpu:/jobs/one\n0::/\n"
V2 = "0::/jobs/one\n"
NO_LIMIT = 9223372036854771712


def group(folder: Path, version: int, limit: int | str, usage: int, unused: int = 0) -> None:
    """A made-up control group."""
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if version == 1 else ("memory.max", "memory.current")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{usage}\n")
    # inactive_file of version 1 is without the groups below.
    name, other = ("total_inactive_file", "inactive_file 1\n") if version == 1 else ("inactive_file", "")
    (folder / "memory.stat").write_text(f"anon 12345\n{other}{name} {unused}\nactive_file 77\n")


@pytest.mark.parametrize(
    ("version", "facts", "groups", "left"),
    [
        (2, V2, {"jobs/one": (1000, 600)}, 400),
        (2, V2, {"jobs/one": (1000, 600, 150)}, 550),
        (2, V2, {"jobs/one": (1000, 600), "jobs": (2000, 1900, 50)}, 150),
        (2, V2, {"jobs/one": ("max", 600), "jobs": (2000, 500)}, 1500),
        (2, V2, {"jobs/one": ("max", 600), "jobs": ("max", 900)}, sys.maxsize),
        (2, V2, {"": (3000, 1000)}, 2000),  # a container sees its own group alone
        (2, "0::/\n", {"": (3000, 1000)}, 2000),
        (2, "0::/../two\n", {"": (3000, 1000), "../two": (10, 5)}, 2000),
        (2, V2, {"jobs/one": (1000, 1200)}, 0),
        (2, V2, {"jobs/two": (10, 5)}, sys.maxsize),
        (2, V2, {}, sys.maxsize),
        (2, "", {"": (10, 5)}, sys.maxsize),
        (1, V1, {"memory/jobs/one": (1000, 600, 150)}, 550),
        (1, V1, {"memory/jobs/one": (NO_LIMIT, 600), "memory/jobs": (700, 650), "memory": (NO_LIMIT, 900)}, 50),
        (1, V1, {"memory": (1000, 600)}, 400),
        (1, V1, {"cpu/jobs/one": (10, 5)}, sys.maxsize),
        (1, "2:cpu,memory:/a:b\n", {"memory/a:b": (1000, 600)}, 400),
    ],
)
def test_memory_of_control_groups(tmp_path: Path, version: int, facts: str, groups: dict[str, Any], left: int) -> None:
    (tmp_path / "cgroup").write_text(facts)
    for name, numbers in groups.items():
        group(tmp_path / "root" / name, version, *numbers)
    assert memory.cgroup_available(tmp_path / "cgroup", tmp_path / "root") == left


def test_memory_without_control_groups(tmp_path: Path) -> None:
    assert memory.cgroup_available(tmp_path / "none", tmp_path / "none") == sys.maxsize


def test_memory_of_this_machine() -> None:
    assert 0 < memory.available_memory() <= psutil.virtual_memory().total
    assert 0 <= memory.shared_memory_free() <= psutil.virtual_memory().total


def test_limit_of_addresses_counts() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    room = 64 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + room, before[1]))
    try:
        assert room / 2 < memory.available_memory() <= room
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_no_shared_memory(tmp_path: Path) -> None:
    assert memory.shared_memory_free(tmp_path / "none") == 0


def test_peak_memory_is_of_this_process_alone() -> None:
    held = b"1" * 2**28
    assert memory.peak_memory() >= len(held)
    code = "from tasks.training.worker.runtime import memory\nprint(memory.peak_memory())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2**22 < int(child.stdout) < 2**27
