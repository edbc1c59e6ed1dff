"""Rows of YOLO, VOC and CSV label files, sound and faulty, and classes mapped on request. No files."""

import pytest

from tasks.errors import BadExport, BadRequest
from tasks.labeling.annotations import Labels, ListedBox, ListedImage
from tasks.labeling.checks.boxes import clip
from tasks.labeling.findings import Notes
from tasks.labeling.formats import coco, csv_rows, voc, yolo
from tasks.labeling.formats.class_map import drop_undeclared, map_classes
from tests.fakes.exports import document


def codes(notes):
    return {finding.code: finding.count for finding in notes.findings()}


# YOLO ---------------------------------------------------------------------------------------------


def rows_of(text, **options):
    notes = Notes()
    return list(yolo.read_rows(text, "a.txt", notes, **options)), notes


def test_a_row_is_a_centre_and_sides():
    [row], notes = rows_of("1 0.5 0.5 0.25 0.5\n")
    assert row == (1, 0.375, 0.25, 0.25, 0.5)
    assert codes(notes) == {}


def test_cases_a8_a_polygon_becomes_its_bounding_box():
    [row], notes = rows_of("0 .1 .1 .9 .1 .9 .9 .1 .9")
    assert row == (0, 0.1, 0.1, pytest.approx(0.8), pytest.approx(0.8))
    assert codes(notes) == {"box-from-polygon": 1}


@pytest.mark.parametrize(
    "text", ["\ufeff0 .5 .5 .2 .2", "0.0 .5 .5 .2 .2", "  0\t.5  .5 .2 .2 ", "\n\n0 .5 .5 .2 .2\r\n"]
)
def test_cases_a8_marks_blanks_and_float_classes_are_accepted(text):
    [row], notes = rows_of(text)
    assert row == (0, 0.4, 0.4, 0.2, 0.2)
    assert codes(notes) == {}


@pytest.mark.parametrize(
    "line",
    [
        "0 .5 .5 .2 .2 .9",
        "0,.5,.5,.2,.2",
        "0 .5 .5 .2",
        "cat .5 .5 .2 .2",
        "0.5 .5 .5 .2 .2",
        "nan 1 1 1 1",
        "0 .1 .1 nan .1 .9 .9 .1 .9",
    ],
)
def test_cases_a8_other_lines_are_named_with_file_and_line(line):
    rows, notes = rows_of(f"0 .5 .5 .2 .2\n{line}\n")
    assert len(rows) == 1
    [finding] = notes.findings()
    assert (finding.code, finding.count, finding.examples) == ("label-line-bad", 1, (f"a.txt:2: {line}",))
    assert notes.lines == 2


def test_cases_a8_pixels_are_no_fractions():
    rows, notes = rows_of("0 320 240 100 80")
    assert rows == []
    [finding] = notes.findings()
    assert (finding.code, finding.severity, finding.examples) == ("box-in-pixels", "error", ("a.txt:1",))


@pytest.mark.parametrize(
    ("line", "left", "code"),
    [
        ("0 1.2 .5 .2 .2", [], "box-dropped"),
        ("0 1.0 .5 .2 .2", [(90, 40, 100, 60)], "box-clipped"),
        ("0 .5 .5 0 .2", [], "box-dropped"),
        ("0 nan .5 .2 .2", [], "box-dropped"),
    ],
)
def test_cases_a8_what_lies_outside_is_cut_or_dropped(line, left, code):
    rows, notes = rows_of(line)
    boxes = clip(tuple(ListedBox(*row) for row in rows), 100, 100, "a.jpg", notes, "fractions")
    assert [box[1:] for box in boxes] == left
    assert codes(notes) == {code: 1}


def test_cases_a8_lines_that_are_there_twice_count_once():
    rows, notes = rows_of("0 .5 .5 .2 .2\n0 .5 .5 .2 .2\n1 .5 .5 .2 .2")
    boxes = clip(tuple(ListedBox(*row) for row in rows), 100, 100, "a.jpg", notes, "fractions")
    assert [box.class_index for box in boxes] == [0, 1]
    assert codes(notes) == {"box-twice": 1}


