"""An evaluation beside its scores: curves, mistakes, a comparison of two models, a learning curve. Plain data."""

from typing import Literal

from pydantic import Field

from tasks.records.base import Fraction, Part, Record, Sha256
from tasks.records.evaluation import EvaluationReport, Interval, OperatingPoint, Scores, Speed
from tasks.records.labels import SnapshotRef, SplitCounts
from tasks.records.training import TrainedModel


class ThresholdCurve(Part):
    """Precision, recall and F1 at IoU 0.50 at confidence thresholds 0.00, 0.01, ... 1.00."""

    precision: tuple[Fraction, ...] = Field(description="Precision; 0 where no detection passes.")
    recall: tuple[Fraction, ...] = Field(description="Recall of the labelled boxes.")
    f1: tuple[Fraction, ...] = Field(description="F1 of both.")


class Curves(Part):
    """The values of the curves of all classes together, or of one class."""

    by_threshold: ThresholdCurve = Field(description="Precision, recall and F1 over confidence thresholds.")
    precision_at_recall: tuple[Fraction, ...] = Field(
        description="Precision at recall 0.00, 0.01, ... 1.00, IoU 0.50, as COCO; of all classes their mean."
    )


class ErrorShare(Part):
    """One kind of error of TIDE (Bolya et al. 2020): how many there are, and the mAP50 that they cost."""

    kind: Literal["Cls", "Loc", "Both", "Dupe", "Bkg", "Miss"] = Field(
        description="Wrong class, loose box, both, duplicate, background (false positive) or missed (false negative)."
    )
    count: int = Field(ge=0, description="Number of errors of this kind, over all detections.")
    ap50_cost: float = Field(description="Rise of mAP50 if all of them were corrected, a fraction.")


class CalibrationBin(Part):
    """The detections whose scores are in one interval."""

    low: Fraction = Field(description="Lower end of the interval.")
    high: Fraction = Field(description="Upper end of the interval.")
    count: int = Field(ge=0, description="Number of detections.")
    score: Fraction | None = Field(description="Mean score; empty without detections.")
    precision: Fraction | None = Field(description="Share of true positives at IoU 0.50; empty without detections.")


class Calibration(Part):
    """How well scores match the share of correct detections."""

    ece: Fraction = Field(description="Expected calibration error: mean difference of score and precision.")
    bins: tuple[CalibrationBin, ...] = Field(description="Ten intervals of the score.")


class SuspectedError(Part):
    """A label that may be wrong, because it contradicts a detection of high confidence."""

    file_name: str = Field(description="File name of the image.")
    kind: Literal["missing label", "wrong class"] = Field(description="Suspected error.")
    found: str = Field(description="Class of the detection.")
    labelled: str | None = Field(description="Class of the label; empty if there is none.")
    score: Fraction = Field(description="Score of the detection.")
    box: tuple[float, float, float, float] = Field(description="Box of the detection, xyxy in pixels.")


class Analysis(Part):
    """Everything that a report shows beside the scores."""

    curves: dict[str, Curves] = Field(description="Curves by class name; the empty name stands for all classes.")
    confusion: tuple[tuple[int, ...], ...] = Field(
        description="Confusion matrix at the confidence threshold, IoU 0.50: boxes by labelled class (rows) and "
        "detected class (columns); the last row and column stand for none."
    )
    errors: tuple[ErrorShare, ...] = Field(description="Kinds of error by their cost, highest first.")
    calibration: Calibration = Field(description="Calibration of the scores.")
    suspected_errors: tuple[SuspectedError, ...] = Field(description="Suspected label errors, highest score first.")


class Evaluation(Record):
    """report.json: how good one set of detections is on one set of images."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    measured_on: str = Field(description="Split, or file of the ground truth.")
    classes: tuple[str, ...] = Field(description="Class names by id.")
    counts: SplitCounts = Field(description="Images and boxes that were measured.")
    sources: int = Field(
        ge=1, description="Number of source images: versions of one image, and frames of one clip, count once."
    )
    scores: Scores = Field(description="The scores.")
    point: OperatingPoint = Field(description="Confidence thresholds.")
    analysis: Analysis = Field(description="Curves, mistakes and calibration.")
    speed: Speed | None = Field(default=None, description="Speed of the model; empty if not measured.")
    leaks: tuple[str, ...] = Field(
        default=(), description="Findings about images in more than one split, which make the scores too high."
    )


class Gain(Part):
    """The difference of one number of two models, with its 95 % interval."""

    before: Fraction = Field(description="Value of the champion, or of the baseline.")
    after: Fraction = Field(description="Value of the candidate.")
    gain: float = Field(description="Candidate minus champion, or minus baseline.")
    ci95: Interval = Field(description="95 % interval of the gain, by paired bootstrap over source images.")


class Comparison(Record):
    """The candidate and the champion, or any two versions of a project, on the same images."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    champion_version: int = Field(ge=1, description="Version of the champion, or of the baseline.")
    sources: int = Field(ge=1, description="Number of source images that both were measured on.")
    left_out: int = Field(
        default=0, ge=0, description="Number of images left out because the champion, or baseline, was trained on them."
    )
    confidence_level: float = Field(description="Confidence level of the bounds, a fraction.")
    bounds: Interval = Field(description="Interval of the gain in mAP at that confidence level.")
    map: Gain = Field(description="Gain in mAP.")
    map50: Gain = Field(description="Gain in mAP50.")
    per_class: dict[str, Gain] = Field(description="Gain in AP of each measured class.")


