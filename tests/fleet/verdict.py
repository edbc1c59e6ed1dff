"""What the fleet came to: whether a run was lost or doubled, and whether the goals were met. Plain data."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MAX_GROWTH = 1.3
"""Overhead of a run at any number of runs, as a multiple of that at the first."""
MAX_SECONDS = 1.0
"""Time to list a project with many versions, and to write its page."""

Request = tuple[str, int]
"""Project and seed: what was asked for. No two requests are alike."""


@dataclass(frozen=True)
class FlowRunSeen:
    """A flow run of the server, and the request that it works on."""

    request: Request
    state: str


@dataclass(frozen=True)
class VersionSeen:
    """A model version of the registry."""

    project: str
    number: int
    seed: int


def problems_of_flow_runs(kind: str, asked: Iterable[Request], seen: Iterable[FlowRunSeen]) -> list[str]:
    """What is wrong with the flow runs of one kind: each request must have one, which is Completed.

    Args:
        kind: Name of the flow, for the lines.
        asked: The requests.
        seen: All flow runs of the kind that the server has.

    Returns:
        A line for each request that has none, has several, or has one in another state; and for unknown ones.
    """
    states: dict[Request, list[str]] = {request: [] for request in asked}
    unknown = Counter[Request]()
    for run in seen:
        if run.request in states:
            states[run.request].append(run.state)
        else:
            unknown[run.request] += 1
    lines = [
        f"{kind} of {name}: {', '.join(found) or 'lost'}" for name, found in states.items() if found != ["Completed"]
    ]
    return lines + [f"{kind} of {name}: nobody asked for it" for name in unknown]


def problems_of_versions(asked: Iterable[Request], seen: Iterable[VersionSeen]) -> list[str]:
    """What is wrong with the versions: each request must have one, and a project's numbers are 1 to the last.

    Args:
        asked: The requests.
        seen: All versions of the registry.

    Returns:
        A line for each problem.
    """
    versions = list(seen)
    counted = Counter((version.project, version.seed) for version in versions)
    requests = set(asked)
    lines = [f"version of {name}: {counted[name]} instead of 1" for name in sorted(requests) if counted[name] != 1]
    lines += [f"version of {name}: nobody asked for it" for name in sorted(counted.keys() - requests)]
    numbers: dict[str, list[int]] = {}
    for version in versions:
        numbers.setdefault(version.project, []).append(version.number)
    for project, found in sorted(numbers.items()):
        if sorted(found) != list(range(1, len(found) + 1)):
            lines.append(f"{project}: versions {sorted(found)}, which are not consecutive")
    return lines


def problems_of_growth(overhead: Mapping[int, float]) -> list[str]:
    """Numbers of runs at which the overhead of a run is more than MAX_GROWTH times that at the first.

    Args:
        overhead: Seconds of overhead by number of runs.

    Returns:
        A line for each.
    """
    first = overhead[min(overhead)]
    return [
        f"overhead of a run is {seconds:.1f} s at {runs} runs, {seconds / first:.2f} times the {first:.1f} s at first"
        for runs, seconds in overhead.items()
        if seconds > MAX_GROWTH * first
    ]


def problems_of_times(times: Mapping[str, float]) -> list[str]:
    """What took longer than MAX_SECONDS, by its name."""
    return [f"{name} took {seconds:.2f} s" for name, seconds in times.items() if seconds > MAX_SECONDS]


def points(runs: int, wanted: Sequence[int] = (10, 100, 500, 1000, 2000)) -> list[int]:
    """Numbers of runs at which is measured: those wanted up to ``runs``, and that one."""
    return sorted({*(point for point in wanted if point < runs), runs})
