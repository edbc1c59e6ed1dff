"""Exports as other labelling tools lay them out: the same labels are the same snapshot."""

import json
import re
import shutil
import unicodedata

import pytest

from tasks.errors import BadExport, BadRequest
from tasks.labeling.formats.zips import pack
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.records import LabelRules
from tests.fakes.formats import CLASSES, FORMATS, HEIGHT, SPLITS, WIDTH, write_in
from tests.fakes.tool_exports import TEST, coco_document, write_coco, write_images, write_yolo


def findings_of(inspection):
    """Findings by code."""
    return {finding.code: finding for finding in inspection.findings}


def counts_of(inspection):
    """Images and boxes by split."""
    return {split: (counts.images, counts.boxes) for split, counts in inspection.splits.items()}


COUNTS = {"train": (3, 3), "valid": (2, 1), "test": (1, 1)}


def by_split(pattern, train="train", valid="val", test="test"):
    """Paths by split, with the tool's own word for each."""
    return {split: pattern.format(word) for split, word in {"train": train, "valid": valid, "test": test}.items()}


@pytest.fixture(scope="module")
def digest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roboflow")
    return require_snapshot(inspect_export(write_in("coco", folder / "export", TEST), folder / "scratch")).digest


# COCO ---------------------------------------------------------------------------------------------

CVAT_WORDS = {"train": "Train", "valid": "Validation", "test": "Test"}
COCO_LAYOUTS = {
    "COCO's own": (by_split("annotations/instances_{}2017.json"), by_split("{}2017")),
    "CVAT": (by_split("annotations/instances_{}.json", **CVAT_WORDS), by_split("images/{}", **CVAT_WORDS)),
    "datumaro": (by_split("annotations/instances_{}.json"), by_split("images/{}")),
    "FiftyOne": (by_split("{}/labels.json"), by_split("{}/data")),
    "one folder of images": (by_split("annotations/instances_{}.json"), by_split("images")),
    "documents at the top": (by_split("{}.json"), by_split("{}")),
}


@pytest.mark.parametrize("name", COCO_LAYOUTS)
def test_cases_f4_coco_is_read_wherever_its_documents_lie(digest, tmp_path, name):
    documents, images = COCO_LAYOUTS[name]
    path = write_coco(tmp_path / "export", documents, images)
    if name == "COCO's own":  # key points and captions lie beside, with boxes of people alone
        (path / "annotations/person_keypoints_train2017.json").write_text(json.dumps(coco_document({})))
        (path / "annotations/captions_train2017.json").write_text('{"images": [], "annotations": []}')
    inspection = inspect_export(path, tmp_path / "scratch")
    assert counts_of(inspection) == COUNTS
    assert not {finding.code for finding in inspection.findings if finding.code.startswith("image-")}
    # The images of FiftyOne are below the split's folder, so their names differ.
    assert (require_snapshot(inspection).digest == digest) is (name != "FiftyOne")


def test_cases_f4_coco_without_splits_is_all_train(tmp_path):
    path = tmp_path / "export"
    write_coco(
        path, {"train": "annotations/instances_default.json"}, {"train": "images/default"}, {"train": SPLITS["train"]}
    )
    assert counts_of(inspect_export(path, tmp_path / "scratch")) == {"train": (3, 3)}


# CVAT's YOLO --------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [CVAT_WORDS, {"train": "TRAIN", "valid": "val", "test": "testing"}])
def test_cases_cvat_subsets_of_yolo_are_splits_whatever_their_case(digest, tmp_path, words):
    path = write_yolo(tmp_path / "export", by_split("images/{}", **words), by_split("labels/{}", **words))
    lists = "".join(f"{word}: {word}.txt\n" for word in words.values())
    (path / "data.yaml").write_text(f"{lists}names:\n  0: cat\n  1: dog\npath: .\n")
    inspection = inspect_export(path, tmp_path / "scratch")
    assert counts_of(inspection) == COUNTS
    assert require_snapshot(inspection).digest == digest


