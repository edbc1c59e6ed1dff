"""The three-way merge of a deployment's settings: which side wins, and what a setting is."""

import pytest

from deployments.remote.deployment_settings import DEFAULTS, flatten, of_file, unflatten
from deployments.remote.merge import merge

DAILY = {"active": False, "parameters": {}, "schedule": {"cron": "0 3 * * *"}}
FIELDS = {
    "description": "what it does",
    "concurrency_limit": 2,
    "concurrency_options": {"collision_strategy": "ENQUEUE"},
    "work_pool_name": "gpu",
    "job_variables": {"env": {"A": "1", "B": "2"}, "stream_output": False},
    "parameters": {"request": {"project": "pets"}},
    "tags": {"nasflow": True},
    "schedules": {"daily": DAILY},
}


def test_fields_become_settings_and_back():
    settings = flatten(FIELDS)
    assert settings["job_variables", "env", "A"] == "1"
    assert settings["schedules", "daily", "schedule"] == DAILY["schedule"]
    assert unflatten(settings) == {**DEFAULTS, **FIELDS}
    assert flatten(unflatten(settings)) == settings
    assert flatten(DEFAULTS) == flatten({}) == {}
    assert unflatten({}) == DEFAULTS


def test_defaults_are_not_changed_by_what_is_made_of_them():
    unflatten(flatten(FIELDS))
    assert unflatten({})["schedules"] == {}


@pytest.mark.parametrize(
    ("server", "file", "written", "value", "changed", "kept"),
    [
        ("a", "a", "a", "a", [], []),
        ("a", "b", "a", "b", ["description changed"], []),
        ("x", "a", "a", "x", [], ["description"]),
        ("x", "b", "a", "x", [], ["description"]),
        ("b", "b", "a", "b", [], []),
        (None, "a", "a", None, [], ["description removed"]),
        (None, "a", None, "a", ["description added"], []),
        ("a", None, "a", None, ["description removed"], []),
        ("x", None, None, "x", [], ["description"]),
    ],
)
def test_a_person_wins_over_the_file_and_the_file_over_itself(server, file, written, value, changed, kept):
    sides = [flatten({"description": side}) for side in (server, file, written)]
    merged = merge(sides[0], sides[1], [sides[2]])
    assert unflatten(merged.settings)["description"] == value
    assert (merged.changed, merged.kept) == (changed, kept)


@pytest.mark.parametrize(
    "edit", [{"active": True}, {"parameters": {"request": 1}}, {"schedule": {"cron": "1 1 * * *"}}]
)
def test_a_schedule_that_the_file_drops_goes_whole_or_stays_whole(edit):
    before, edited = flatten({"schedules": {"daily": DAILY}}), flatten({"schedules": {"daily": {**DAILY, **edit}}})
    merged = merge(before, {}, [before])
    assert (merged.settings, merged.changed, merged.kept) == ({}, ["schedule daily removed"], [])
    merged = merge(edited, {}, [before])
    assert (merged.settings, merged.changed, merged.kept) == (edited, [], ["schedule daily"])


def test_a_deleted_schedule_stays_deleted_when_the_file_changes_it():
    before, new = flatten({"schedules": {"daily": DAILY}}), flatten({"schedules": {"daily": {**DAILY, "active": True}}})
    merged = merge({}, new, [before])
    assert (merged.settings, merged.changed, merged.kept) == ({}, [], ["schedule daily removed"])


def test_the_two_forms_of_a_limit_in_the_file_and_an_interval_without_a_start():
    assert of_file({"concurrency_limit": 2}) == {("concurrency_limit",): 2}
    assert of_file({"concurrency_limit": {"limit": 2, "collision_strategy": "ENQUEUE"}}) == {
        ("concurrency_limit",): 2,
        ("concurrency_options", "collision_strategy"): "ENQUEUE",
    }
    interval = {"schedules": [{"slug": "often", "interval": 60}]}
    assert of_file(interval) == of_file(interval)
    assert of_file(interval)["schedules", "often", "schedule"]["anchor_date"].startswith("2020-01-01")