def test_keypoints_are_left_out_and_said():
    [row], notes = rows_of("0 .5 .5 .2 .2 .1 .1 2 .3 .3 2", keypoints=True)
    assert row == (0, 0.4, 0.4, 0.2, 0.2)
    assert codes(notes) == {"keypoints-ignored": 1}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names: [cat, dog]", {0: "cat", 1: "dog"}),
        ("nc: 2\nnames:\n  0: cat\n  5: 1\n", {0: "cat", 5: "1"}),
        ("names: ['-', ' x ']", {0: "-", 1: "x"}),
    ],
)
def test_class_lists(text, names):
    assert yolo.read_class_list(text, "data.yaml") == (names, False)


def test_a_class_list_of_poses():
    assert yolo.read_class_list("kpt_shape: [17, 3]\nnames: [person]", "data.yaml").keypoints


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
        ("names: !!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_a_class_list_that_is_none(text, words):
    with pytest.raises(BadExport, match=words):
        yolo.read_class_list(text, "data.yaml")


# VOC ----------------------------------------------------------------------------------------------


def voc_of(*objects, size="<size><width>416</width><height>400</height></size>"):
    notes = Notes()
    text = f"<annotation><filename>a.jpg</filename>{size}{''.join(objects)}</annotation>"
    return voc.read_annotation(text, "a.xml", notes), notes


def voc_object(name="cat", box=(1, 1, 417, 401)):
    corners = "".join(
        f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>"


def test_voc_counts_from_one():
    read, notes = voc_of(voc_object())
    assert (read.width, read.height, read.objects) == (416, 400, (("cat", 0, 0, 416, 400),))
    boxes = clip((ListedBox(0, *read.objects[0][1:]),), 416, 400, "a.jpg", notes)
    assert boxes[0][1:] == (0, 0, 416, 400)
    assert codes(notes) == {"box-whole-image": 1}


def test_voc_polygons_become_boxes():
    points = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate([(11, 21), (31, 26), (20, 51)], 1))
    read, notes = voc_of(f"<object><name>cat</name><polygon>{points}</polygon></object>")
    assert read.objects == (("cat", 10, 20, 20, 30),)
    assert codes(notes) == {"box-from-polygon": 1}


@pytest.mark.parametrize(
    ("item", "what"),
    [
        ("<object><name>cat</name></object>", "no box"),
        ("<object><name> </name><bndbox/></object>", "no name"),
        (voc_object(box=("a", 1, 2, 3)), "no box"),
        ("<object><name>cat</name><polygon/></object>", "no box"),
        ("<object><name>cat</name><polygon><x1>1</x1></polygon></object>", "no box"),
        ("<object><name>cat</name><polygon><x1>1</x1><y1>2</y1><x2>nan</x2><y2>3</y2></polygon></object>", "no box"),
    ],
)
def test_voc_objects_that_are_none(item, what):
    read, notes = voc_of(item, voc_object())
    assert len(read.objects) == 1
    [finding] = notes.findings()
    assert (finding.code, finding.examples) == ("label-line-bad", (f"a.xml: object 1: {what}",))


def test_voc_without_size():
    read, _ = voc_of(voc_object(), size="<size><width>x</width></size>")
    assert (read.width, read.height) == (None, None)


BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<annotation><object><name>&b;</name></object></annotation>"
)
FILE = (
    '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation><object><name>&a;</name></object></annotation>'
)


@pytest.mark.parametrize("text", ["", "<annotation>", "<html/>", "no xml", BOMB, FILE])
def test_xml_that_is_no_annotation(text):
    notes = Notes()
    assert voc.read_annotation(text, "a.xml", notes) is None
    [finding] = notes.findings()
    assert (finding.code, finding.severity) == ("label-file-bad", "error")
    assert finding.examples[0].startswith("a.xml: ")
    assert "root:" not in finding.examples[0]


# CSV ----------------------------------------------------------------------------------------------

