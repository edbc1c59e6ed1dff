"""Contents of YOLO, VOC and CSV label files, sound and faulty, and class maps. No files."""

import pytest

from tasks.errors import BadExport, BadRequest
from tasks.labeling.annotations import AnnotatedBox, AnnotatedImage, Annotations, NamedBox
from tasks.labeling.checks.boxes import clip_boxes
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats import class_lists, coco, csv_rows, voc, yolo_rows
from tasks.labeling.formats.class_map import drop_undeclared, map_classes
from tests.fakes.exports import document


def counts(findings):
    """Number of findings by code."""
    return {finding.code: finding.count for finding in findings.summary()}


# YOLO ---------------------------------------------------------------------------------------------


def rows_of(text, **options):
    findings = FindingCounter()
    return list(yolo_rows.parse_rows(text, "a.txt", findings, **options)), findings


def test_a_yolo_row_is_a_centre_with_width_and_height():
    [row], findings = rows_of("1 0.5 0.5 0.25 0.5\n")
    assert row == (1, 0.375, 0.25, 0.25, 0.5)
    assert counts(findings) == {}


def test_cases_a8_a_polygon_becomes_its_bounding_box():
    [row], findings = rows_of("0 .1 .1 .9 .1 .9 .9 .1 .9")
    assert row == (0, 0.1, 0.1, pytest.approx(0.8), pytest.approx(0.8))
    assert counts(findings) == {"box-from-polygon": 1}


@pytest.mark.parametrize(
    "text", ["\ufeff0 .5 .5 .2 .2", "0.0 .5 .5 .2 .2", "  0\t.5  .5 .2 .2 ", "\n\n0 .5 .5 .2 .2\r\n"]
)
def test_cases_a8_byte_order_marks_blanks_and_float_class_ids_are_accepted(text):
    [row], findings = rows_of(text)
    assert row == (0, 0.4, 0.4, 0.2, 0.2)
    assert counts(findings) == {}


@pytest.mark.parametrize(
    "line",
    [
        "0 .5 .5 .2 .2 -.9",
        "0,.5,.5,.2,.2",
        "0 .5 .5 .2",
        "cat .5 .5 .2 .2",
        "0.5 .5 .5 .2 .2",
        "nan 1 1 1 1",
        "0 .1 .1 nan .1 .9 .9 .1 .9",
    ],
)
def test_cases_a8_bad_lines_are_named_with_file_and_line(line):
    rows, findings = rows_of(f"0 .5 .5 .2 .2\n{line}\n")
    assert len(rows) == 1
    [finding] = findings.summary()
    assert (finding.code, finding.count, finding.examples) == ("label-line-bad", 1, (f"a.txt:2: {line}",))
    assert findings.label_lines == 2


def test_cases_a8_boxes_in_pixels_are_errors():
    rows, findings = rows_of("0 320 240 100 80")
    assert rows == []
    [finding] = findings.summary()
    assert (finding.code, finding.severity, finding.examples) == ("box-in-pixels", "error", ("a.txt:1",))


@pytest.mark.parametrize(
    ("line", "expected", "code"),
    [
        ("0 1.2 .5 .2 .2", [], "box-dropped"),
        ("0 1.0 .5 .2 .2", [(90, 40, 100, 60)], "box-clipped"),
        ("0 .5 .5 0 .2", [], "box-dropped"),
        ("0 nan .5 .2 .2", [], "box-dropped"),
    ],
)
def test_cases_a8_boxes_over_the_edge_are_clipped_or_dropped(line, expected, code):
    rows, findings = rows_of(line)
    boxes = clip_boxes(tuple(AnnotatedBox(*row) for row in rows), 100, 100, "a.jpg", findings, "fractions")
    assert [box[1:] for box in boxes] == expected
    assert counts(findings) == {code: 1}


