"""Where a number of images says how much there is to learn, augmented copies of one image count once."""

import pytest

from tasks.evaluation.learning_curve import learning_curve
from tasks.labeling.checks.splits import check_split_sizes
from tasks.labeling.findings import FindingCounter
from tasks.records import LabelledImage, count_images
from tests.fakes.learning import points


def images(sources, copies, split="train"):
    return [
        LabelledImage(
            file_name=f"image-{source}_jpg.rf.{copy:032x}.jpg", split=split, sha256=f"{source * copies + copy:064x}",
            size=1, width=100, height=100, boxes=(),
        )
        for source in range(sources)
        for copy in range(copies)
    ]  # fmt: skip


def found(labelled):
    findings = FindingCounter()
    check_split_sizes(labelled, findings)
    return {finding.code: finding for finding in findings.summary()}


def test_cases_99_images_that_are_11_sources_nine_times_over_are_a_tiny_train_split():
    counts = count_images(images(11, 9))
    assert (counts.images, counts.sources) == (99, 11)
    finding = found(images(11, 9))["train-tiny"]
    assert (finding.count, finding.examples) == (11, ("train: 99 images of 11 sources",))
    assert "source images" in finding.message


@pytest.mark.parametrize(("sources", "tiny"), [(19, True), (20, False)])
def test_cases_the_limit_is_20_sources(sources, tiny):
    assert ("train-tiny" in found(images(sources, 3))) == tiny
    assert ("train-tiny" in found(images(sources, 1))) == tiny


def test_cases_copies_do_not_make_a_split_to_measure_on_large():
    finding = found(images(30, 1) + images(4, 5, "valid"))["split-tiny"]
    assert finding.examples == ("valid: 20 images of 4 sources",)


def test_cases_a_batch_is_of_images_so_three_copies_of_one_are_three():
    assert found(images(1, 3))["train-below-batch"].count == 3
    assert found(images(1, 4))["train-tiny"].count == 1


def test_cases_a_study_of_copies_speaks_of_sources():
    copied = [point.model_copy(update={"images": 9 * point.images, "sources": point.images}) for point in points(
        (0.30, 0.38, 0.42, 0.445), half=0.004
    )]  # fmt: skip
    curve, plain = learning_curve(copied), learning_curve(points((0.30, 0.38, 0.42, 0.445), half=0.004))
    assert curve.gain == plain.gain
    assert curve.band == plain.band
    assert curve.sentence == plain.sentence.replace("200 training images", "200 source images")
    assert "200 source images" in curve.sentence
    assert (curve.unit, plain.unit) == ("source images", "training images")
    assert (copied[-1].size_in_words, points((0.3,) * 4)[-1].size_in_words) == ("900 of 100 sources", "100")