def test_cases_cvat_subsets_of_darknet_are_splits(digest, tmp_path):
    folders = by_split("obj_{}_data", **CVAT_WORDS)
    path = write_yolo(tmp_path / "export", folders, folders)
    (path / "obj.names").write_text("".join(f"{name}\n" for name in CLASSES))
    lists = "".join(f"{word} = data/{word}.txt\n" for word in CVAT_WORDS.values())
    (path / "obj.data").write_text(f"classes = 2\n{lists}names = data/obj.names\nbackup = backup/\n")
    inspection = inspect_export(path, tmp_path / "scratch")
    assert counts_of(inspection) == COUNTS
    assert require_snapshot(inspection).digest == digest


@pytest.mark.parametrize("lists", ["data.yaml", "obj.data"])
def test_cases_cvat_lists_divide_one_folder_of_images(digest, tmp_path, lists):
    """An image that no list names is left out, and counted."""
    labels = "images" if lists == "obj.data" else "labels"
    path = write_yolo(tmp_path / "export", by_split("images"), by_split(labels))
    write_images(path / "images", "train", ["more.jpg"])
    for split, boxes in TEST.items():
        (path / f"{split}.txt").write_text("".join(f"data/images/{name}\n" for name in boxes))
    if lists == "obj.data":
        (path / "obj.names").write_text("cat\ndog\n")
        (path / "obj.data").write_text("".join(f"{split} = data/{split}.txt\n" for split in TEST))
    else:
        (path / "data.yaml").write_text("names: [cat, dog]\n" + "".join(f"{split}: {split}.txt\n" for split in TEST))
    inspection = inspect_export(path, tmp_path / "scratch")
    assert counts_of(inspection) == COUNTS
    assert require_snapshot(inspection).digest == digest
    assert findings_of(inspection)["image-unlisted"].examples == ("train/more.jpg",)


def test_cases_cvat_entries_of_data_yaml_name_the_folders_of_splits(digest, tmp_path):
    words = {"train": "part1", "valid": "part2", "test": "part3"}
    path = write_yolo(tmp_path / "export", by_split("images/{}", **words), by_split("labels/{}", **words))
    entries = "train: images/part1\nval: ./images/part2\ntest: data/images/part3\n"
    (path / "data.yaml").write_text(f"{entries}names: [cat, dog]\n")
    assert require_snapshot(inspect_export(path, tmp_path / "scratch")).digest == digest


def test_cases_cvat_a_list_that_names_no_image_is_an_error(tmp_path):
    path = write_yolo(tmp_path / "export", by_split("images"), by_split("labels"))
    (path / "data.yaml").write_text("names: [cat, dog]\ntrain: train.txt\n")
    (path / "train.txt").write_text("data/images/a.jpg\ndata/images/gone.jpg\n")
    inspection = inspect_export(path, tmp_path / "scratch")
    assert findings_of(inspection)["list-entry-missing"].examples == ("train: data/images/gone.jpg",)


def test_cases_cvat_a_folder_that_looks_like_a_split_and_is_none_is_an_error(tmp_path):
    path = write_in("yolo", tmp_path / "export")
    write_images(path / "images" / "Test", "test", ["t.jpg"])
    with pytest.raises(
        BadExport, match=r"images/Test/ looks like the test split, but is not read as one beside train/"
    ):
        inspect_export(path, tmp_path / "scratch")


@pytest.mark.parametrize("kind", ["coco", "yolo", "voc"])
def test_cases_cvat_a_test_folder_without_labels_is_left_out(tmp_path, kind):
    """The evaluation uses valid; a valid folder without labels stays an error."""
    path = write_in(kind, tmp_path / "export")
    write_images(path / "test" / "images", "test", ["t.jpg"])
    if kind == "yolo":  # with the folder that has nothing in it
        (path / "test" / "labels").mkdir()
    inspection = inspect_export(path, tmp_path / "scratch")
    assert counts_of(inspection) == {split: COUNTS[split] for split in SPLITS}
    assert findings_of(inspection)["test-without-labels"].examples == ("test/",)
    assert "no-test-split" in findings_of(inspection)
    (path / "test").rename(path / "testing")
    shutil.rmtree(path / "valid")
    (path / "testing").rename(path / "valid")
    with pytest.raises(BadExport, match=r"valid/ has images but no labels|not one label file for them: 1"):
        require_snapshot(inspect_export(path, tmp_path / "scratch"))


