"""Augmentation: as super-gradients does it, the same in any process, and for images of any size."""

import random
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from tasks.records import Box, LabelledImage, TrainingSpec
from tests.fakes.labelled_images import add_image
from tests.fakes.libraries import imported

if TYPE_CHECKING:
    from super_gradients.training.samples import DetectionSample

    from tasks.training.worker.data.datasets import TrainingImages

SIZE = 96
EPOCHS, SETTLING = 12, 4
PRESETS = ("none", "light", "standard", "strong")


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module of the torch data sets."""
    return imported("tasks.training.worker.data.datasets", tmp_path_factory.mktemp("libraries"))


@pytest.fixture(scope="module")
def augmentation(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module of the transforms."""
    return imported("tasks.training.worker.data.augmentation", tmp_path_factory.mktemp("libraries"))


@pytest.fixture(scope="module")
def loaders(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module of the loaders."""
    return imported("tasks.training.worker.data.loaders", tmp_path_factory.mktemp("libraries"))


def add_drawing(folder: Path, width: int, height: int, boxes: Sequence[Box] = (), colour: int = 40) -> LabelledImage:
    """Add an image of one colour with white boxes to a dataset folder."""
    image = Image.new("RGB", (width, height), (colour, colour // 2, 2 * colour))
    for box in boxes:
        corner = max(box.x1, box.x2 - 1), max(box.y1, box.y2 - 1)
        ImageDraw.Draw(image).rectangle((box.x1, box.y1, *corner), fill="white")
    return add_image(folder, image, boxes=boxes)


def add_drawings(folder: Path, count: int = 6) -> list[LabelledImage]:
    """Add images with one box each, of a class of its own."""
    sizes = [(SIZE, SIZE), (2 * SIZE, SIZE), (SIZE, 2 * SIZE)]
    images = []
    for number in range(count):
        width, height = sizes[number % len(sizes)]
        box = Box(number, width * 0.3, height * 0.2, width * 0.8, height * 0.6)
        images.append(add_drawing(folder, width, height, [box], colour=20 + number))
    return images


def training_images(
    datasets: ModuleType, folder: Path, images: list[LabelledImage], preset: str, **changes: Any
) -> "TrainingImages":
    """Make the training images of a run, without a cache."""
    values: dict[str, Any] = {
        "snapshot_digest": "0" * 64, "classes": tuple("abcdef"), "variant": "s", "epochs": EPOCHS, "image_size": SIZE,
        "batch_size": 4, "learning_rate": 1e-3, "patience": 5, "seed": 3, "augmentation": preset,
        "settling_epochs": SETTLING,
    }  # fmt: skip
    spec = TrainingSpec(**{**values, **changes})
    return datasets.TrainingImages(datasets.ImageFolder(folder, images, SIZE), spec)


def assert_same(sample: tuple, expected: tuple) -> None:
    assert torch.equal(sample[0], expected[0])
    assert torch.equal(sample[1], expected[1])
    assert sample[2] == expected[2]


# As super-gradients does it --------------------------------------------------------------------------


def augmented_by_super_gradients(
    sample: "DetectionSample", seed: tuple[int, ...], *, with_affine: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Make image ``[3, S, S]`` and targets ``[n, 5]`` by super-gradients' own transforms from first to last."""
    from super_gradients.training.transforms import transforms as sg
    from super_gradients.training.transforms.detection import DetectionPadIfNeeded

    affine = sg.DetectionRandomAffine(
        degrees=0.0, translate=0.1, scales=(0.5, 1.5), shear=0.0, target_size=(SIZE, SIZE),
        filter_box_candidates=True, wh_thr=2, area_thr=0.1, ar_thr=20, border_value=114,
    )  # fmt: skip
    hsv = sg.DetectionHSV(prob=0.5, hgain=18, sgain=30, vgain=30, bgr_channels=(2, 1, 0))
    state = np.random.SeedSequence(list(seed)).generate_state(2)
    random.seed(int(state[0]))
    np.random.seed(int(state[1]))
    for transform in [
        *([affine] if with_affine else []), hsv, sg.DetectionHorizontalFlip(prob=0.5),
        DetectionPadIfNeeded(SIZE, SIZE, 114, "bottom_right"),
    ]:  # fmt: skip
        sample = transform.apply_to_sample(sample)
    labelled = np.concatenate([sample.bboxes_xyxy, sample.labels[:, None]], axis=1)
    targets = sg.DetectionTargetsFormatTransform(input_dim=(SIZE, SIZE)).apply_on_targets(labelled)
    return sample.image.transpose(2, 0, 1), targets


@pytest.mark.parametrize(("preset", "with_affine"), [("light", False), ("standard", True)])
def test_a_preset_is_super_gradients_transforms(
    datasets: ModuleType, tmp_path: Path, preset: str, with_affine: bool
) -> None:
    dataset = training_images(datasets, tmp_path, add_drawings(tmp_path), preset)
    for epoch in range(1, EPOCHS + 1):
        for index in range(6):
            image, targets, number = dataset[epoch, index]
            sample = dataset.folder.sample(index)
            expected = augmented_by_super_gradients(sample, (3, epoch, index), with_affine=with_affine)
            assert number == index
            assert np.array_equal(image.numpy(), expected[0])
            assert np.array_equal(targets.numpy(), expected[1])


def test_hsv_by_tables_is_super_gradients_hsv_to_the_bit(augmentation: ModuleType) -> None:
    """In noise of all colours, and with the same number of random draws."""
    from super_gradients.training.transforms.transforms import DetectionHSV

    image = np.random.default_rng(1).integers(0, 256, (128, 128, 3), np.uint8)
    gains = {"hgain": 18, "sgain": 30, "vgain": 30, "bgr_channels": (2, 1, 0)}
    ours, theirs = augmentation.TableHSV(prob=1, **gains), DetectionHSV(prob=1, **gains)
    changed = 0
    for seed in range(60):
        np.random.seed(seed)
        expected, next_draw = theirs.apply_to_image(image), np.random.rand()
        np.random.seed(seed)
        assert np.array_equal(ours.apply_to_image(image), expected)
        assert np.random.rand() == next_draw
        changed += not np.array_equal(expected, image)
    assert changed > 40


def test_preset_none_changes_nothing(datasets: ModuleType, tmp_path: Path) -> None:
    dataset = training_images(datasets, tmp_path, add_drawings(tmp_path), "none")
    plain = datasets.PlainImages(dataset.folder)
    for index in range(6):
        assert_same(dataset[1, index], plain[index])
        assert_same(dataset[EPOCHS, index], plain[index])


# Preset strong ---------------------------------------------------------------------------------------


def test_strong_combines_images(datasets: ModuleType, tmp_path: Path) -> None:
    """The class of a box tells which image it came from."""
    dataset = training_images(datasets, tmp_path, add_drawings(tmp_path), "strong")
    class_sets = [set(dataset[epoch, index][1][:, 0].tolist()) for epoch in range(1, 9) for index in range(6)]
    assert set.union(*class_sets) == {0, 1, 2, 3, 4, 5}
    assert sum(len(classes) > 1 for classes in class_sets) > len(class_sets) / 2
    assert len({frozenset(classes) for classes in class_sets}) > 10


def test_boxes_of_strong_lie_on_their_objects(datasets: ModuleType, tmp_path: Path) -> None:
    """Objects are white on black, half as bright where images are mixed; boxes too small to measure are left out."""
    images = [add_drawing(tmp_path, SIZE, SIZE, [Box(0, 10, 10 + n, 50, 60 + n)], colour=0) for n in range(5)]
    dataset = training_images(datasets, tmp_path, images, "strong", settling_epochs=0)
    brightness = []
    for epoch in range(1, EPOCHS + 1):
        for index in range(5):
            image, targets, _ = dataset[epoch, index]
            for _, x, y, width, height in targets.tolist():
                if min(width, height) > 10:
                    part = image[:, int(y - height / 4) : int(y + height / 4), int(x - width / 4) : int(x + width / 4)]
                    brightness.append(part.float().mean().item())
    assert len(brightness) > 100
    # Mixup halves it, and then HSV may take 30.
    assert min(brightness) > 255 / 2 - 30 - 2
    assert sum(value > 255 - 32 for value in brightness) > len(brightness) / 4


@pytest.mark.parametrize("settling", [0, SETTLING, EPOCHS, EPOCHS + 5])
def test_the_last_epochs_of_strong_are_those_of_standard(datasets: ModuleType, tmp_path: Path, settling: int) -> None:
    images = add_drawings(tmp_path)
    strong = training_images(datasets, tmp_path, images, "strong", settling_epochs=settling)
    standard = training_images(datasets, tmp_path, images, "standard", settling_epochs=settling)
    for epoch in range(1, EPOCHS + 1):
        pairs = [(strong[epoch, index], standard[epoch, index]) for index in range(6)]
        equal = [torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in pairs]
        assert set(equal) == {epoch > EPOCHS - settling}, epoch


# A function of seed, epoch and index alone -----------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_augmentation_depends_on_nothing_else(datasets: ModuleType, tmp_path: Path, preset: str) -> None:
    """Not on the order of images, on the cache, or on other draws of random numbers."""
    images = add_drawings(tmp_path)
    first, second = (training_images(datasets, tmp_path, images, preset) for _ in range(2))
    second.folder.fill_cache(1, tmp_path, memory=3 * 3 * SIZE * SIZE)
    keys = [(epoch, index) for epoch in (1, 2, EPOCHS) for index in range(6)]
    expected = {key: first[key] for key in keys}
    shuffled = random.Random(1).sample(keys, len(keys))
    for key in shuffled:
        random.random()
        np.random.rand(3)
        assert_same(second[key], expected[key])


@pytest.mark.parametrize("preset", ["light", "standard", "strong"])
def test_seed_epoch_and_index_all_matter(datasets: ModuleType, tmp_path: Path, preset: str) -> None:
    images = [add_drawing(tmp_path, SIZE, SIZE, [Box(0, 10, 10, 50, 60)])] * 2
    dataset, of_another_seed = (training_images(datasets, tmp_path, images, preset, seed=seed) for seed in (3, 4))

    def pixels_of(dataset: "TrainingImages", *keys: tuple[int, int]) -> list[bytes]:
        return [dataset[key][0].numpy().tobytes() for key in keys]

    keys = [(epoch, 0) for epoch in range(1, 9)]
    assert pixels_of(dataset, *keys) != pixels_of(of_another_seed, *keys)
    assert pixels_of(dataset, *keys) != pixels_of(dataset, *((epoch, 1) for epoch, _ in keys))
    assert len(set(pixels_of(dataset, *keys))) > 4


def test_loader_workers_give_the_same_batches(datasets: ModuleType, loaders: ModuleType, tmp_path: Path) -> None:
    dataset = training_images(datasets, tmp_path, add_drawings(tmp_path), "strong")
    plan = loaders.BatchPlan(image_count=6, batch_size=2, seed=3)
    in_process, with_workers = (
        loaders.training_loader(dataset, loaders.EpochBatches(plan, epoch=2), workers) for workers in (0, 2)
    )
    for batch, expected in zip(with_workers, in_process, strict=True):
        assert_same((batch.images, batch.targets, batch.indices), (expected.images, expected.targets, expected.indices))


def test_augmentation_does_not_write_into_cached_images(datasets: ModuleType, tmp_path: Path) -> None:
    dataset = training_images(datasets, tmp_path, add_drawings(tmp_path), "strong")
    decoded = [dataset.folder.pixels(index).copy() for index in range(6)]
    dataset.folder.fill_cache(1, tmp_path, memory=3 * 3 * SIZE * SIZE)
    for key in [(epoch, index) for epoch in range(1, EPOCHS + 1) for index in range(6)]:
        dataset[key]
    assert all(np.array_equal(dataset.folder.pixels(index), image) for index, image in enumerate(decoded))


# Images of any size ----------------------------------------------------------------------------------

SPLITS: dict[str, list[tuple[int, int, list[Box]]]] = {
    "one image": [(SIZE, SIZE, [Box(0, 10, 10, 50, 60)])],
    "one image without boxes": [(SIZE, SIZE, [])],
    "some without boxes": [(SIZE, SIZE, [Box(0, 10, 10, 50, 60)]), (SIZE, SIZE // 2, []), (SIZE // 2, SIZE, [])],
    "boxes at corners": [(SIZE, SIZE, [Box(0, 0, 0, 4, 4)]), (SIZE, SIZE, [Box(1, SIZE - 4, SIZE - 4, SIZE, SIZE)])],
    "boxes of no size": [(SIZE, SIZE, [Box(0, 5, 5, 5, 5), Box(0, 9, 9, 9.5, 60)])],
    "narrow": [(1, 500, [Box(0, 0, 100, 1, 400)])],
    "flat": [(500, 1, [Box(0, 100, 0, 400, 1)])],
    "narrow, flat and tiny": [(1, 500, [Box(0, 0, 0, 1, 500)]), (500, 2, []), (1, 1, [Box(1, 0, 0, 1, 1)])],
    "whole image": [(3 * SIZE, SIZE, [Box(0, 0, 0, 3 * SIZE, SIZE)])],
}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("split", SPLITS)
def test_images_of_any_size_become_network_inputs(
    datasets: ModuleType, tmp_path: Path, preset: str, split: str
) -> None:
    images = [add_drawing(tmp_path, width, height, boxes) for width, height, boxes in SPLITS[split]]
    dataset = training_images(datasets, tmp_path, images, preset, epochs=40)
    for epoch in range(1, 41):
        for index in range(len(images)):
            image, targets, _ = dataset[epoch, index]
            assert (image.shape, image.dtype) == ((3, SIZE, SIZE), torch.uint8)
            assert image.is_contiguous()
            assert (targets.dim(), targets.shape[1], targets.dtype) == (2, 5, torch.float32)
            assert (targets[:, 3:] > 1).all()
            corners = torch.cat([targets[:, 1:3] - targets[:, 3:] / 2, targets[:, 1:3] + targets[:, 3:] / 2])
            assert ((corners > -1e-3) & (corners < SIZE + 1e-3)).all()


@pytest.mark.parametrize("preset", ["standard", "strong"])
def test_all_boxes_may_be_moved_out_of_an_image(datasets: ModuleType, tmp_path: Path, preset: str) -> None:
    images = [add_drawing(tmp_path, SIZE, SIZE, [Box(0, 0, 0, 6, 6)])]
    dataset = training_images(datasets, tmp_path, images, preset, epochs=40)
    counts = [len(dataset[epoch, 0][1]) for epoch in range(1, 41)]
    assert 0 in counts
    assert max(counts) > 0
