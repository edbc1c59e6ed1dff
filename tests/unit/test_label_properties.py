"""Label files that nobody would think of: nothing but the typed errors comes out, and what is read makes sense."""

import json
import math
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tasks.errors import BadExport
from tasks.labeling.annotations import ListedBox
from tasks.labeling.checks.boxes import clip
from tasks.labeling.findings import KINDS, Notes
from tasks.labeling.formats import coco, csv_rows, voc, yolo, zips

# Derandomized, so that a green commit stays green; `make fuzz` looks further.
EXAMPLES = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
FIELDS = st.one_of(
    st.sampled_from(
        ["0", "1", "0.5", "-1", "nan", "inf", "1e400", "0x1", "", " ", "cat", "\uff11", "0.5.5", "-0", "1_0"]
    ),
    st.floats().map(str),
    st.text(max_size=8),
)
NUMBERS = st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.text(max_size=4))


def assert_one_line(error: BadExport) -> None:
    assert "\n" not in str(error)


def assert_known(notes: Notes) -> None:
    for finding in notes.findings():
        assert finding.code in KINDS
        assert finding.count >= 1
        assert "{" not in finding.message


@EXAMPLES
@given(st.lists(st.lists(FIELDS, max_size=9).map(" ".join), max_size=8).map("\n".join), st.booleans())
@example("0 1e400 .5 .2 .2", False)
def test_yolo_rows(text: str, keypoints: bool) -> None:
    notes = Notes()
    for row in yolo.read_rows(text, "a.txt", notes, keypoints=keypoints):
        assert isinstance(row.class_id, int)
        boxes = clip((ListedBox(*row),), 640, 480, "a.jpg", notes, "fractions")
        assert all(0 <= box.x1 < box.x2 <= 640 and 0 <= box.y1 < box.y2 <= 480 for box in boxes)
    assert_known(notes)


@EXAMPLES
@given(st.one_of(st.text(max_size=80), st.lists(FIELDS, max_size=5).map(lambda names: f"names: [{', '.join(names)}]")))
@example("names: &a [*a]")
@example("names: {1: a, 1.0: b}")
@example("!!binary x")
@example("2001-99-99")
def test_class_lists(text: str) -> None:
    try:
        read = yolo.read_class_list(text, "data.yaml")
    except BadExport as error:
        assert_one_line(error)
    else:
        assert all(isinstance(key, int) and name for key, name in read.names.items())


@EXAMPLES
@given(st.lists(st.tuples(st.sampled_from(["xmin", "xmax", "ymin", "ymax", "name", "zz"]), FIELDS), max_size=9))
def test_voc_objects(parts: list[tuple[str, str]]) -> None:
    notes = Notes()
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in parts)
    text = f"<annotation><object><name>cat</name><bndbox>{inner}</bndbox></object></annotation>"
    read = voc.read_annotation(text, "a.xml", notes)
    for item in read.objects if read else ():
        clip((ListedBox(0, *item[1:]),), 640, 480, "a.jpg", notes)
    assert_known(notes)


@EXAMPLES
@given(st.text(alphabet="<>/&;'\"!?[]-annotaiobjec x", max_size=60))
def test_voc_text(text: str) -> None:
    notes = Notes()
    voc.read_annotation(text, "a.xml", notes)
    assert_known(notes)


@EXAMPLES
@given(st.sampled_from([",".join(csv_rows.TENSORFLOW), ""]), st.lists(st.lists(FIELDS, max_size=9).map(",".join)))
@example(",".join(csv_rows.TENSORFLOW), ['"'])
@example("", ["a,1,2,3,4,b\x00"])
def test_csv_rows(head: str, lines: list[str]) -> None:
    notes = Notes()
    for row in csv_rows.read_rows("\n".join([head, *lines] if head else lines), "a.csv", notes):
        assert row.file_name
        clip((ListedBox(0, row.x, row.y, row.width, row.height),), 640, 480, "a.jpg", notes)
    assert_known(notes)


JSON = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
)
CATEGORY = st.fixed_dictionaries({}, optional={"id": NUMBERS, "name": NUMBERS, "supercategory": NUMBERS})
IMAGE = st.fixed_dictionaries(
    {}, optional={"id": NUMBERS, "file_name": st.one_of(NUMBERS, st.just("a.jpg")), "width": NUMBERS, "height": NUMBERS}
)
ANNOTATION = st.fixed_dictionaries(
    {},
    optional={
        "id": NUMBERS, "image_id": NUMBERS, "category_id": NUMBERS,
        "bbox": st.one_of(JSON, st.lists(NUMBERS, max_size=5)), "segmentation": JSON, "iscrowd": NUMBERS,
        "keypoints": JSON,
    },
)  # fmt: skip
DOCUMENT = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {},
        optional={
            "categories": st.lists(st.one_of(CATEGORY, JSON), max_size=3),
            "images": st.lists(st.one_of(IMAGE, JSON), max_size=3),
            "annotations": st.lists(st.one_of(ANNOTATION, JSON), max_size=3),
        },
    ),
)


@EXAMPLES
@given(DOCUMENT, DOCUMENT)
def test_coco_documents(train: object, valid: object) -> None:
    """As they come from a file: through JSON."""
    notes = Notes()
    try:
        labels = coco.parse({"train": json.loads(json.dumps(train)), "valid": json.loads(json.dumps(valid))}, notes)
    except BadExport as error:
        assert_one_line(error)
        return
    for image in labels.images:
        boxes = clip(image.boxes, 640, 480, image.file_name, notes)
        assert all(math.isfinite(value) for box in boxes for value in box)
        assert all(box.class_index < len(labels.classes) for box in boxes)
    assert_known(notes)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@EXAMPLES
@given(
    st.lists(st.tuples(st.text(max_size=12), st.binary(max_size=20)), max_size=4),
    st.integers(0, 400),
    st.binary(max_size=3),
)
def test_zips(tmp_path: Path, members: list[tuple[str, bytes]], at: int, patch: bytes) -> None:
    """With names of any kind, and with bytes changed anywhere; nothing gets out of the folder."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in members:
            try:
                info = zipfile.ZipInfo(name)
            except ValueError:
                continue
            file.writestr(info, data)
    content = bytearray(archive.read_bytes())
    content[at : at + len(patch)] = patch
    archive.write_bytes(content)
    folder = tmp_path / "out" / "deep"
    try:
        zips.unpack(archive, folder)
    except BadExport as error:
        assert_one_line(error)
    outside = {path for path in tmp_path.rglob("*") if path not in (archive, tmp_path / "out", folder)}
    assert all(folder in path.parents for path in outside)


def test_every_message_has_its_words() -> None:
    notes = Notes()
    for code in KINDS:
        notes.add(code, "somewhere")
    assert_known(notes)
    assert len(notes.findings()) == len(KINDS)