def test_cases_a8_duplicate_rows_give_one_box():
    rows, findings = rows_of("0 .5 .5 .2 .2\n0 .5 .5 .2 .2\n1 .5 .5 .2 .2")
    boxes = clip_boxes(tuple(AnnotatedBox(*row) for row in rows), 100, 100, "a.jpg", findings, "fractions")
    assert [box.class_index for box in boxes] == [0, 1]
    assert counts(findings) == {"box-twice": 1}


def test_keypoints_in_rows_are_ignored_and_counted():
    [row], findings = rows_of("0 .5 .5 .2 .2 .1 .1 2 .3 .3 2", keypoints=True)
    assert row == (0, 0.4, 0.4, 0.2, 0.2)
    assert counts(findings) == {"keypoints-ignored": 1}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names: [cat, dog]", {0: "cat", 1: "dog"}),
        ("nc: 2\nnames:\n  0: cat\n  5: 1\n", {0: "cat", 5: "1"}),
        ("names: ['-', ' x ']", {0: "-", 1: "x"}),
        ("names: [no, car, y]", {0: "no", 1: "car", 2: "y"}),
        ("names: [010, 1_000, 2024-01-01, 1:30]", {0: "010", 1: "1_000", 2: "2024-01-01", 3: "1:30"}),
        ("names: ['null', 1e3, .5]", {0: "null", 1: "1e3", 2: ".5"}),
    ],
)
def test_the_class_list_is_a_list_or_names_by_id(text, names):
    assert class_lists.parse_class_list(text, "data.yaml") == (names, False)


def test_a_class_list_says_whether_rows_have_keypoints():
    assert class_lists.parse_class_list("kpt_shape: [17, 3]\nnames: [person]", "data.yaml").keypoints


BOMB_OF_ALIASES = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
) + "names: [*i]\n"  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no list of class names"),
        ("names: []", "no list of class names"),
        ("names: cat", "no list of class names"),
        ("names: [[cat]]", "not texts by whole numbers"),
        ("names: {a: cat}", "not texts by whole numbers"),
        (BOMB_OF_ALIASES, "not texts by whole numbers"),
        ("names: [", "not YAML"),
        ("names: [cat, null]", "the name of class 1 is empty"),
        ("names: [cat, '', dog]", "the name of class 1 is empty"),
        ("names: [cat, dog]\nnc: 3", "nc is 3, but there are 2 names"),
        ("names: !!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_a_data_yaml_without_a_class_list_is_refused(text, words):
    with pytest.raises(BadExport, match=words):
        class_lists.parse_class_list(text, "data.yaml")


def test_a_list_with_an_empty_line_is_refused_and_the_line_named():
    assert class_lists.parse_names("cat\n dog \n\n", "obj.names") == {0: "cat", 1: "dog"}
    with pytest.raises(BadExport, match=r"obj\.names: line 2 is empty"):
        class_lists.parse_names("cat\n\ndog\n", "obj.names")


# VOC ----------------------------------------------------------------------------------------------


ROBOFLOW = "<path>a.jpg</path><source><database>roboflow.ai</database></source>"


def voc_of(*objects, size="<size><width>416</width><height>400</height></size>", marks=ROBOFLOW):
    findings = FindingCounter()
    text = f"<annotation><filename>a.jpg</filename>{marks}{size}{''.join(objects)}</annotation>"
    return voc.parse_annotation(text, "a.xml", findings), findings


def voc_object(name="cat", box=(1, 1, 417, 401)):
    corners = "".join(
        f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>"


@pytest.mark.parametrize(
    ("marks", "box", "code"),
    [
        (ROBOFLOW, (11, 21, 31, 51), None),
        ("<source><database>roboflow.ai</database></source>", (11, 21, 30, 50), None),  # supervision
        ("<source><database>The VOC2007 Database</database></source>", (11, 21, 30, 50), None),
        ("<source><database>Unknown</database></source>", (10, 20, 30, 50), "voc-first-pixel"),  # CVAT, datumaro
        ("", (10, 20, 30, 50), "voc-first-pixel"),  # globox
        ("<owner><name>Label Studio</name></owner>", (10, 20, 30, 50), "voc-whole-pixels"),
    ],
)
def test_cases_voc_corners_count_as_their_writer_counts(marks, box, code):
    """One box of 20 x 30 pixels, as each of them writes it."""
    annotation, findings = voc_of(voc_object(box=box), marks=marks)
    assert annotation.boxes == (("cat", 10, 20, 20, 30),)
    assert list(counts(findings)) == ([code] if code else [])


def test_voc_corners_of_roboflow_count_from_one():
    annotation, findings = voc_of(voc_object())
    assert (annotation.width, annotation.height, annotation.boxes) == (416, 400, (("cat", 0, 0, 416, 400),))
    boxes = clip_boxes((AnnotatedBox(0, *annotation.boxes[0][1:]),), 416, 400, "a.jpg", findings)
    assert boxes[0][1:] == (0, 0, 416, 400)
    assert counts(findings) == {"box-whole-image": 1}


def test_voc_polygons_become_their_bounding_boxes():
    points = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate([(11, 21), (31, 26), (20, 51)], 1))
    annotation, findings = voc_of(f"<object><name>cat</name><polygon>{points}</polygon></object>")
    assert annotation.boxes == (("cat", 10, 20, 20, 30),)
    assert counts(findings) == {"box-from-polygon": 1}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("<object><name>cat</name></object>", "no box"),
        ("<object><name> </name><bndbox/></object>", "no name"),
        (voc_object(box=("a", 1, 2, 3)), "no box"),
        ("<object><name>cat</name><polygon/></object>", "no box"),
        ("<object><name>cat</name><polygon><x1>1</x1></polygon></object>", "no box"),
        ("<object><name>cat</name><polygon><x1>1</x1><y1>2</y1><x2>nan</x2><y2>3</y2></polygon></object>", "no box"),
    ],
)
def test_voc_objects_without_a_name_or_box_are_left_out(item, reason):
    annotation, findings = voc_of(item, voc_object())
    assert len(annotation.boxes) == 1
    [finding] = findings.summary()
    assert (finding.code, finding.examples) == ("label-line-bad", (f"a.xml: object 1: {reason}",))


