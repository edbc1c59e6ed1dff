"""The table of facts: how the model was trained, and what the caller adds."""

from tasks.evaluation.report.content import ReportContent
from tasks.records import StartWeights
from tasks.rendering.pages import MISSING


def facts(content: ReportContent) -> list[tuple[str, str]]:
    """Name and value of each fact; a value that is not known says why."""
    spec, result = content.spec, content.result
    if not spec and not result:
        return [("Training", f"{MISSING} (unknown here: only detections were given)"), *content.facts.items()]
    unknown = f"{MISSING} (the {'result' if spec else 'spec'} of the training was not given)"
    return [
        ("Variant", f"YOLO-NAS {spec.variant.upper()}" if spec else unknown),
        ("Epochs", f"{result.epochs_done}, {result.why_ended}; best {result.best_epoch}" if result else unknown),
        ("Image size", f"{spec.image_size} px" if spec else unknown),
        ("Batch", str(spec.batch_size) if spec else unknown),
        ("Augmentation", spec.augmentation if spec else unknown),
        ("Seed", str(spec.seed) if spec else unknown),
        ("Recipe", str(spec.recipe) if spec else unknown),
        ("Started from", _start(result.start) if result else unknown),
        ("Weights SHA-256", result.weights_sha256 if result else unknown),
        ("Training data digest", spec.snapshot_digest if spec else unknown),
        ("Training speed", f"{result.images_per_second:.1f} images/s" if result else unknown),
        ("Device", result.device if result else unknown),
        *content.facts.items(),
    ]


def _start(start: StartWeights | None) -> str:
    if start is None:
        return "random weights"
    return f"{start.source}, SHA-256 {start.sha256[:12]}, licence {start.licence or 'not known'}; {start.loaded}"