# CVAT's XML ---------------------------------------------------------------------------------------

SHAPES = {
    '<box label="cat" xtl="10" ytl="10" xbr="50" ybr="40" z_order="0"><attribute name="a">b</attribute></box>':
        (10, 10, 50, 40),
    '<box label="cat" xtl="10" ytl="20" xbr="50" ybr="40" rotation="90.00"/>': (20, 10, 40, 50),
    '<box label="cat" xtl="40" ytl="30" xbr="60" ybr="50" rotation="45"/>': (35.858, 25.858, 64.142, 54.142),
    '<polygon label="cat" points="10.00,10.00;30.00,12.00;20.00,40.00"/>': (10, 10, 30, 40),
    '<mask label="cat" rle="0, 100" left="10" top="20" width="10" height="10"/>': (10, 20, 20, 30),
    '<ellipse label="cat" cx="50" cy="40" rx="20" ry="10" rotation="90"/>': (40, 20, 60, 60),
    '<polyline label="cat" points="1,1;2,2"/>': None,
    '<tag label="cat"/>': None,
    '<box label="cat" xtl="x" ytl="20" xbr="50" ybr="40"/>': None,
}  # fmt: skip


def write_cvat(folder, body, names=CLASSES, document="annotations.xml"):
    """CVAT's document around the images or tracks in ``body``."""
    labels = "".join(f"<label><name>{name}</name><color>#fff</color></label>" for name in names)
    meta = f"<meta><task><id>1</id><labels>{labels}</labels></task></meta>"
    folder.mkdir(parents=True, exist_ok=True)
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>{meta}{body}</annotations>'
    (folder / document).write_text(text)
    return folder


def test_cases_cvat_xml_of_datumaro_is_a_document_a_split_beside_one_folder_of_images(digest, tmp_path):
    path = tmp_path / "export"
    for split, images in TEST.items():
        body = "".join(
            f'<image name="{name}" width="{WIDTH}" height="{HEIGHT}">'
            + "".join(f'<box label="{b[0]}" xtl="{b[1]}" ytl="{b[2]}" xbr="{b[3]}" ybr="{b[4]}"/>' for b in boxes)
            + "</image>"
            for name, boxes in images.items()
        )
        write_cvat(path, body, document=f"{'val' if split == 'valid' else split}.xml")
        write_images(path / "images", split, images)
    inspection = inspect_export(path, tmp_path / "scratch")
    assert (inspection.format, counts_of(inspection)) == ("cvat", COUNTS)
    assert require_snapshot(inspection).digest == digest


@pytest.mark.parametrize("shape", SHAPES)
def test_cases_cvat_xml_gives_a_shape_its_bounding_rectangle(tmp_path, shape):
    sound = '<box label="cat" xtl="1" ytl="2" xbr="60" ybr="70"/>'
    body = "".join(
        f'<image id="{at}" name="{at}.jpg" width="100" height="80">{shape if at == 0 else sound}</image>'
        for at in range(5)
    )
    write_images(tmp_path / "export" / "images", "train", [f"{at}.jpg" for at in range(5)])
    inspection = inspect_export(write_cvat(tmp_path / "export", body), tmp_path / "scratch")
    [image] = [image for image in inspection.images if image.file_name == "0.jpg"]
    assert [pytest.approx(box[1:], abs=0.001) for box in image.boxes] == ([SHAPES[shape]] if SHAPES[shape] else [])
    codes = findings_of(inspection).keys()
    assert ("shape-without-box" in codes) == ("polyline" in shape)
    assert ("label-line-bad" in codes) == ('xtl="x"' in shape)


