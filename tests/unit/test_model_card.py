"""The model card in Markdown as a reader parses it, with all that is known of a model, and with what is gone."""

from datetime import UTC, datetime

from markdown_it import MarkdownIt

from tasks.promotion.model_card import card_markdown
from tasks.records import (
    AliasMove,
    CardData,
    ClassScore,
    LabelSource,
    ModelCard,
    ModelFormat,
    ModelVersion,
    PromotionDecision,
    SplitCounts,
    StartWeights,
    StoredFile,
    TrainingResult,
    TrainingSpec,
)
from tasks.records.base import Split
from tests.fakes.published import AGREEMENT, INT8_SPEED
from tests.fakes.scores import scores

SHA = "0123456789abcdef" * 4
AT = datetime(2026, 11, 28, 7, 30, tzinfo=UTC)
NAME = "<b>cat</b> | *dog*"
LABELS = CardData(
    source=LabelSource(kind="roboflow", name="acme/pets", version=3), licence="CC BY 4.0", held_out=2,
    splits={"train": SplitCounts(images=31, boxes=47, background=5)}, boxes={NAME: 40, "dog": 7},
)  # fmt: skip


def card(**changes):
    classes = (NAME, "dog")
    file = StoredFile(key="models/pets/000004/weights.safetensors", sha256=SHA, size=123)
    score = ClassScore(ap=0.111, ap50=0.222, precision=0.333, recall=0.444, threshold=0.55, truths=66)
    version = ModelVersion(
        project="pets", version=4, run_key=SHA, snapshot_digest=SHA, classes=classes, variant="m", image_size=640,
        weights=file, report=file, split="test", created_at=AT,
        scores=scores(0.612, threshold=0.41, per_class={NAME: score, "dog": score}, ci95={"map": (0.51, 0.71)}),
        decision=PromotionDecision(
            promote=True, verdict="promote", reason="First model.", candidate_map=0.6, champion_map=None,
            champion_version=None,
        ),
        formats=(ModelFormat(name="onnx-int8", agreement=AGREEMENT, speed=INT8_SPEED, file=file),),
        formats_refused={"onnx": "9 of 9 detections differ"},
    )  # fmt: skip
    spec = TrainingSpec(
        snapshot_digest=SHA, classes=classes, variant="m", epochs=9, image_size=640, batch_size=2, learning_rate=1e-3,
        patience=2, seed=0,
    )  # fmt: skip
    result = TrainingResult(
        run_key=SHA, epochs_done=8, best_epoch=6, best_map=0.6, ended="epochs", seconds=125.4, images_per_second=12.34,
        weights_sha256=SHA, resumed_from_epoch=None, device="cuda bf16-mixed", versions={"torch": "2.14.1"},
        start=StartWeights(source="coco.pth", sha256=SHA, licence="Apache 2.0"),
    )  # fmt: skip
    values = {
        "version": version,
        "champion": True,
        "champion_moves": (AliasMove(version=4, at=AT, reason="Better at night.", by="Ada"),),
        "data": LABELS,
        "spec": spec,
        "training": result,
    }
    return ModelCard(**{**values, **changes})


def cells(text):
    """Text of all cells of the tables, as a reader sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inside = [tokens[at + 1] for at, token in enumerate(tokens) if token.type in ("td_open", "th_open")]
    return ["".join(part.content for part in token.children) for token in inside]


def test_everything_that_is_known_is_there():
    text = card_markdown(card())
    for words in (
        "# pets version 4",
        "YOLO-NAS M, input 640 x 640 px, 2 classes. Published 2026-11-28 07:30 UTC. It is the champion.",
        "champion since 2026-11-28, by Ada: Better at night.",
        "From Roboflow acme/pets, version 3. Licence: CC BY 4.0. 2 images of valid were split off train.",
        "8 epochs (all done), best epoch 6, started from coco.pth, SHA-256 `0123456789ab`, licence Apache 2.0.",
        "With torch 2.14.1.",
        "onnx is not published: 9 of 9 detections differ.",
        "onnx-int8: one image takes 22.4 ms, 38.8 ms with onnx (openvino 2026.4.1, 2 threads of AMD EPYC).",
    ):
        assert words in text
    shown = cells(text)
    assert [shown[at + 1 : at + 3] for at, cell in enumerate(shown) if cell == "mAP"] == [["0.612", "0.510 to 0.710"]]
    assert NAME in shown
    assert {"31", "47", "5", "123", SHA, "learning rate", "0.001"} <= set(shown)


def test_what_is_gone_is_said():
    text = card_markdown(card(data=None, spec=None, training=None, champion=False, champion_moves=()))
    assert "The labels are not in the store any more." in text
    assert "Run `0123456789ab` is not in the store any more." in text
    assert "It is not the champion." in text


def test_labels_from_a_file_without_a_licence():
    data = CardData(
        source=LabelSource(kind="file", name="pets_1.zip"), licence=None, held_out=0, boxes={},
        splits={"test": SplitCounts(images=1, boxes=1, background=0)},
    )  # fmt: skip
    assert "From export pets&#95;1.zip. Licence: not stated." in card_markdown(card(data=data))


def test_labels_of_a_search_have_no_version():
    source = LabelSource(kind="roboflow", name="acme/pets, search tag:reviewed")
    splits: dict[Split, SplitCounts] = {"test": SplitCounts(images=1, boxes=1, background=0)}
    data = CardData(source=source, licence=None, held_out=0, boxes={}, splits=splits)
    assert "From Roboflow acme/pets, search tag:reviewed. Licence" in card_markdown(card(data=data))
