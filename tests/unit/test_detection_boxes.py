"""Boxes of a network's outputs: selected as in the evaluation, in pixels of the image, and each once over tiles."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tasks.detection.postprocess import MAX_CANDIDATES, NMS_IOU, select, to_image
from tasks.detection.preprocess import DecodedImage
from tasks.detection.tiles import EDGE, Tile, merge, tiles_of, without_cut
from tasks.images.network_output import MAX_DETECTIONS
from tests.fakes import bright_spots

SIDES = st.integers(1, 3000)


def iou(one, other):
    """Intersection over union of two boxes, by its definition."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0) * max(height, 0)
    return common / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - common)


def suppressed(boxes, scores, threshold):
    """Greedy suppression by class, from its definition, over all candidates with a score from 0.01 on."""
    candidates = [(float(scores[a, c]), a, c) for a, c in np.ndindex(scores.shape) if scores[a, c] > 0.01]
    kept: list[tuple[float, int, int]] = []
    for score, anchor, of_class in sorted(candidates, key=lambda one: (-one[0], one[1], one[2]))[:MAX_CANDIDATES]:
        rivals = [other for _, other, other_class in kept if other_class == of_class]
        if all(iou(boxes[anchor], boxes[other]) <= NMS_IOU for other in rivals):
            kept.append((score, anchor, of_class))
    return [one for one in kept[:MAX_DETECTIONS] if one[0] >= threshold]


@given(st.integers(0, 10_000), st.integers(0, 60), st.floats(0.02, 0.9))
@settings(max_examples=60, deadline=None)
def test_selected_boxes_are_those_of_the_definition(seed, count, threshold):
    """Also with boxes outside the image, and although the threshold is applied before the suppression."""
    random = np.random.default_rng(seed)
    corners = random.uniform(-200, 400, (count, 2))
    boxes = np.hstack([corners, corners + random.uniform(20, 300, (count, 2))]).astype(np.float32)
    scores = random.uniform(0, 1, (count, 3)).astype(np.float32)
    rows = select(boxes, scores, threshold)
    expected = suppressed(boxes.astype(np.float64), scores, threshold)
    assert [(row[4], row[5]) for row in rows] == [(score, of_class) for score, _, of_class in expected]
    np.testing.assert_allclose(rows[:, :4], boxes[[anchor for _, anchor, _ in expected]].reshape(-1, 4))


def test_a_score_that_is_the_threshold_is_kept_and_classes_do_not_suppress_each_other():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], np.float32)
    scores = np.array([[0.5, 0.25], [0.4, 0.0]], np.float32)
    assert select(boxes, scores, 0.25)[:, 4:].tolist() == [[0.5, 0.0], [0.25, 1.0]]


@given(SIDES, SIDES, st.sampled_from([64, 320, 640]), st.integers(0, 1000))
@settings(deadline=None)
def test_boxes_come_back_to_the_image_and_stay_in_it(width, height, size, seed):
    random = np.random.default_rng(seed)
    factor = size / max(width, height)
    inside = np.sort(random.uniform(0, 1, (5, 2, 2)), axis=1).reshape(5, 4) * [width, height, width, height]
    outside = inside + random.choice([-2, 2], (5, 1)) * max(width, height)
    rows = np.hstack([np.vstack([inside, outside]) * factor, np.full((10, 2), 0.5)])
    corners = to_image(rows, width, height, size)[:, :4]
    np.testing.assert_allclose(corners[:5], inside, atol=1e-6 * max(width, height))
    assert (corners >= 0).all()
    assert (corners <= [width, height, width, height]).all()


@given(SIDES, SIDES, st.integers(0, 500))
def test_an_image_that_a_tile_covers_has_no_tiles(width, height, more):
    assert tiles_of(width, height, max(width, height) + more) == []


@given(SIDES, SIDES, st.integers(32, 1500))
@settings(deadline=None)
def test_tiles_cover_the_image_and_overlap(width, height, side):
    assume(max(width, height) > side)
    tiles = tiles_of(width, height, side)
    for length, start, extent in ((width, "x", "width"), (height, "y", "height")):
        spans = sorted({(getattr(tile, start), getattr(tile, start) + getattr(tile, extent)) for tile in tiles})
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        assert {end - begin for begin, end in spans} == {min(side, length)}
        assert all(before[1] - after[0] >= side // 4 for before, after in pairwise(spans))
    columns, rows = {tile.x for tile in tiles}, {tile.y for tile in tiles}
    assert len(tiles) == len(columns) * len(rows)


def test_a_box_at_a_cut_edge_is_dropped_and_one_at_the_edge_of_the_image_is_kept():
    tile = Tile(100, 0, 100, 100)
    rows = np.array([[0, 0, 30, 30, 0.9, 0], [50, 0, 80, 30, 0.8, 0], [60, 60, 100 - EDGE / 2, 90, 0.7, 0]])
    assert without_cut(rows, tile, 300, 100).tolist() == [[150, 0, 180, 30, 0.8, 0]]
    assert len(without_cut(rows, tile, 200, 100)) == 2


def test_an_object_in_two_tiles_is_one_and_the_better_one():
    parts = [np.array([[10, 10, 30, 30, 0.6, 0]]), np.array([[11, 11, 31, 31, 0.7, 0], [11, 11, 31, 31, 0.5, 1]])]
    assert merge(parts)[:, 4].tolist() == [0.7, 0.5]


@pytest.mark.parametrize("seed", range(3))
def test_tiles_find_each_small_object_once_and_a_large_one_whole(seed):
    random = np.random.default_rng(seed)
    small = [(40 + 150 * x + int(random.integers(60)), 40 + 150 * y + int(random.integers(60)), 16, 16)
             for x in range(12) for y in range(3)]  # fmt: skip
    large = (200, 700, 1200, 500)
    pixels = bright_spots.image(2000, 1500, [*small, large])
    image = DecodedImage(pixels, 2000, 1500)

    whole = bright_spots.detector().detect(image)
    assert [one.bbox for one in whole] == [pytest.approx(large, abs=2000 / 320)]
    found = bright_spots.detector(tile=320).detect(image)
    boxes = sorted(one.bbox for one in found)
    assert [one.bbox for one in found[:1]] == [pytest.approx(large, abs=2000 / 320)]
    assert len(boxes) == len(small) + 1
    for box, expected in zip([one for one in boxes if one[2] < 100], sorted(small), strict=True):
        assert box == pytest.approx(expected, abs=1)