HEAD = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def csv_of(text):
    notes = Notes()
    return list(csv_rows.read_rows(text, "a.csv", notes)), notes


def test_tensorflow_rows():
    rows, notes = csv_of(HEAD + "a.jpg,640,480,goat,147,193,477,516\n\n")
    assert rows == [("a.jpg", "goat", 147, 193, 330, 323, 640, 480)]
    assert codes(notes) == {}


def test_retinanet_rows_and_a_image_without_objects():
    rows, _ = csv_of("a.jpg,252,175,615,460,fox\nb.jpg,,,,,\n")
    assert rows == [("a.jpg", "fox", 252, 175, 363, 285, None, None), ("b.jpg", "", 0, 0, 0, 0, None, None)]


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
def test_csv_lines_that_are_no_rows(line):
    rows, notes = csv_of(f"{HEAD}a.jpg,640,480,goat,1,2,3,4\n{line}\n")
    assert len(rows) == 1
    [finding] = notes.findings()
    assert (finding.code, finding.examples) == ("label-line-bad", (f"a.csv:3: {line}",))


def test_another_csv():
    rows, notes = csv_of("id,price\n1,2\n")
    assert rows == []
    assert codes(notes) == {"label-file-bad": 1}


# Classes on request -------------------------------------------------------------------------------


def labels(*classes, boxes=(0, 1, 2), undeclared=()):
    image = ListedImage("train", "a.jpg", None, None, tuple(ListedBox(index, 0, 0, 9, 9) for index in boxes))
    return Labels(classes, (image,), undeclared=frozenset(undeclared))


def named(read):
    return [read.classes[box.class_index] for image in read.images for box in image.boxes]


def test_classes_are_renamed_merged_and_dropped():
    notes = Notes()
    read = map_classes(labels("Cat", "cat", "dog"), {"Cat": "cat", "dog": ""}, notes)
    assert read.classes == ("cat",)
    assert named(read) == ["cat", "cat"]
    assert codes(notes) == {"class-dropped": 1}


def test_cases_b6_dropping_a_class_leaves_the_others_with_their_boxes():
    """Two images with an apple and a pear each; apples are dropped."""
    categories = [{"id": 1, "name": "apple"}, {"id": 2, "name": "pear"}]
    boxes = [(0, 1, (1, 1, 5, 5)), (0, 2, (30, 20, 5, 5)), (1, 1, (2, 2, 5, 5)), (1, 2, (40, 20, 5, 5))]
    notes = Notes()
    listed = coco.parse({"train": document(["1.jpg", "2.jpg"], boxes, categories)}, notes)
    read = map_classes(listed, {"apple": ""}, notes)
    assert read.classes == ("pear",)
    assert [image.boxes for image in read.images] == [(ListedBox(0, 30, 20, 5, 5),), (ListedBox(0, 40, 20, 5, 5),)]
    assert codes(notes) == {"class-dropped": 2}


def test_cases_b5_an_id_without_a_name_is_an_error_until_it_is_named():
    listed = labels("cat", "#2", boxes=(0, 1, 1), undeclared=["#2"])
    notes = Notes()
    assert drop_undeclared(listed, notes).classes == ("cat",)
    [finding] = notes.findings()
    assert (finding.code, finding.severity, finding.count) == ("unknown-class-id", "error", 2)
    assert finding.examples[0] == "train/a.jpg: id 2"
    assert "--class-map '#2=cat'" in finding.message

    notes = Notes()
    read = drop_undeclared(map_classes(listed, {"#2": "cat"}, notes), notes)
    assert (read.classes, named(read)) == (("cat",), ["cat", "cat", "cat"])
    assert codes(notes) == {}


@pytest.mark.parametrize(
    ("mapping", "words"),
    [({"cow": "cat"}, "no class 'cow'; the labels have cat, dog"), ({"cat": "", "dog": " "}, "every class")],
)
def test_a_class_map_that_does_not_fit(mapping, words):
    with pytest.raises(BadRequest, match=words):
        map_classes(labels("cat", "dog", boxes=(0, 1)), mapping, Notes())