def test_cases_cvat_xml_subsets_are_splits(digest, tmp_path):
    body = ""
    for split, boxes in TEST.items():
        write_images(tmp_path / "export" / "images", split, boxes)
        for at, (name, shapes) in enumerate(boxes.items()):
            corners = 'xtl="{}" ytl="{}" xbr="{}" ybr="{}"'
            inner = "".join(f'<box label="{shape[0]}" {corners.format(*shape[1:])}/>' for shape in shapes)
            subset = CVAT_WORDS[split]
            body += f'<image id="{at}" name="{name}" subset="{subset}" width="100" height="80">{inner}</image>'
    inspection = inspect_export(write_cvat(tmp_path / "export", body), tmp_path / "scratch")
    assert (inspection.format, counts_of(inspection)) == ("cvat", COUNTS)
    assert require_snapshot(inspection).digest == digest


def test_cases_cvat_xml_tracks_of_a_video_are_boxes_of_its_frames(tmp_path):
    """An object that is outside has left the frame."""
    write_images(tmp_path / "export" / "images", "train", [f"frame_{at:06d}.PNG" for at in range(4)])
    shape = '<box frame="{}" keyframe="{}" outside="{}" occluded="0" xtl="10" ytl="10" xbr="50" ybr="40"/>'
    shapes = "".join(shape.format(at, int(at == 0), int(at == 3)) for at in range(4))
    body = f'<track id="0" label="dog" source="manual">{shapes}</track>'
    inspection = inspect_export(write_cvat(tmp_path / "export", body), tmp_path / "scratch")
    boxes = {image.file_name: len(image.boxes) for image in inspection.images}
    assert boxes == {f"frame_{at:06d}.PNG": int(at < 3) for at in range(4)}
    assert inspection.classes == ("cat", "dog")


# Label Studio -------------------------------------------------------------------------------------

TRAIN = {"train": {f"b{number}.jpg": [("cat", 10, 10, 50, 40)] for number in range(10)}}


@pytest.mark.parametrize("classes", ["classes.txt", "config.yaml"])
def test_cases_label_studio_yolo_has_its_classes_beside_the_images(tmp_path, classes):
    path = tmp_path / "export"
    below = "dataset/" if classes == "config.yaml" else ""
    write_yolo(path, {"train": f"{below}images"}, {"train": f"{below}labels"}, TRAIN)
    (path / "notes.json").write_text('{"categories": [{"id": 0, "name": "cat"}], "info": {}}')
    if classes == "config.yaml":
        (path / classes).write_text("path: ./dataset/\ntrain: images\nval: images\nnames:\n  0: cat\n")
    else:
        (path / classes).write_text("cat\n")
    inspection = inspect_export(path, tmp_path / "scratch")
    assert inspection.classes == ("cat",)
    assert counts_of(inspection) == {"train": (10, 10)}
    assert require_snapshot(inspection).counts()["valid"].images == 2


def test_cases_label_studio_yolo_may_have_its_classes_in_each_split(digest, tmp_path):
    path = write_yolo(tmp_path / "export", by_split("{}/images"), by_split("{}/labels"))
    for split in ("train", "val", "test"):
        (path / split / "classes.txt").write_text("cat\ndog\n")
    assert require_snapshot(inspect_export(path, tmp_path / "scratch")).digest == digest
    (path / "val" / "classes.txt").write_text("dog\ncat\n")
    with pytest.raises(BadExport, match=r"val/classes.txt has other names than the first one; label all splits"):
        inspect_export(path, tmp_path / "scratch")


@pytest.mark.parametrize(
    ("prefix", "code"),
    [
        ("../../label-studio/data/media/upload/7/", "image-by-last-part"),
        ("..\\..\\media\\upload\\7\\", "image-by-last-part"),
        ("images\\", None),
        ("images/", None),
        ("", None),
    ],
)
def test_cases_f2_label_studio_names_an_image_by_its_storage_path(tmp_path, prefix, code):
    path = tmp_path / "export"
    write_images(path / "images", "train", TRAIN["train"])
    (path / "result.json").write_text(json.dumps(coco_document(TRAIN["train"], prefix)))
    inspection = inspect_export(path, tmp_path / "scratch")
    assert counts_of(inspection) == {"train": (10, 10)}
    assert {image.file_name for image in inspection.images} == {f"images/{name}" for name in TRAIN["train"]}
    about_images = {finding.code: finding.count for finding in inspection.findings if finding.code.startswith("image-")}
    assert about_images == ({code: 10} if code else {})