def test_voc_files_may_lack_the_image_size():
    annotation, _ = voc_of(voc_object(), size="<size><width>x</width></size>")
    assert (annotation.width, annotation.height) == (None, None)


ENTITY_BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<annotation><object><name>&b;</name></object></annotation>"
)
EXTERNAL_ENTITY = (
    '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation><object><name>&a;</name></object></annotation>'
)


@pytest.mark.parametrize("text", ["", "<annotation>", "<html/>", "no xml", ENTITY_BOMB, EXTERNAL_ENTITY])
def test_xml_that_is_not_an_annotation_is_an_error(text):
    findings = FindingCounter()
    assert voc.parse_annotation(text, "a.xml", findings) is None
    [finding] = findings.summary()
    assert (finding.code, finding.severity) == ("label-file-bad", "error")
    assert finding.examples[0].startswith("a.xml: ")
    assert "root:" not in finding.examples[0]


# CSV ----------------------------------------------------------------------------------------------

HEAD = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def csv_of(text):
    findings = FindingCounter()
    return list(csv_rows.parse_rows(text, "a.csv", findings)), findings


def test_tensorflow_rows_have_names_corners_and_image_size():
    rows, findings = csv_of(HEAD + "a.jpg,640,480,goat,147,193,477,516\n\n")
    assert rows == [("a.jpg", NamedBox("goat", 147, 193, 330, 323), 640, 480)]
    assert counts(findings) == {}


def test_retinanet_rows_name_objects_or_images_without_any():
    rows, _ = csv_of("a.jpg,252,175,615,460,fox\nb.jpg,,,,,\n")
    assert rows == [("a.jpg", NamedBox("fox", 252, 175, 363, 285), None, None), ("b.jpg", None, None, None)]


