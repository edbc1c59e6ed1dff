"""What is said beside the scores: curves, mistakes, speed, two models compared, several as a curve. Plain data."""

from typing import Literal

from pydantic import Field

from tasks.records.base import Fraction, Part, Record, Sha256
from tasks.records.evaluation import EvaluationReport, Interval, OperatingPoint, Scores, Speed
from tasks.records.labels import SnapshotRef, SplitCounts
from tasks.records.training import TrainedModel


class ThresholdCurve(Part):
    """Precision, recall and F1 at IoU 0.50 at thresholds 0.00, 0.01, ... 1.00."""

    precision: tuple[Fraction, ...] = Field(description="0 where nothing passes.")
    recall: tuple[Fraction, ...] = Field(description="Of the labelled boxes.")
    f1: tuple[Fraction, ...] = Field(description="Of both.")


class Curves(Part):
    """What curves are drawn from: of all classes together, or of one."""

    by_threshold: ThresholdCurve = Field(description="Over thresholds.")
    precision_at_recall: tuple[Fraction, ...] = Field(
        description="COCO's precision at recall 0.00, 0.01, ... 1.00, IoU 0.50; the mean over classes for all."
    )


class ErrorShare(Part):
    """One of TIDE's kinds of error (Bolya et al. 2020): how many there are, and what AP50 would gain without them."""

    kind: Literal["Cls", "Loc", "Both", "Dupe", "Bkg", "Miss"] = Field(
        description="Wrong class, loose box, both, found twice, nothing there, or missed."
    )
    count: int = Field(ge=0, description="Errors of this kind, among all detections.")
    ap50_cost: float = Field(description="Rise of mAP50 if these were mended, a fraction.")


class CalibrationBin(Part):
    """Detections with scores in one tenth."""

    low: Fraction = Field(description="Lowest score.")
    high: Fraction = Field(description="Highest score.")
    count: int = Field(ge=0, description="Detections.")
    score: Fraction | None = Field(description="Their mean score; empty without any.")
    precision: Fraction | None = Field(description="Share of them that are right at IoU 0.50.")


class Calibration(Part):
    """Whether scores mean what they say."""

    ece: Fraction = Field(description="Expected calibration error: mean gap of score and precision.")
    bins: tuple[CalibrationBin, ...] = Field(description="By tenths of the score.")


class SuspectedError(Part):
    """A label that may be wrong, since the model is sure of something else."""

    file_name: str = Field(description="Image.")
    kind: Literal["missing label", "wrong class"] = Field(description="What may be wrong.")
    found: str = Field(description="Class that the model sees.")
    labelled: str | None = Field(description="Class of the label; empty without one.")
    score: Fraction = Field(description="How sure the model is.")
    box: tuple[float, float, float, float] = Field(description="Where, xyxy in pixels.")


class Analysis(Part):
    """Everything beside the scores."""

    curves: dict[str, Curves] = Field(description="By class name; those of all classes are under the empty name.")
    confusion: tuple[tuple[int, ...], ...] = Field(
        description="Boxes by labelled class (rows) and found class (columns) at the threshold, IoU 0.50; last is none."
    )
    errors: tuple[ErrorShare, ...] = Field(description="Kinds of error, the costliest first.")
    calibration: Calibration = Field(description="Whether scores mean what they say.")
    suspected_errors: tuple[SuspectedError, ...] = Field(description="Labels that may be wrong, the surest first.")


