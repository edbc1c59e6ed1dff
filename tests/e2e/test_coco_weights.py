"""A retrain run from COCO weights: fetched by a worker, kept in the store, named on the card of the model."""

from tasks.local.files import file_sha256
from tasks.records import COCO_LICENCE
from tasks.storage.s3 import Store
from tests.e2e.stack import TINY
from tests.fakes.coco_checkpoint import write_checkpoint


def test_a_model_from_coco_weights_names_their_source_and_licence(stack, coco_server, export, tmp_path):
    checkpoint = write_checkpoint(tmp_path / "checkpoint.pth")
    sha256 = file_sha256(checkpoint)
    coco_server.replace(checkpoint.read_bytes())
    asked = ["--weights", "coco", "--weights-sha256", sha256, "--accept-licence", "--epochs", "1", *TINY]
    stack.nasflow("retrain", "--export", str(export), "--project", "from-coco", *asked)

    key = f"pretrained/{sha256}/yolo_nas_s_coco.pth"
    assert [one for one in Store.from_environment().list("pretrained/") if sha256 in one and one.endswith("pth")] == [
        key
    ]
    card = stack.nasflow("models", "card", "from-coco")["card"]
    start = card["training"]["start"]
    assert (start["source"], start["sha256"], start["licence"]) == (f"store://{key}", sha256, COCO_LICENCE)
    assert start["loaded"].startswith("915 of 921 tensors kept")
    assert card["spec"]["weights_sha256"] == sha256