def test_cases_f2_a_name_that_fits_two_images_is_an_error(tmp_path):
    path = tmp_path / "export"
    for folder in ("a", "b"):
        write_images(path / "images" / folder, folder, ["b0.jpg"])
    document = coco_document({"b0.jpg": [("cat", 10, 10, 50, 40)]}, "../upload/7/")
    (path / "result.json").write_text(json.dumps(document))
    with pytest.raises(BadExport, match=r"fit several images: 1; .*images/a/b0.jpg or images/b/b0.jpg"):
        require_snapshot(inspect_export(path, tmp_path / "scratch"))


@pytest.mark.parametrize("kind", ["yolo", "coco"])
def test_cases_f12_images_that_nobody_may_have_looked_at_are_counted_and_can_be_left_out(tmp_path, kind):
    path, boxes = tmp_path / "export", {**TRAIN["train"], "empty.jpg": []}
    if kind == "yolo":
        write_yolo(path, {"train": "images"}, {"train": "labels"}, {"train": boxes})
        (path / "classes.txt").write_text("cat\n")
        (path / "notes.json").write_text("{}")
    else:
        write_images(path / "images", "train", boxes)
        (path / "result.json").write_text(json.dumps(coco_document(boxes)))
    kept = inspect_export(path, tmp_path / "scratch")
    assert findings_of(kept)["background-unclear"].count == 1
    assert counts_of(kept) == {"train": (11, 10)}
    dropped = inspect_export(path, tmp_path / "scratch", rules=LabelRules(background="drop"))
    assert findings_of(dropped)["background-dropped"].count == 1
    assert counts_of(dropped) == {"train": (10, 10)}
    assert not findings_of(dropped).keys() & {"background-unclear", "image-unlisted"}


