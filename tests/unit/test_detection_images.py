"""Image files as detection reads them, where they come from, and what they are called."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tasks.detection.image_files import find_images
from tasks.detection.outputs.folder import OUTPUTS
from tasks.detection.preprocess import decode, network_input
from tasks.detection.sources import UniqueNames
from tasks.errors import BadRequest
from tasks.images.decoding import UnreadableImage


def encoded(kind="JPEG", size=(40, 30), mode="RGB", **options):
    file = io.BytesIO()
    Image.effect_noise(size, 90).convert(mode).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    """A folder with images, and with what is none."""
    for name in ("b.jpg", "a.png", "sub/c.JPG", "sub/deep/d.webp", ".hidden.jpg", ".cache/e.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded())
    return tmp_path


def names(*arguments):
    return [source.name for source in find_images([str(one) for one in arguments]).images]


# Decoding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF"])
def test_every_kind_is_read_whole_and_refused_when_cut(kind):
    data = encoded(kind)
    image = decode(data)
    assert (image.width, image.height, image.pixels.shape) == (40, 30, (30, 40, 3))
    with pytest.raises(UnreadableImage):
        decode(data[: len(data) * 2 // 3])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not an image"),
        (b"text", "not an image"),
        (encoded("PPM"), "PPM is not read; use JPEG or PNG"),
        (encoded("PNG", mode="L", save_all=True, append_images=[Image.new("L", (40, 30))]), "2 frames; use an image"),
    ],
)
def test_what_is_no_image_is_told_in_a_few_words(data, why):
    with pytest.raises(UnreadableImage, match=why):
        decode(data)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("side", "why"), [(10_001, "over 100 megapixels"), (14_000, "exceeds limit")])
def test_an_image_that_would_fill_the_memory_is_not_decoded(side, why):
    file = io.BytesIO()
    Image.new("1", (side, side)).save(file, "PNG")
    with pytest.raises(UnreadableImage, match=why):
        decode(file.getvalue())


def test_a_large_jpeg_is_decoded_at_half_its_size_and_keeps_its_own():
    data = encoded(size=(400, 300))
    assert decode(data, 100).pixels.shape == (150, 200, 3)
    assert (decode(data, 100).width, decode(data, 100).height) == (400, 300)
    for whole in (decode(data, 101), decode(data), decode(encoded(size=(401, 300)), 100)):
        assert whole.pixels.shape[0] == 300
    assert decode(encoded("PNG", size=(400, 300)), 100).pixels.shape[0] == 300


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "AVIF"])
def test_an_image_is_turned_as_its_exif_data_ask(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned, plain = decode(encoded(kind, exif=exif.tobytes())), decode(encoded(kind))
    assert (turned.rotated, plain.rotated) == (True, False)
    assert (turned.pixels.shape, turned.width, turned.height) == ((40, 30, 3), 30, 40)


@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from([64, 320]))
@settings(max_examples=40, deadline=None)
def test_the_input_is_square_and_padded_on_the_right_and_below(width, height, size):
    pixels = network_input(np.full((height, width, 3), 7, np.uint8), width, height, size)
    assert pixels.shape == (size, size, 3)
    inside = (pixels == 7).all(axis=2)
    columns, rows = int(inside[0].sum()), int(inside[:, 0].sum())
    assert max(columns, rows) == size
    assert abs(columns - max(1, size * width / max(width, height))) <= 0.5
    assert inside[:rows, :columns].all()
    assert (pixels[~inside] == 114).all()


# Where they come from ----------------------------------------------------------------------------


def test_a_folder_is_searched_in_order_without_hidden_files(folder):
    found = find_images([str(folder)])
    assert [source.name for source in found.images] == ["a.png", "b.jpg", "sub/c.JPG", "sub/deep/d.webp"]
    assert (found.count, found.others) == (4, 1)


def test_results_of_an_earlier_run_below_a_folder_are_no_images_of_it(folder):
    (folder / "out" / "images").mkdir(parents=True)
    (folder / "out" / OUTPUTS.mark).write_text("")
    (folder / "out" / "images" / "a.jpg").write_bytes(encoded())
    assert names(folder) == ["a.png", "b.jpg", "sub/c.JPG", "sub/deep/d.webp"]
    assert names(folder / "**" / "a.*") == ["a.png"]
    assert names(folder / "out" / "images") == ["a.jpg"]


def test_files_patterns_and_folders_keep_the_order_of_their_names(folder):
    assert names(folder / "sub" / "c.JPG", folder / "*.png") == ["c.JPG", "a.png"]
    assert names(folder / "**" / "*.jpg") == ["b.jpg"]
    assert names(folder / "s*" / "*.JPG", folder / "sub") == ["sub/c.JPG", "c.JPG", "deep/d.webp"]


def test_a_name_with_brackets_that_exists_is_no_pattern(folder):
    (folder / "x[1].jpg").write_bytes(encoded())
    assert names(folder / "x[1].jpg") == ["x[1].jpg"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("none.jpg", "no such file or folder"), ("*.bmp", "no file matches"), ("empty", "no images in there")],
)
def test_what_is_not_there_is_told(folder, name, words):
    (folder / "empty").mkdir()
    with pytest.raises(BadRequest, match=words):
        find_images([str(folder / name)])


def test_frames_of_a_video_are_images_in_order(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for brightness in (0, 100, 200):
        writer.write(np.full((48, 64, 3), brightness, np.uint8))
    writer.release()
    found = find_images([str(path)])
    sources = list(found.images)
    assert found.count == 3
    assert [source.name for source in sources] == [f"clip_avi-000{number}.jpg" for number in (1, 2, 3)]
    means = [source.load(decode).pixels.mean() for source in sources]
    assert means == pytest.approx([0, 100, 200], abs=3)


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_a_video_that_cannot_be_read_is_one_unreadable_image(tmp_path, content):
    (tmp_path / "clip.mp4").write_bytes(content)
    (source,) = find_images([str(tmp_path / "clip.mp4")]).images
    assert source.name == "clip.mp4"
    with pytest.raises(UnreadableImage, match="video that cannot be read"):
        source.load(decode)


# Names -------------------------------------------------------------------------------------------


@given(st.lists(st.from_regex(r"[abAB](/[abAB]){0,2}(\.jpg)?", fullmatch=True), max_size=12))
@settings(deadline=None)
def test_names_differ_and_can_all_be_files_of_one_folder(given_names):
    unique = UniqueNames()
    given_out = [Path(unique.give(name).casefold()) for name in given_names]
    assert len(set(given_out)) == len(given_out)
    assert not {parent for name in given_out for parent in name.parents} & set(given_out)


def test_a_second_image_of_a_name_gets_a_number():
    unique = UniqueNames()
    assert [unique.give(name) for name in ("a.jpg", "a.jpg", "A.jpg", "x/a.jpg", "a.jpg/b.jpg", "a")] == [
        "a.jpg", "a-2.jpg", "A-3.jpg", "x/a.jpg", "a.jpg_b.jpg", "a",
    ]  # fmt: skip
