"""Speed measures: settings of the C library that a trainer is started with."""

import pytest

from tasks.training.launch import environment
from tasks.training.speed_measures import MALLOC, with_speed_measures


def tunables(environment):
    return dict(part.split("=") for part in environment["GLIBC_TUNABLES"].split(":"))


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, MALLOC),
        ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"}, {"glibc.malloc.arena_max": "2", **MALLOC}),
        ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}, {**MALLOC, "glibc.malloc.hugetlb": "0"}),
    ],
)
def test_what_somebody_set_for_the_c_library_stays(own, expected):
    assert tunables(with_speed_measures({**own, "HOME": "/home"})) == expected


@pytest.mark.parametrize(("setting", "measures"), [(None, True), ("true", True), ("false", False)])
def test_one_setting_leaves_out_all_measures(monkeypatch, setting, measures):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.delenv("NASFLOW_SPEED_MEASURES", raising=False)
    if setting is not None:
        monkeypatch.setenv("NASFLOW_SPEED_MEASURES", setting)
    assert ("GLIBC_TUNABLES" in environment()) == measures
