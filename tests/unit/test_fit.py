"""How a run is reduced after a shortage of memory."""

import pytest

from tasks.errors import OutOfMemory
from tasks.training.contract.fit import Fit, read_fit, reduce_fit, until_it_fits, write_fit


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
def test_a_shortage_reduces_the_micro_batch_or_the_loader_processes(fit, shortage, micro_batch, loader_workers):
    reduced = fit.reduced_after(shortage)
    assert (reduced.micro_batch, reduced.loader_workers) == (micro_batch, loader_workers)
    assert len(reduced.shortages) == 1
    assert reduced.shortages[0].startswith("out of ")


def test_a_micro_batch_of_one_cannot_be_halved():
    assert Fit(micro_batch=1).reduced_after("memory") is None


def test_every_shortage_is_recorded():
    fit = Fit(micro_batch=8)
    while (smaller := fit.reduced_after("memory")) is not None:
        fit = smaller
    assert [line.split(" with ")[1].split()[0] for line in fit.shortages] == ["8", "4", "2"]


def test_a_damaged_or_missing_fit_is_none(tmp_path):
    assert read_fit(tmp_path) is None
    (tmp_path / "fit.json").write_text('{"micro_batch": 4')
    assert read_fit(tmp_path) is None


def test_training_is_tried_again_while_the_fit_gets_smaller(tmp_path):
    write_fit(tmp_path, Fit(micro_batch=4))
    tried: list[int | None] = []
    messages: list[str] = []

    def train():
        fit = read_fit(tmp_path)
        assert fit is not None
        tried.append(fit.micro_batch)
        if fit.micro_batch > 1:
            raise reduce_fit(tmp_path, fit, "memory")

    until_it_fits(tmp_path, train, messages.append)
    assert tried == [4, 2, 1]
    assert len(messages) == 2


def test_training_is_not_tried_again_with_a_micro_batch_of_one(tmp_path):
    write_fit(tmp_path, Fit(micro_batch=1))
    tried = []

    def train():
        tried.append(1)
        raise reduce_fit(tmp_path, Fit(micro_batch=1), "memory")

    with pytest.raises(OutOfMemory, match="with one image at a time; lower the image size"):
        until_it_fits(tmp_path, train, lambda message: None)
    assert tried == [1]
