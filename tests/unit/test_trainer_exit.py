"""Exit codes of the processes of one trainer."""

import pytest

from tasks.training.worker.__main__ import process_exit_code


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("rank", [None, "0"])
def test_who_was_started_by_a_person_says_how_it_ended(monkeypatch, code, rank):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert process_exit_code(code) == code


@pytest.mark.parametrize(("code", "left"), [(0, 0), (4, 0), (5, 0), (1, 1), (2, 2), (3, 3)])
def test_one_for_one_more_device_ends_well_where_all_end_together(monkeypatch, code, left):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert process_exit_code(code) == left
