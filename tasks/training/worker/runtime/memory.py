"""How much memory this process may still take, and how much it took at most."""

import resource
import shutil
import sys
from pathlib import Path

import psutil

PROC = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108, what loader workers hand their batches over in


def available_memory() -> int:
    """Bytes that this process can still take: of the machine, its control groups and its limit of addresses."""
    return min(int(psutil.virtual_memory().available), cgroup_available(PROC, CGROUPS), address_space_left())


def cgroup_available(proc: Path, root: Path) -> int:
    """Bytes that the control groups of a process leave it; ``sys.maxsize`` where none sets a limit.

    Args:
        proc: Its ``/proc/<pid>/cgroup``.
        root: Where the control groups are mounted, version 1, 2 or both.

    What files fill that nobody uses just now counts as free, since the kernel gives it up before anything fails.
    """
    lines = [line.split(":", 2) for line in _text(proc).splitlines() if line.count(":") >= 2]
    left = [sys.maxsize]
    for _, controllers, group in lines:
        if not controllers:
            left += [_left(folder, V2) for folder in _with_parents(root, group)]
        elif "memory" in controllers.split(","):
            left += [_left(folder, V1) for folder in _with_parents(root / "memory", group)]
    return max(0, min(left))


def address_space_left() -> int:
    """Bytes of addresses that ``ulimit -v`` leaves this process; ``sys.maxsize`` without such a limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(0, limit - int(psutil.Process().memory_info().vms))


def shared_memory_free(folder: Path = SHARED_MEMORY) -> int:
    """Bytes free in shared memory; 0 where there is none."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def peak_memory() -> int:
    """Most bytes of RAM that this process held at a time."""
    # getrusage counts what the parent held when it started this process.
    peaks = [line.split()[1] for line in _text(Path("/proc/self/status")).splitlines() if line.startswith("VmHWM:")]
    return 1024 * (int(peaks[0]) if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")
"""File with the limit, file with the usage, and the name in memory.stat of what could be given up."""


def _with_parents(root: Path, group: str) -> list[Path]:
    """A control group's folder and those above it; in a container the mount may begin at the group itself."""
    parts = [part for part in group.split("/") if part]
    if ".." in parts:  # it lies outside what is mounted here
        parts = []
    return [root.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]


def _left(folder: Path, names: tuple[str, str, str]) -> int:
    limit_name, usage_name, unused_name = names
    limit, usage = _text(folder / limit_name).strip(), _text(folder / usage_name).strip()
    if not (limit.isdecimal() and usage.isdecimal()):  # no such file, or "max"
        return sys.maxsize
    facts = dict(line.split(" ", 1) for line in _text(folder / "memory.stat").splitlines() if " " in line)
    return int(limit) - int(usage) + int(facts.get(unused_name, 0))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
