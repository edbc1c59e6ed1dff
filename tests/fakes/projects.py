"""Projects for the project's page, made of simple formulas: versions, moves of the champion, and labels."""

from datetime import UTC, datetime, timedelta

from tasks.promotion.page.content import ProjectContent
from tasks.records import (
    AliasMove,
    ClassScore,
    ModelAlias,
    ModelVersion,
    PromotionDecision,
    StoredFile,
    VersionLabels,
)
from tests.fakes.scores import scores

BEGIN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def version(number, *, project="pets", classes=("cat", "dog"), mean=None, **changes):
    """A version that is mostly a bit better than the one before, published a week after it."""
    luck = 0.02 * (number * 7 % 5) if number > 6 else 0.0
    mean = round(0.8 - 0.5 / number**0.4 - luck, 3) if mean is None else mean
    digest = f"{number:064x}"
    report = StoredFile(key=f"models/{project}/{number:06d}/{digest[:16]}-report.html", sha256=digest, size=1)
    per_class = {name: class_score(at, mean) for at, name in enumerate(classes)}
    values = {
        "project": project, "version": number, "run_key": digest, "snapshot_digest": digest, "classes": classes,
        "variant": "s", "image_size": 640, "weights": report, "report": report, "split": "test",
        "scores": scores(
            mean, threshold=0.41, per_class=per_class, ci95={"map": (max(0.0, mean - 0.06), min(1.0, mean + 0.05))}
        ),
        "decision": decision(mean), "created_at": BEGIN + timedelta(weeks=number),
    }  # fmt: skip
    return ModelVersion(**{**values, **changes})


def class_score(at, mean):
    ap = round(max(0.0, mean - 0.02 * at), 3)
    ends = (max(0.0, ap - 0.1), min(1.0, ap + 0.1))
    return ClassScore(ap=ap, ap50=ap, precision=ap, recall=ap, threshold=0.4, truths=9 + at, ci95={"ap": ends})


def decision(mean=0.5, **changes):
    values = {
        "promote": True, "verdict": "promote", "reason": "A gain of 0.041, 0.011 to 0.071.", "candidate_map": mean,
        "champion_map": None, "champion_version": None,
    }  # fmt: skip
    return PromotionDecision(**{**values, **changes})


def labels(training=100, measured="a", images=40):
    return VersionLabels(training_images=training, measured_images=images, measured_digest=measured * 64)


def move(number, reason="A gain of 0.041, 0.011 to 0.071.", by=None, rolled_back=None):
    at = BEGIN + timedelta(weeks=number, hours=2)
    return AliasMove(version=number, at=at, reason=reason, by=by, rolled_back=rolled_back)


def alias(moves, project="pets"):
    return ModelAlias(project=project, name="champion", version=moves[-1].version, history=tuple(moves))


def project(count, *, name="pets", classes=("cat", "dog")):
    """A project in which every third version is the champion, later ones on more test images, and the oldest lost."""
    verdicts = [{}, {"promote": False, "verdict": "keep"}, {"promote": False, "verdict": "cannot tell"}]
    versions = [
        version(number, project=name, classes=classes, decision=decision(**verdicts[(number - 1) % 3]))
        for number in range(1, count + 1)
    ]
    moves = [move(number) for number in range(1, count + 1, 3)]
    known = {
        number: labels(100 + 7 * number, "0123456789abcdef"[number * 4 // (count + 1)])
        for number in range(2, count + 1)
    }
    return ProjectContent(name, versions, alias(moves, name) if moves else None, known)