class Evaluation(Record):
    """report.json: how one set of detections did on one set of images."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    measured_on: str = Field(description="Split or file of the labels.")
    classes: tuple[str, ...] = Field(description="Class names by id.")
    counts: SplitCounts = Field(description="What was measured on.")
    sources: int = Field(ge=1, description="Source images: versions of one, and frames of one clip, count once.")
    scores: Scores = Field(description="The scores.")
    point: OperatingPoint = Field(description="Where detections are cut.")
    analysis: Analysis = Field(description="Everything beside the scores.")
    speed: Speed | None = Field(default=None, description="How fast the model is; empty where that is not known.")
    leaks: tuple[str, ...] = Field(
        default=(), description="What the check of the labels found in more than one split, which flatters the scores."
    )


class Gain(Part):
    """How much better one model is than another, with the 95 % interval of that."""

    before: Fraction = Field(description="The champion's number.")
    after: Fraction = Field(description="The candidate's.")
    gain: float = Field(description="The difference.")
    ci95: Interval = Field(description="95 % interval of the difference, by paired bootstrap over source images.")


class Comparison(Record):
    """Two models on the same images."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    champion_version: int = Field(ge=1, description="Version that the candidate is compared with.")
    sources: int = Field(ge=1, description="Source images that both were measured on.")
    left_out: int = Field(default=0, ge=0, description="Images left out, since the champion was trained on them.")
    confidence_level: float = Field(description="Confidence that the gate asks for, a fraction.")
    bounds: Interval = Field(description="Interval of the gain in mAP at that confidence.")
    map: Gain = Field(description="Of mAP.")
    map50: Gain = Field(description="Of mAP50.")
    per_class: dict[str, Gain] = Field(description="Of each measured class's AP.")


class Measured(Part):
    """A number, and how sure it is."""

    value: Fraction = Field(description="As measured.")
    ci95: Interval | None = Field(default=None, description="95 % interval; empty if not known.")


class LearningPoint(Part):
    """How good the model is that was trained on a share of the training images."""

    share: Fraction = Field(description="Share of the sources.")
    images: int = Field(ge=1, description="Training images.")
    run_key: Sha256 = Field(description="Run that trained it.")
    still_rising: bool = Field(description="Whether more epochs would probably have raised mAP.")
    map: Measured = Field(description="mAP on all images to measure on.")
    per_class: dict[str, Measured] = Field(description="AP by class, of those that can be measured.")

    @classmethod
    def of(cls, share: float, part: SnapshotRef, model: TrainedModel, report: EvaluationReport) -> "LearningPoint":
        """The point of a model that was trained on a part of the labels."""
        scores = report.scores
        return cls(
            share=share,
            images=part.splits["train"].images,
            run_key=model.run_key,
            still_rising=model.result.still_rising,
            map=Measured(value=scores.map, ci95=scores.ci95.get("map")),
            per_class={
                name: Measured(value=score.ap, ci95=score.ci95.get("ap"))
                for name, score in scores.per_class.items()
                if score.ap is not None
            },
        )


class Expected(Part):
    """What a curve says about a number that nobody has measured."""

    value: float = Field(description="What is most likely.")
    ci95: Interval = Field(description="95 % interval.")


class LearningBand(Part):
    """A fitted curve, to be drawn, with the ends of its 95 % interval at each place."""

    images: tuple[float, ...] = Field(description="Training images, from the fewest to twice the most.")
    low: tuple[Fraction, ...] = Field(description="Lower end.")
    middle: tuple[Fraction, ...] = Field(description="The curve.")
    high: tuple[Fraction, ...] = Field(description="Upper end.")


class LearningCurve(Record):
    """What more labels would bring, from models that were trained on parts of those there are."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    points: tuple[LearningPoint, ...] = Field(description="What was measured, the fewest images first.")
    band: LearningBand | None = Field(description="The fitted curve; empty where there is too little to fit it to.")
    map: Expected | None = Field(description="mAP to be expected of twice the training images.")
    gain: Expected | None = Field(description="Gain in mAP to be expected of them.")
    per_class: dict[str, Expected | None] = Field(description="Gain in AP by class; empty where it cannot be told.")
    verdict: Literal["will help", "will hardly help", "cannot tell"] = Field(description="What twice the labels do.")
    sentence: str = Field(description="That in words, with the numbers.")
    rule: str = Field(description="The rule that said so.")
    caveats: tuple[str, ...] = Field(default=(), description="What else has to be known, a sentence each.")