def write_of_annotators(folder, names):
    """Two images with an entry of each annotator, one with an entry of the second alone, one that nobody drew in."""
    images, annotations, file_names = [], [], set()
    for number, (name, drawn_by) in enumerate([("a", 0), ("a", 1), ("b", 0), ("b", 1), ("c", 1), ("d", None)]):
        file_names.add(f"{name}.jpg")
        images.append({"id": number, "file_name": f"{name}.jpg", "width": None, "height": None})
        if drawn_by is not None:
            box = {"id": number, "image_id": number, "category_id": 1, "bbox": [10 + 30 * drawn_by, 10, 20, 20]}
            annotations.append(box | ({"annotator": names[drawn_by]} if names else {}))
    write_images(folder / "images", "train", file_names)
    document = coco_document({}) | {"images": images, "annotations": annotations}
    (folder / "result.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize(("names", "chosen"), [(("ann@x.org", "bob@x.org"), "bob@x.org"), ((7, 12), "12")])
def test_cases_f11_one_annotator_is_chosen(tmp_path, names, chosen):
    path = write_of_annotators(tmp_path / "export", names)
    inspection = inspect_export(path, tmp_path / "scratch", rules=LabelRules(annotator=chosen))
    boxes = {image.file_name: [box.x1 for box in image.boxes] for image in inspection.images}
    assert boxes == {"images/a.jpg": [40], "images/b.jpg": [40], "images/c.jpg": [40], "images/d.jpg": []}
    assert not findings_of(inspection).keys() & {"annotators-disagree", "annotator-other", "image-listed-twice"}
    first = inspect_export(path, tmp_path / "scratch", rules=LabelRules(annotator=str(names[0])))
    assert findings_of(first)["annotator-other"].examples == ("train/c.jpg",)
    assert counts_of(first) == {"train": (3, 2)}


def test_cases_f11_an_annotator_that_the_labels_do_not_name_is_refused(tmp_path):
    rules = LabelRules(annotator="cleo")
    path = write_of_annotators(tmp_path / "named", ("ann", "bob"))
    with pytest.raises(BadRequest, match="no annotation is of the annotator cleo; there are ann, bob"):
        inspect_export(path, tmp_path / "scratch", rules=rules)
    path = write_of_annotators(tmp_path / "broken", ("ann", "bob"))
    (path / "result.json").write_text((path / "result.json").read_text().replace('"image_id": 3', '"image_id": [3]'))
    with pytest.raises(BadExport, match=r"image_id is \[3\], not an id"):
        inspect_export(path, tmp_path / "scratch", rules=rules)
    path = write_of_annotators(tmp_path / "silent", ())
    with pytest.raises(BadRequest, match="no annotation names its annotator; export from Label Studio with"):
        inspect_export(path, tmp_path / "scratch", rules=rules)
    with pytest.raises(BadRequest, match="Pascal VOC does not name annotators"):
        inspect_export(write_in("voc", tmp_path / "voc"), tmp_path / "scratch", rules=rules)


# Pascal VOC ---------------------------------------------------------------------------------------


def write_flat_voc(folder, suffix=".xml", names=str):
    """Pascal VOC as its own development kit lays it out: one folder of images, one of labels, and lists."""
    parts = write_in("voc", folder.with_name("parts"), TEST)
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for split, boxes in TEST.items():
        for name in boxes:
            (parts / split / name).rename(folder / "JPEGImages" / name)
            label = (parts / split / name).with_suffix(".xml")
            label.rename(folder / "Annotations" / names(label.with_suffix(suffix).name))
        lines = "".join(f"{name.removesuffix('.jpg')}\n" for name in boxes)
        (folder / "ImageSets" / "Main" / f"{'val' if split == 'valid' else split}.txt").write_text(lines)
    return folder


def test_cases_voc_lists_of_image_sets_are_splits(digest, tmp_path):
    inspection = inspect_export(write_flat_voc(tmp_path / "export"), tmp_path / "scratch")
    assert counts_of(inspection) == COUNTS
    assert require_snapshot(inspection).digest == digest
    assert not findings_of(inspection).keys() & {"label-without-image", "image-unlisted"}


@pytest.mark.parametrize(("suffix", "names"), [(".XML", str), (".xml", str.upper), (".jpg.xml", str)])
def test_cases_voc_labels_are_paired_whatever_their_case(digest, tmp_path, suffix, names):
    inspection = inspect_export(write_flat_voc(tmp_path / "export", suffix, names), tmp_path / "scratch")
    assert require_snapshot(inspection).digest == digest
    assert ("label-name-differs" in findings_of(inspection)) == ((suffix, names) != (".XML", str))
    assert "label-missing" not in findings_of(inspection)


# Names of files and folders -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["yolo", "coco", "voc"])
def test_cases_names_of_folders_may_be_capitalised(digest, tmp_path, kind):
    path = write_in(kind, tmp_path / "export", TEST)
    for folder in sorted((folder for folder in path.rglob("*") if folder.is_dir()), reverse=True):
        folder.rename(folder.with_name(folder.name.capitalize()))
    assert require_snapshot(inspect_export(path, tmp_path / "scratch")).digest == digest


@pytest.mark.parametrize("kind", FORMATS)
def test_cases_names_may_have_another_form_of_unicode(tmp_path, kind):
    """As a Mac writes the names of files, and another machine those in the labels."""
    name = unicodedata.normalize("NFC", "\u00fc.jpg")
    path = write_in(kind, tmp_path / "export", {"train": {name: [("cat", 10, 10, 50, 40)], **SPLITS["train"]}})
    [image] = path.rglob(name)
    image.rename(image.with_name(unicodedata.normalize("NFD", name)))
    inspection = inspect_export(path, tmp_path / "scratch")
    assert counts_of(inspection) == {"train": (4, 4)}
    unmatched = {"image-missing", "label-missing", "image-unlisted"} & findings_of(inspection).keys()
    examples = [example for code in unmatched for example in findings_of(inspection)[code].examples]
    assert examples == (["train/e.jpg"] if kind == "tensorflow-csv" else [])  # which has no rows for background


@pytest.mark.parametrize("kind", ["yolo", "darknet"])
def test_cases_names_a_label_file_may_have_both_suffixes(digest, tmp_path, kind):
    """Beside the images, and in a folder of their own: ``x.jpg.txt``."""
    path = write_in(kind, tmp_path / "export", TEST)
    for label in [*path.rglob("*/labels/*.txt"), *path.glob("[tv]*/*.txt")]:
        label.rename(label.with_suffix(".jpg.txt"))
    inspection = inspect_export(path, tmp_path / "scratch")
    assert require_snapshot(inspection).digest == digest
    assert findings_of(inspection)["label-name-differs"].count == 6


def test_cases_names_rows_beside_images_may_have_both_suffixes(tmp_path):
    path = write_yolo(tmp_path / "export", {"train": "train"}, {"train": "train"}, TRAIN)
    for label in path.glob("train/*.txt"):
        label.rename(label.with_suffix(".jpg.txt"))
    (path / "data.yaml").write_text("names: [cat]\n")
    assert counts_of(inspect_export(path, tmp_path / "scratch")) == {"train": (10, 10)}


@pytest.mark.parametrize("kind", ["tensorflow-csv", "retinanet-csv"])
def test_cases_names_of_csv_may_be_paths_of_another_machine(digest, tmp_path, kind):
    path = write_in(kind, tmp_path / "export", TEST)
    for file in path.rglob("_annotations.csv"):
        file.write_text(re.sub(r"(?m)^(?=\w\.jpg)", r"C:\\data\\", file.read_text()))
    inspection = inspect_export(path, tmp_path / "scratch")
    assert require_snapshot(inspection).digest == digest
    assert findings_of(inspection)["image-by-last-part"].count > 0


def test_cases_names_images_beside_the_splits_are_counted(tmp_path):
    path = write_in("yolo", tmp_path / "export")
    write_images(path / "more" / "images", "train", ["x.jpg", "y.jpg"])
    write_images(path / "coco8" / "images" / "train", "train", ["z.jpg"])
    finding = findings_of(inspect_export(path, tmp_path / "scratch"))["images-beside"]
    assert (finding.count, set(finding.examples)) == (3, {"coco8/images/train/: 1", "more/images/: 2"})


# What is no export --------------------------------------------------------------------------------


def test_cases_nearest_a_folder_with_a_zip_says_so(tmp_path):
    pack(write_in("coco", tmp_path / "parts"), tmp_path / "export.zip")
    (tmp_path / "folder").mkdir()
    (tmp_path / "export.zip").rename(tmp_path / "folder" / "export.zip")
    with pytest.raises(BadExport, match=r"folder: no labels in it, but the zip export.zip; name the zip itself"):
        inspect_export(tmp_path / "folder", tmp_path / "scratch")


def test_cases_nearest_coco_that_belongs_to_no_split_is_named(tmp_path):
    path = tmp_path / "export"
    write_coco(path, {"train": "labels/all.json"}, {"train": "train"}, {"train": SPLITS["train"]})
    with pytest.raises(BadExport, match=r"COCO JSON in labels/all.json, but") as caught:
        inspect_export(path, tmp_path / "scratch")
    assert "export it as" not in str(caught.value)


def test_cases_nearest_a_coco_document_without_its_images_is_named(tmp_path):
    documents, images = COCO_LAYOUTS["COCO's own"]
    path = write_coco(tmp_path / "export", documents, images)
    shutil.rmtree(path / "train2017")
    match = r"COCO JSON in annotations/instances_train2017.json, but no images of the train split .* train2017/"
    with pytest.raises(BadExport, match=match):
        inspect_export(path, tmp_path / "scratch")


@pytest.mark.parametrize("name", ["Test", "training", "default"])
def test_cases_names_a_folder_around_everything_may_be_called_as_a_split(digest, tmp_path, name):
    write_in("coco", tmp_path / "export" / name, TEST)
    assert require_snapshot(inspect_export(tmp_path / "export", tmp_path / "scratch")).digest == digest


def test_cases_nearest_git_lfs_pointers_are_one_error(tmp_path):
    path = write_in("coco", tmp_path / "export")
    for image in path.rglob("*.jpg"):
        image.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n")
    with pytest.raises(BadExport, match=r"export: all 5 images are Git LFS pointers, .* `git lfs pull`"):
        inspect_export(path, tmp_path / "scratch")
