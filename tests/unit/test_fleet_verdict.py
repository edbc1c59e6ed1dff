"""What the fleet calls lost, doubled, grown and slow. A check that cannot fail would show nothing."""

import pytest

from tests.fleet.verdict import (
    FlowRunSeen,
    VersionSeen,
    points,
    problems_of_flow_runs,
    problems_of_growth,
    problems_of_times,
    problems_of_versions,
)

ASKED = [("a", 0), ("b", 1), ("a", 2)]
RUNS = [FlowRunSeen(request, "Completed") for request in ASKED]
VERSIONS = [VersionSeen("a", 1, 0), VersionSeen("b", 1, 1), VersionSeen("a", 2, 2)]


def test_each_request_with_one_run_and_one_version_is_well():
    assert problems_of_flow_runs("retrain", ASKED, RUNS) == []
    assert problems_of_versions(ASKED, VERSIONS) == []


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (RUNS[1:], "retrain of ('a', 0): lost"),
        ([*RUNS, RUNS[1]], "retrain of ('b', 1): Completed, Completed"),
        ([*RUNS[:2], FlowRunSeen(("a", 2), "Crashed")], "retrain of ('a', 2): Crashed"),
        ([*RUNS, FlowRunSeen(("c", 9), "Completed")], "retrain of ('c', 9): nobody asked for it"),
    ],
    ids=["lost", "doubled", "not completed", "unknown"],
)
def test_a_flow_run_that_is_not_as_asked_is_named(seen, said):
    assert problems_of_flow_runs("retrain", ASKED, seen) == [said]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (VERSIONS[:2], ["version of ('a', 2): 0 instead of 1"]),
        ([*VERSIONS, VersionSeen("a", 3, 2)], ["version of ('a', 2): 2 instead of 1"]),
        ([*VERSIONS, VersionSeen("c", 1, 9)], ["version of ('c', 9): nobody asked for it"]),
        (
            [*VERSIONS[:2], VersionSeen("a", 3, 2)],
            ["a: versions [1, 3], which are not consecutive"],
        ),
        (
            [*VERSIONS[:2], VersionSeen("a", 1, 2)],
            ["a: versions [1, 1], which are not consecutive"],
        ),
    ],
    ids=["lost", "doubled", "unknown", "gap", "number twice"],
)
def test_a_version_that_is_not_as_asked_is_named(seen, said):
    assert problems_of_versions(ASKED, seen) == said


def test_overhead_may_grow_by_three_tenths():
    assert problems_of_growth({10: 10.0, 100: 13.0, 2000: 12.0}) == []
    assert problems_of_growth({10: 10.0, 100: 13.1}) == [
        "overhead of a run is 13.1 s at 100 runs, 1.31 times the 10.0 s at first"
    ]


def test_what_takes_more_than_a_second_is_named():
    assert problems_of_times({"list": 1.0, "page": 1.25}) == ["page took 1.25 s"]


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (5, [5]),
        (10, [10]),
        (60, [10, 60]),
        (2000, [10, 100, 500, 1000, 2000]),
        (3000, [10, 100, 500, 1000, 2000, 3000]),
    ],
)
def test_is_measured_at_ten_and_at_the_last_run(runs, expected):
    assert points(runs) == expected