class Measurement(Part):
    """A measured number with its interval."""

    value: Fraction = Field(description="Measured value.")
    ci95: Interval | None = Field(default=None, description="95 % interval; empty if unknown.")


class LearningPoint(Part):
    """One model of a learning curve: trained on a share of the training images."""

    share: Fraction = Field(description="Share of the source images.")
    images: int = Field(ge=1, description="Number of training images.")
    sources: int = Field(
        default=0, ge=0, description="Number of their sources, which the curve is fitted to; 0 if not counted."
    )
    run_key: Sha256 = Field(description="Key of the training run.")
    still_rising: bool = Field(description="Whether mAP was still rising when training ended.")
    map: Measurement = Field(description="mAP on the measured split.")
    per_class: dict[str, Measurement] = Field(description="AP by class, of classes with ground truth.")

    @property
    def independent_images(self) -> int:
        """Images that say something of their own: the sources, or all images where sources were not counted."""
        return self.sources or self.images

    @property
    def size_in_words(self) -> str:
        """Number of training images, and of sources if there are fewer."""
        if self.independent_images == self.images:
            return f"{self.images}"
        return f"{self.images} of {self.sources} source{'' if self.sources == 1 else 's'}"

    @classmethod
    def of(cls, share: float, part: SnapshotRef, model: TrainedModel, report: EvaluationReport) -> "LearningPoint":
        """The point of a model that was trained on a part of the labels.

        Args:
            share: Share of the source images, in (0, 1].
            part: The snapshot that the model was trained on.
            model: The finished run.
            report: Scores of the model.

        Returns:
            The point; classes without ground truth are left out.
        """
        scores = report.scores
        return cls(
            share=share,
            images=part.splits["train"].images,
            sources=part.splits["train"].sources,
            run_key=model.run_key,
            still_rising=model.result.still_rising,
            map=Measurement(value=scores.map, ci95=scores.ci95.get("map")),
            per_class={
                name: Measurement(value=score.ap, ci95=score.ci95.get("ap"))
                for name, score in scores.per_class.items()
                if score.ap is not None
            },
        )


class Estimate(Part):
    """A number that a learning curve predicts."""

    value: float = Field(description="Estimated value.")
    ci95: Interval = Field(description="95 % interval.")


class LearningBand(Part):
    """A fitted learning curve and its 95 % interval, to be drawn."""

    images: tuple[float, ...] = Field(
        description="Numbers of training images, or of their sources, from the fewest to twice the most."
    )
    low: tuple[Fraction, ...] = Field(description="Lower end of the interval.")
    middle: tuple[Fraction, ...] = Field(description="Fitted mAP.")
    high: tuple[Fraction, ...] = Field(description="Upper end of the interval.")


class LearningCurve(Record):
    """What more labels would gain, from models that were trained on parts of the labels."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    points: tuple[LearningPoint, ...] = Field(description="Measured models, fewest images first.")
    band: LearningBand | None = Field(description="Fitted curve; empty if there are too few points.")
    map: Estimate | None = Field(description="Expected mAP with twice the training images.")
    gain: Estimate | None = Field(description="Expected gain in mAP from twice the training images.")
    per_class: dict[str, Estimate | None] = Field(description="Expected gain in AP by class; empty if unknown.")
    verdict: Literal["will help", "will hardly help", "cannot tell"] = Field(
        description="Whether twice the labels will help."
    )
    sentence: str = Field(description="The verdict in a sentence, with the figures.")
    rule: str = Field(description="Rule behind the verdict.")
    caveats: tuple[str, ...] = Field(default=(), description="What else may explain the gain, a sentence each.")

    @property
    def unit(self) -> str:
        """What is counted: training images, or source images where some are copies of others."""
        copies = any(point.independent_images != point.images for point in self.points)
        return "source images" if copies else "training images"
