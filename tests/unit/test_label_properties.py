"""Random label files: reading raises nothing but typed errors, and what is read makes sense."""

import json
import math
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tasks.errors import BadExport
from tasks.labeling.annotations import AnnotatedBox
from tasks.labeling.checks.boxes import clip_boxes
from tasks.labeling.finding_kinds import FINDING_KINDS
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats import class_lists, coco, csv_rows, voc, yolo_rows, zips

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


def assert_known_findings(findings: FindingCounter) -> None:
    for finding in findings.summary():
        assert finding.code in FINDING_KINDS
        assert finding.count >= 1
        assert "{" not in finding.message


@EXAMPLES
@given(st.lists(st.lists(FIELDS, max_size=9).map(" ".join), max_size=8).map("\n".join), st.booleans())
@example("0 1e400 .5 .2 .2", False)
def test_any_yolo_text_gives_valid_boxes(text: str, keypoints: bool) -> None:
    findings = FindingCounter()
    for row in yolo_rows.parse_rows(text, "a.txt", findings, keypoints=keypoints):
        assert isinstance(row.class_id, int)
        boxes = clip_boxes((AnnotatedBox(*row),), 640, 480, "a.jpg", findings, "fractions")
        assert all(0 <= box.x1 < box.x2 <= 640 and 0 <= box.y1 < box.y2 <= 480 for box in boxes)
    assert_known_findings(findings)


@EXAMPLES
@given(st.one_of(st.text(max_size=80), st.lists(FIELDS, max_size=5).map(lambda names: f"names: [{', '.join(names)}]")))
@example("names: &a [*a]")
@example("names: {1: a, 1.0: b}")
@example("!!binary x")
@example("2001-99-99")
def test_any_data_yaml_gives_a_class_list_or_is_refused(text: str) -> None:
    try:
        classes = class_lists.parse_class_list(text, "data.yaml")
    except BadExport as error:
        assert_one_line(error)
    else:
        assert all(isinstance(class_id, int) and name for class_id, name in classes.names.items())


@EXAMPLES
@given(st.lists(st.tuples(st.sampled_from(["xmin", "xmax", "ymin", "ymax", "name", "zz"]), FIELDS), max_size=9))
def test_any_voc_object_can_be_clipped(parts: list[tuple[str, str]]) -> None:
    findings = FindingCounter()
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in parts)
    text = f"<annotation><object><name>cat</name><bndbox>{inner}</bndbox></object></annotation>"
    annotation = voc.parse_annotation(text, "a.xml", findings)
    for box in annotation.boxes if annotation else ():
        clip_boxes((AnnotatedBox(0, *box[1:]),), 640, 480, "a.jpg", findings)
    assert_known_findings(findings)


@EXAMPLES
@given(st.text(alphabet="<>/&;'\"!?[]-annotaiobjec x", max_size=60))
def test_any_xml_text_gives_known_findings(text: str) -> None:
    findings = FindingCounter()
    voc.parse_annotation(text, "a.xml", findings)
    assert_known_findings(findings)


@EXAMPLES
@given(
    st.sampled_from([",".join(csv_rows.TENSORFLOW_COLUMNS), ""]), st.lists(st.lists(FIELDS, max_size=9).map(",".join))
)
@example(",".join(csv_rows.TENSORFLOW_COLUMNS), ['"'])
@example("", ["a,1,2,3,4,b\x00"])
def test_any_csv_lines_give_rows_with_file_names(head: str, lines: list[str]) -> None:
    findings = FindingCounter()
    for row in csv_rows.parse_rows("\n".join([head, *lines] if head else lines), "a.csv", findings):
        assert row.file_name
        if row.box:
            clip_boxes((AnnotatedBox(0, *row.box[1:]),), 640, 480, "a.jpg", findings)
    assert_known_findings(findings)


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
def test_any_coco_document_gives_valid_boxes_or_is_refused(train: object, valid: object) -> None:
    """The values go through JSON, as from a file."""
    findings = FindingCounter()
    try:
        annotations = coco.parse_documents(
            {"train": json.loads(json.dumps(train)), "valid": json.loads(json.dumps(valid))}, findings
        )
    except BadExport as error:
        assert_one_line(error)
        return
    for image in annotations.images:
        boxes = clip_boxes(image.boxes, 640, 480, image.file_name, findings)
        assert all(math.isfinite(value) for box in boxes for value in box)
        assert all(box.class_index < len(annotations.classes) for box in boxes)
    assert_known_findings(findings)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@EXAMPLES
@given(
    st.lists(st.tuples(st.text(max_size=12), st.binary(max_size=20)), max_size=4),
    st.integers(0, 400),
    st.binary(max_size=3),
)
def test_no_zip_writes_outside_its_folder(
    tmp_path: Path, members: list[tuple[str, bytes]], at: int, patch: bytes
) -> None:
    """Whatever its members are called, and whichever of its bytes are changed."""
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
    unpacked = {path for path in tmp_path.rglob("*") if path not in (archive, tmp_path / "out", folder)}
    assert all(folder in path.parents for path in unpacked)


def test_every_finding_has_a_complete_message() -> None:
    findings = FindingCounter()
    for code in FINDING_KINDS:
        findings.add(code, "somewhere")
    assert_known_findings(findings)
    assert len(findings.summary()) == len(FINDING_KINDS)
