"""The model card: what a published version is, what it was made from, and how good it is; as a record and as text."""

from tasks.promotion.aliases import find_alias
from tasks.promotion.registry import CHAMPION
from tasks.records import CardData, ModelCard, ModelVersion
from tasks.rendering.markdown import MISSING, as_cell, as_interval, as_number, as_text
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store

NUMBERS = {
    "map": "mAP", "map50": "mAP50", "map75": "mAP75", "ar": "AR", "precision": "precision", "recall": "recall",
    "f1": "F1",
}  # fmt: skip
GONE = "not in the store any more"


def make_card(store: Store, version: ModelVersion) -> ModelCard:
    """Gather what the store knows about a version.

    Args:
        store: Store of the registry.
        version: The version.

    Returns:
        The card; data and training are empty where a lifecycle rule or a person removed them.
    """
    alias = find_alias(store, version.project, CHAMPION)
    run = find_model(store, version.run_key)
    return ModelCard(
        version=version,
        champion=alias is not None and alias.version == version.version,
        champion_moves=tuple(move for move in alias.history if move.version == version.version) if alias else (),
        data=_data(store, version),
        spec=run.spec if run else None,
        training=run.result if run and run.weights.sha256 == version.weights.sha256 else None,
    )


def _data(store: Store, version: ModelVersion) -> CardData | None:
    if not store.exists(keys.snapshot(version.snapshot_digest)):
        return None
    snapshot = load_snapshot(store, version.snapshot_digest)
    boxes = dict.fromkeys(snapshot.classes, 0)
    for image in snapshot.images:
        for box in image.boxes:
            boxes[snapshot.classes[box.class_index]] += 1
    return CardData(
        source=snapshot.source, licence=snapshot.licence, splits=snapshot.counts(), held_out=snapshot.held_out,
        boxes=boxes,
    )  # fmt: skip


def card_markdown(card: ModelCard) -> str:
    """A model card in Markdown.

    Args:
        card: The card.

    Returns:
        Markdown; all names in it are escaped.
    """
    version = card.version
    parts = (_what_it_is(card), _numbers(card), _data_lines(card.data), _training(card), _files(version))
    return f"# {version.project} version {version.version}\n\n" + "\n\n".join(parts) + "\n"


def _what_it_is(card: ModelCard) -> str:
    version = card.version
    moves = [
        f"- champion since {move.at:%Y-%m-%d}{f', by {as_text(move.by)}' if move.by else ''}: {as_text(move.reason)}"
        for move in card.champion_moves
    ]
    in_use = "It is the champion." if card.champion else "It is not the champion."
    return "\n".join([
        f"Object detection: YOLO-NAS {version.variant.upper()}, input {version.image_size} x {version.image_size} px, "
        f"{len(version.classes)} classes. Published {version.created_at:%Y-%m-%d %H:%M} UTC. {in_use}",
        "",
        f"Verdict of the gate: {version.decision.verdict}. {as_text(version.decision.reason)}",
        *(["", *moves] if moves else []),
    ])  # fmt: skip


def _numbers(card: ModelCard) -> str:
    scores, version = card.version.scores, card.version
    numbers = "\n".join(
        f"| {title} | {getattr(scores, name):.3f} | {as_interval(scores.ci95.get(name))} |"
        for name, title in NUMBERS.items()
    )
    classes = "\n".join(
        f"| {as_cell(name)} | {score.truths} | {as_number(score.ap)} | {as_interval(score.ci95.get('ap'))} "
        f"| {as_number(score.precision)} | {as_number(score.recall)} | {as_number(score.threshold)} |"
        for name, score in scores.per_class.items()
    )
    chosen = f"the {scores.threshold_from} split" if scores.threshold_from else "the same images"
    return f"""## Numbers

Measured on the {version.split} split. Precision, recall and F1 are at confidence threshold {scores.threshold:.3f},
which was chosen on {chosen}.

| | value | 95 % interval |
|---|---|---|
{numbers}

| class | boxes | AP | 95 % interval | precision | recall | threshold |
|---|---|---|---|---|---|---|
{classes}"""


def _data_lines(data: CardData | None) -> str:
    if data is None:
        return f"## Data\n\nThe labels are {GONE}."
    source = as_text(data.source.name)
    version = f", version {data.source.version}" if data.source.version else ""
    where = f"Roboflow {source}{version}" if data.source.kind == "roboflow" else f"export {source}"
    splits = "\n".join(
        f"| {split} | {counts.images} | {counts.boxes} | {counts.background} |" for split, counts in data.splits.items()
    )
    held_out = f" {data.held_out} images of valid were split off train." if data.held_out else ""
    boxes = ", ".join(f"{as_cell(name)} {count}" for name, count in data.boxes.items())
    return f"""## Data

From {where}. Licence: {as_text(data.licence) if data.licence else "not stated"}.{held_out}

| split | images | boxes | background images |
|---|---|---|---|
{splits}

Boxes by class: {boxes}."""


def _training(card: ModelCard) -> str:
    spec, result = card.spec, card.training
    if spec is None or result is None:
        return f"## Training\n\nRun `{card.version.run_key[:12]}` is {GONE}."
    start = result.start
    from_ = (
        f"{as_text(start.source)}, SHA-256 `{start.sha256[:12]}`, licence {as_text(start.licence or 'not known')}"
        if start
        else "random weights"
    )
    settings = "\n".join(
        f"| {name.replace('_', ' ')} | {MISSING if value is None else value} |"
        for name, value in spec.model_dump(exclude={"snapshot_digest", "classes", "schema_version"}).items()
    )
    versions = ", ".join(f"{as_text(name)} {as_text(number)}" for name, number in result.versions.items())
    return f"""## Training

{result.epochs_done} epochs ({result.why_ended}), best epoch {result.best_epoch}, started from {from_}.
Run `{card.version.run_key[:12]}`, snapshot `{card.version.snapshot_digest[:12]}`, {result.device}\
{f" on {as_text(result.machine)}" if result.machine else ""}. {f"With {versions}." if versions else ""}

| setting | value |
|---|---|
{settings}"""


def _files(version: ModelVersion) -> str:
    rows = "\n".join(f"| {name} | {file.size} | `{file.sha256}` |" for name, file in version.files.items())
    speeds = "".join(f"\n\n{one.name}: {as_text(one.speed.in_words)}." for one in version.formats if one.speed)
    refused = "".join(f"\n\n{name} is not published: {as_text(why)}." for name, why in version.formats_refused.items())
    return f"""## Files

| format | bytes | SHA-256 |
|---|---|---|
{rows}{speeds}{refused}"""
