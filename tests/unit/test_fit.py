"""What a run takes at a time when there was too little of something."""

import pytest

from tasks.errors import OutOfMemory
from tasks.training.fit import Fit, less_next_time, read_fit, until_it_fits, write_fit


@pytest.mark.parametrize(
    ("fit", "shortage", "micro_batch", "loader_workers"),
    [
        (Fit(micro_batch=8), "memory", 4, None),
        (Fit(micro_batch=5, loader_workers=3), "memory", 3, 3),
        (Fit(micro_batch=8, loader_workers=3), "shared memory", 8, 0),
        (Fit(micro_batch=8), "loader memory", 8, 0),
        (Fit(micro_batch=8, loader_workers=0), "shared memory", 4, 0),
    ],
)
def test_what_comes_after_a_shortage(fit, shortage, micro_batch, loader_workers):
    after = fit.after(shortage)
    assert (after.micro_batch, after.loader_workers) == (micro_batch, loader_workers)
    assert len(after.shortages) == 1
    assert after.shortages[0].startswith("out of ")


def test_one_image_cannot_be_halved():
    assert Fit(micro_batch=1).after("memory") is None


def test_shortages_add_up():
    fit = Fit(micro_batch=8)
    while (smaller := fit.after("memory")) is not None:
        fit = smaller
    assert [line.split(" with ")[1].split()[0] for line in fit.shortages] == ["8", "4", "2"]


def test_a_fit_that_is_torn_or_absent_is_none(tmp_path):
    assert read_fit(tmp_path) is None
    (tmp_path / "fit.json").write_text('{"micro_batch": 4')
    assert read_fit(tmp_path) is None


def test_it_is_tried_again_as_long_as_less_is_taken(tmp_path):
    write_fit(tmp_path, Fit(micro_batch=4))
    tried, said = [], []

    def train():
        fit = read_fit(tmp_path)
        tried.append(fit.micro_batch)
        if fit.micro_batch > 1:
            raise less_next_time(tmp_path, fit, "memory")

    until_it_fits(tmp_path, train, said.append)
    assert tried == [4, 2, 1]
    assert len(said) == 2


def test_what_cannot_be_less_is_not_tried_again(tmp_path):
    write_fit(tmp_path, Fit(micro_batch=1))
    tried = []

    def train():
        tried.append(1)
        raise less_next_time(tmp_path, read_fit(tmp_path), "memory")

    with pytest.raises(OutOfMemory, match="with one image at a time; lower the image size"):
        until_it_fits(tmp_path, train, str)
    assert tried == [1]
