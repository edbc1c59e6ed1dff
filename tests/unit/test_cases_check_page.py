"""Images on the page of a check: one colour a class, names on boxes, flagged boxes marked, the network's view."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageColor

from tasks.labeling.inspection import Inspection
from tasks.labeling.page import drawing
from tasks.labeling.page.colours import COLOURS, OTHERS, class_colours, colours_in_words
from tasks.labeling.page.drawing import Mark, draw, network_input, whole_image
from tasks.records import Box, LabelledImage
from tasks.rendering.tags import INK


def rgb(colour):
    return np.array(ImageColor.getrgb(colour), np.float32)


def luminance(colour):
    values = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(colour) / 255]
    return 0.2126 * values[0] + 0.7152 * values[1] + 0.0722 * values[2]


def image(width, height, boxes=(), split="train"):
    return LabelledImage(
        file_name="a.png", split=split, sha256="1" * 64, size=1, width=width, height=height, boxes=tuple(boxes)
    )


@pytest.fixture
def black(tmp_path):
    """A black image of a size as a file, and its record."""

    def black(width, height, boxes=()):
        path = Path(tmp_path, "a.png")
        Image.new("RGB", (width, height)).save(path)
        return path, image(width, height, boxes)

    return black


def drawn(view, boxes, marks=(), names=("apple", "pear"), colours=None):
    jpeg = draw(view, boxes, names, colours or dict(enumerate(COLOURS)), marks)
    return np.asarray(Image.open(io.BytesIO(jpeg)), np.float32)


def near(pixels, colour):
    """How many pixels have nearly a colour; JPEG changes it a little."""
    return int((np.abs(pixels - rgb(colour)).max(axis=-1) < 60).sum())


def test_cases_any_two_colours_can_be_told_apart():
    """CIE76 in OpenCV's Lab; two colours that just differ are 2.3 apart."""
    lab = cv2.cvtColor((np.array([rgb(one) for one in (*COLOURS, OTHERS)]) / 255)[None], cv2.COLOR_RGB2LAB)[0]
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(len(lab), 1)]
    assert distances.min() > 25


def test_cases_names_can_be_read_on_all_colours():
    contrasts = [(luminance(one) + 0.05) / (luminance(INK) + 0.05) for one in (*COLOURS, OTHERS, drawing.MARK)]
    assert min(contrasts) >= 4.5


def inspection(counts):
    boxes = [Box(index, 0, 0, 9, 9 + number) for index, count in enumerate(counts) for number in range(count)]
    return Inspection(
        format="coco", classes=tuple(f"class {n}" for n in range(len(counts))), listed={}, splits={}, findings=(),
        snapshot=None, images=(image(99, 99, boxes),), files={},
    )  # fmt: skip


def test_cases_up_to_12_classes_have_a_colour_each():
    labels = inspection([1, 0, *[2] * 10])
    assert list(class_colours(labels).values()) == list(COLOURS)
    assert colours_in_words(labels) == "Each class has a colour of its own on the images below."


def test_cases_with_more_classes_the_12_with_most_boxes_have_a_colour_and_the_page_says_so():
    counts = [1, 9, 0, *[5] * 11, 2]
    colours = class_colours(inspection(counts))
    assert {index for index, colour in colours.items() if colour == OTHERS} == {0, 2, 14}
    assert len(set(colours.values()) - {OTHERS}) == 12
    assert "the other 3 share grey, and each of their boxes has its name" in colours_in_words(inspection(counts))


def test_cases_the_contact_sheet_shows_the_image_at_the_top_left_and_grey_where_it_is_padded(black):
    """640 x 320 at 64: 64 x 32 pixels and 32 rows of padding, drawn at 400 / 64 = 6.25 pixels each."""
    path, labelled = black(640, 320, [Box(0, 320, 160, 640, 320)])
    pixels = drawn(network_input(path, labelled, 64), labelled.boxes)
    assert pixels.shape == (400, 400, 3)
    assert np.abs(pixels[215:, :] - 114).max() < 12
    assert pixels[30:90, 30:150].max() < 12
    # Right half and lower half of the image: 200 to 400, and 100 to 200.
    assert near(pixels[130:180, 198:206], COLOURS[0]) > 60
    assert near(pixels[194:202, 250:350], COLOURS[0]) > 100
    assert near(pixels[210:, :], COLOURS[0]) == 0


def test_cases_small_inputs_show_the_pixels_that_the_network_has(black):
    path, _ = black(640, 640)
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[:, ::2] = 255  # ten times finer than the input
    Image.fromarray(stripes).save(path)
    view = network_input(path, image(640, 640), 64)
    assert np.abs(np.asarray(view.pixels, np.float32) - 127).max() < 10


def test_cases_boxes_have_names_unless_there_are_many_of_one_colour(black):
    path, labelled = black(400, 400)
    few = [Box(0, 40 * n + 10, 100, 40 * n + 30, 120) for n in range(3)]
    many = [Box(0, 20 * n + 2, 100 + 40 * (n % 5), 20 * n + 12, 120 + 40 * (n % 5)) for n in range(18)]

    def ground(boxes, colours):
        """Pixels of a class's colour: lines and grounds of names."""
        return near(drawn(whole_image(path, labelled), boxes, colours=colours), colours[0])

    one, grey = {0: COLOURS[1]}, {0: OTHERS}
    name = ground(few[:1], one)
    assert ground(few, one) > 2 * name
    assert ground(many, grey) > 2 * ground(many, one)  # grey boxes keep their names


def test_cases_the_flagged_box_has_a_white_frame_and_its_code_also_if_it_is_a_point(black):
    path, labelled = black(400, 400)
    plain = drawn(whole_image(path, labelled), [])
    assert near(plain, drawing.MARK) == 0
    marked = drawn(whole_image(path, labelled), [], [Mark("box-tiny", (200, 200, 201, 201))])
    assert near(marked[190:212, 190:212], drawing.MARK) > 50
    assert near(marked[205:240, 190:300], drawing.MARK) > 500  # the ground of its text
    assert near(marked[:180], drawing.MARK) == 0


@pytest.mark.parametrize("corners", [(-50, -50, -10, -10), (900, 900, 950, 950), (390, 390, 500, 500), (0, 0, 0, 0)])
def test_cases_boxes_outside_the_image_are_marked_at_its_edge(black, corners):
    path, labelled = black(400, 400)
    assert near(drawn(whole_image(path, labelled), [], [Mark("box-dropped", corners)]), drawing.MARK) > 500


def test_cases_a_long_name_is_cut_to_the_image(black):
    path, labelled = black(400, 100)
    pixels = drawn(whole_image(path, labelled), [Box(0, 10, 50, 60, 90)], names=("x" * 500,))
    assert pixels.shape == (100, 400, 3)


def test_cases_f1_an_image_that_exif_turns_is_shown_upright(tmp_path):
    """The left half of the stored image is white, and is the top of the upright one."""
    stored = Image.new("RGB", (200, 100), "black")
    stored.paste("white", (0, 0, 100, 100))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(tmp_path / "a.jpg", exif=exif)
    shown = whole_image(tmp_path / "a.jpg", image(100, 200)).pixels.convert("L")
    assert (shown.width, shown.height) == (200, 400)
    assert shown.getpixel((100, 50)) > 200
    assert shown.getpixel((100, 350)) < 50