@pytest.mark.parametrize(
    "line",
    [
        "a.jpg,640,480,goat,1,2,3",
        "a.jpg,640,480,,1,2,3,4",
        ",640,480,goat,1,2,3,4",
        "a.jpg,640,480,goat,x,2,3,4",
        '"a.jpg,640',
    ],
)
def test_bad_csv_lines_are_left_out_and_named(line):
    rows, findings = csv_of(f"{HEAD}a.jpg,640,480,goat,1,2,3,4\n{line}\n")
    assert len(rows) == 1
    [finding] = findings.summary()
    assert (finding.code, finding.examples) == ("label-line-bad", (f"a.csv:3: {line}",))


def test_a_csv_with_other_columns_is_an_error():
    rows, findings = csv_of("id,price\n1,2\n")
    assert rows == []
    assert counts(findings) == {"label-file-bad": 1}


# Class maps ---------------------------------------------------------------------------------------


def annotations_of(*classes, boxes=(0, 1, 2), undeclared=()):
    image = AnnotatedImage("train", "a.jpg", None, None, tuple(AnnotatedBox(index, 0, 0, 9, 9) for index in boxes))
    return Annotations(classes, (image,), undeclared_classes=frozenset(undeclared))


def class_names(annotations):
    """Class name of each box."""
    return [annotations.classes[box.class_index] for image in annotations.images for box in image.boxes]


def test_a_class_map_renames_merges_and_drops_classes():
    findings = FindingCounter()
    mapped = map_classes(annotations_of("Cat", "cat", "dog"), {"Cat": "cat", "dog": ""}, findings)
    assert mapped.classes == ("cat",)
    assert class_names(mapped) == ["cat", "cat"]
    assert counts(findings) == {"class-dropped": 1}


def test_cases_b6_dropping_a_class_leaves_the_others_with_their_boxes():
    """Two images with an apple and a pear each; apples are dropped."""
    categories = [{"id": 1, "name": "apple"}, {"id": 2, "name": "pear"}]
    boxes = [(0, 1, (1, 1, 5, 5)), (0, 2, (30, 20, 5, 5)), (1, 1, (2, 2, 5, 5)), (1, 2, (40, 20, 5, 5))]
    findings = FindingCounter()
    annotations = coco.parse_documents({"train": document(["1.jpg", "2.jpg"], boxes, categories)}, findings)
    mapped = map_classes(annotations, {"apple": ""}, findings)
    assert mapped.classes == ("pear",)
    assert [image.boxes for image in mapped.images] == [
        (AnnotatedBox(0, 30, 20, 5, 5),),
        (AnnotatedBox(0, 40, 20, 5, 5),),
    ]
    assert counts(findings) == {"class-dropped": 2}


def test_cases_b5_an_id_without_a_name_is_an_error_until_it_is_named():
    annotations = annotations_of("cat", "#2", boxes=(0, 1, 1), undeclared=["#2"])
    findings = FindingCounter()
    assert drop_undeclared(annotations, findings).classes == ("cat",)
    [finding] = findings.summary()
    assert (finding.code, finding.severity, finding.count) == ("unknown-class-id", "error", 2)
    assert finding.examples[0] == "train/a.jpg: id 2"
    assert "--class-map '#2=cat'" in finding.message

    findings = FindingCounter()
    mapped = drop_undeclared(map_classes(annotations, {"#2": "cat"}, findings), findings)
    assert (mapped.classes, class_names(mapped)) == (("cat",), ["cat", "cat", "cat"])
    assert counts(findings) == {}


@pytest.mark.parametrize(
    ("class_map", "words"),
    [({"cow": "cat"}, "no class 'cow'; the labels have cat, dog"), ({"cat": "", "dog": " "}, "every class")],
)
def test_a_class_map_that_does_not_fit_the_labels_is_refused(class_map, words):
    with pytest.raises(BadRequest, match=words):
        map_classes(annotations_of("cat", "dog", boxes=(0, 1)), class_map, FindingCounter())
