"""Running statistics of batch norms: how they are warmed up, and what a bad step leaves of them."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.fakes.datasets import make_spec, write_dataset
from tests.fakes.libraries import imported
from tests.fakes.training_steps import make_training_step

MOMENTUM = 0.03
"""Of YOLO-NAS's recipe."""


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5, momentum=MOMENTUM), nn.BatchNorm2d(5, momentum=MOMENTUM))


def batches(count: int) -> list[Tensor]:
    random = torch.Generator().manual_seed(1)
    return [3 + 2 * torch.rand(4, 3, 6, 6, generator=random) for _ in range(count)]


def statistics_of(image: Tensor, part: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    values = part(image).detach().double().numpy().transpose(1, 0, 2, 3).reshape(5, -1)
    return values.mean(axis=1), values.var(axis=1, ddof=1)


@pytest.mark.parametrize("passes", [1, 3])
def test_the_first_steps_weigh_as_in_the_ema(tmp_path: Path, passes: int) -> None:
    norms = imported("tasks.training.worker.loop.running_statistics", tmp_path)
    flat = imported("tasks.training.worker.model.flat_state", tmp_path)
    learning = network().train()
    norm = learning[1]
    assert isinstance(norm, nn.BatchNorm2d)
    statistics = norms.RunningStatistics(learning, flat.FlatState(learning).statistics)
    mean, variance = np.zeros(5), np.ones(5)
    for step, first in enumerate(range(0, 8 * passes, passes), start=16):
        statistics.remember()
        # Within a step the passes weigh as with the norms' own momentum, the last one most.
        weights = [(1 - MOMENTUM) ** (passes - 1 - number) for number in range(passes)]
        seen = []
        for batch in batches(8 * passes)[first : first + passes]:
            learning(batch)
            seen.append(statistics_of(batch, learning[0]))
        statistics.warm_up(step, passes)
        share = 9 / (10 + step)
        mean = (1 - share) * mean + share * np.average([one for one, _ in seen], axis=0, weights=weights)
        variance = (1 - share) * variance + share * np.average([one for _, one in seen], axis=0, weights=weights)
        np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-4)
        np.testing.assert_allclose(norm.running_var.numpy(), variance, rtol=1e-3)


def test_the_warm_up_begins_after_the_wildest_steps_and_ends_where_the_momentum_is_the_norms_own(
    tmp_path: Path,
) -> None:
    statistics = imported("tasks.training.worker.loop.running_statistics", tmp_path).RunningStatistics(
        network(), torch.zeros(1)
    )
    steps = (0, 15, 16, 289, 290, 10_000)
    assert [statistics.warming_up(step) for step in steps] == [False, False, True, True, False, False]


@pytest.mark.parametrize("variant", ["s", "m", "l"])
def test_all_norms_of_the_network_have_the_recipes_momentum(tmp_path: Path, variant: str) -> None:
    built = imported("tasks.training.worker.model.network", tmp_path).build_network(variant, 2)
    assert {part.momentum for part in built.modules() if isinstance(part, nn.BatchNorm2d)} == {MOMENTUM}


def test_only_random_weights_warm_up_the_running_statistics(tmp_path: Path) -> None:
    """The losses are the same to the bit: training does not look at the statistics, detection does."""
    random, given = Steps(tmp_path, None), Steps(tmp_path, "0" * 64)
    assert random.losses == given.losses
    *same, before, last = [
        moved(*both) for both in zip(pairwise(random.statistics), pairwise(given.statistics), strict=True)
    ]
    assert (*same, before) == (1,) * 16
    assert last == pytest.approx(9 / 26 / MOMENTUM, rel=1e-3), "the share that the EMA takes of this step"
    assert torch.equal(random.ema_statistics[-1], random.statistics[-1]), "they are an average already"
    assert not torch.equal(given.ema_statistics[-1], given.statistics[-1])
    assert torch.equal(random.ema_statistics[-2], given.ema_statistics[-2])


def test_a_bad_step_changes_no_statistics(tmp_path: Path) -> None:
    steps = Steps(tmp_path, None, bad=1)
    assert [math.isfinite(parts[-1]) for parts in steps.losses] == [number != 1 for number in range(17)]
    assert not torch.equal(steps.statistics[0], steps.statistics[1])
    assert torch.equal(steps.statistics[1], steps.statistics[2])
    assert torch.isfinite(steps.statistics[-1]).all()


def moved(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
    """How many times as far the statistics of one went as those of another."""
    return float((one[1] - one[0]).norm() / (other[1] - other[0]).norm())


class Steps:
    """The first 17 training steps, with the running means of network and EMA before and after each.

    Args:
        folder: For the images.
        weights_sha256: As in the spec.
        bad: Number of the step, from 0, that is done with parameters that are no numbers.
    """

    def __init__(self, folder: Path, weights_sha256: str | None, bad: int | None = None) -> None:
        loaders, images, datasets = (
            imported(f"tasks.training.worker.{name}", folder)
            for name in ("data.loaders", "data.images", "data.datasets")
        )
        data = folder / f"data-{weights_sha256}-{bad}"
        snapshot = write_dataset(data, 17, 1)
        spec = make_spec(snapshot, weights_sha256=weights_sha256, batch_size=1)
        torch.manual_seed(0)
        training_step = make_training_step(spec, folder)
        image_folder = images.ImageFolder(data, snapshot.of_split("train"), spec.image_size)
        epoch = loaders.EpochBatches(loaders.BatchPlan(17, spec.batch_size, spec.seed), 1)
        loader = loaders.training_loader(datasets.TrainingImages(image_folder, spec), epoch, 0)
        training_step.network.train()
        norms, ema_norms = (
            [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
            for network in (training_step.network, training_step.ema_network)
        )
        self.losses: list[list[float]] = []
        self.statistics, self.ema_statistics = [means(norms)], [means(ema_norms)]
        for number, (plan, batch) in enumerate(zip(epoch.steps, loader, strict=True)):
            parameter = next(training_step.network.parameters()).data
            kept = parameter.clone()
            if number == bad:
                parameter.fill_(float("nan"))
            self.losses.append(training_step.run(plan, iter([batch]), 1e-3).parts)
            if number == bad:
                parameter.copy_(kept)
            self.statistics.append(means(norms))
            self.ema_statistics.append(means(ema_norms))


def means(norms: list[nn.BatchNorm2d]) -> Tensor:
    return torch.cat([norm.running_mean for norm in norms if norm.running_mean is not None]).clone()
