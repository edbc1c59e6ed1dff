"""One decoder for check, training and detection: what the check lets through, all of them read, and upright."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, ImageSequence
from PIL.PngImagePlugin import PngInfo

from tasks.detection.preprocess import decode
from tasks.images.decoding import UnreadableImage, decode_upright
from tasks.images.orientation import EXIF_ORIENTATION, is_sideways, upright_box
from tasks.labeling.checks.images import DecodedImage, read_image

ORIENTATIONS = range(1, 9)
MODES = {
    "JPEG": ["L", "RGB", "CMYK"], "MPO": ["L", "RGB"], "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "BMP": ["1", "L", "P", "RGB"], "WEBP": ["RGB", "RGBA"], "TIFF": ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16"],
    "GIF": ["L", "P", "RGB"], "AVIF": ["RGB", "RGBA"], "JPEG2000": ["L", "RGB", "RGBA"],
}  # fmt: skip
"""Modes of colour that Pillow writes in each format."""
TURNABLE = ["JPEG", "MPO", "PNG", "WEBP", "TIFF", "AVIF"]
"""Formats with EXIF data."""
LOSSLESS: dict[str, dict[str, Any]] = {
    "WEBP": {"lossless": True},
    "JPEG": {"quality": 95},
    "MPO": {"quality": 95},
    "AVIF": {"quality": 95},
}


def quarters(width, height, mode="RGB"):
    """An image whose four quarters are bright, grey, darker and dark, so that every turn of it is another image."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = 250, 170
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = 90, 10
    if mode == "I;16":
        return Image.fromarray(pixels.astype(np.uint16) << 8)
    return Image.fromarray(pixels).convert("RGB").convert(mode)


def encoded(image, kind, orientation=1, **options):
    exif, file = Image.Exif(), io.BytesIO()
    exif[EXIF_ORIENTATION] = orientation
    if kind in TURNABLE:
        options["exif"] = exif.tobytes()
    image.save(file, kind, **LOSSLESS.get(kind, {}), **options)
    return file.getvalue()


def means(pixels):
    """Mean brightness of the four quarters of an image."""
    height, width = pixels.shape[:2]
    rows, columns = (slice(height // 2), slice(height // 2 + 1, None)), (slice(width // 2), slice(width // 2 + 1, None))
    return [float(pixels[row, column].mean()) for row in rows for column in columns]


@pytest.mark.parametrize("kind", MODES)
@given(data=st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_cases_what_the_check_lets_through_all_read_the_same(kind, data, tmp_path_factory):
    """Over all formats, modes of colour, orientations and sizes; Pillow's own turning is the reference."""
    mode = data.draw(st.sampled_from(MODES[kind]))
    orientation = data.draw(st.sampled_from(ORIENTATIONS)) if kind in TURNABLE else 1
    width, height = data.draw(st.integers(8, 90)), data.draw(st.integers(8, 90))
    content = encoded(quarters(width, height, mode), kind, orientation)
    path = tmp_path_factory.mktemp("image") / "image"
    path.write_bytes(content)
    checked, detected = read_image(path), decode(content)
    sides = (height, width) if orientation >= 5 else (width, height)
    assert isinstance(checked, DecodedImage)
    assert (checked.width, checked.height, checked.orientation) == (*sides, orientation)
    assert checked.stored_sides == (width, height)
    assert (detected.width, detected.height) == sides
    trained = decode_upright(content)
    assert trained.shape == (sides[1], sides[0], 3)
    assert np.array_equal(trained, detected.pixels)
    reference = quarters(width, height)
    reference.getexif()[EXIF_ORIENTATION] = orientation
    expected = means(np.asarray(ImageOps.exif_transpose(reference)))
    tolerance = 140 if mode == "1" else 12  # black and white is dithered
    assert means(trained) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_cases_a_large_jpeg_is_turned_at_half_its_size_too(orientation):
    content = encoded(quarters(400, 320), "JPEG", orientation)
    detected = decode(content, 80)
    sides = (320, 400) if is_sideways(orientation) else (400, 320)
    assert (detected.width, detected.height) == sides
    assert detected.pixels.shape == (sides[1] // 2, sides[0] // 2, 3)
    assert means(detected.pixels) == pytest.approx(means(decode(content).pixels), abs=3)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_box_is_turned_as_its_image_is(orientation):
    pixels = np.zeros((40, 60), np.uint8)
    pixels[5:17, 30:37] = 255
    stored = Image.fromarray(pixels)
    stored.getexif()[EXIF_ORIENTATION] = orientation
    left, top, right, bottom = ImageOps.exif_transpose(stored).getbbox() or (0, 0, 0, 0)
    assert upright_box((30, 5, 7, 12), 60, 40, orientation) == (left, top, right - left, bottom - top)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_orientation_that_xmp_alone_states_is_ignored_as_browsers_do(kind, tmp_path):
    """Pillow's own reader would turn it, and OpenCV would not."""
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    options: dict[str, Any] = {"xmp": xmp}
    if kind == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options = {"pnginfo": info}
    path = tmp_path / "image"
    quarters(60, 40).save(path, kind, **options)
    with Image.open(path) as image:
        assert ImageOps.exif_transpose(image).size == (40, 60)
    checked = read_image(path)
    assert (checked.width, checked.height, checked.orientation) == (60, 40, 1)
    assert decode_upright(path.read_bytes()).shape == (40, 60, 3)


def test_damaged_exif_data_do_not_make_an_image_unreadable(tmp_path):
    path = tmp_path / "image"
    quarters(60, 40).save(path, "JPEG", exif=b"Exif\0\0damaged")
    checked = read_image(path)
    assert (checked.width, checked.height, checked.orientation) == (60, 40, 1)
    assert decode_upright(path.read_bytes()).shape == (40, 60, 3)


@pytest.mark.parametrize("kind", ["GIF", "AVIF"])
def test_cases_of_an_animation_the_first_frame_is_read(kind, tmp_path):
    path = tmp_path / "image"
    frames = [Image.new("RGB", (40, 30), (colour, 0, 0)) for colour in (200, 10)]
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], duration=100)
    with Image.open(path) as image:
        assert len(list(ImageSequence.Iterator(image))) == 2
    checked = read_image(path)
    assert (checked.width, checked.height) == (40, 30)
    assert decode_upright(path.read_bytes())[..., 2].mean() == pytest.approx(200, abs=5)


@pytest.mark.parametrize("kind", MODES)
def test_an_image_that_is_cut_short_is_refused_by_the_decoder(kind):
    content = encoded(Image.effect_noise((60, 40), 90).convert("RGB"), kind)
    with pytest.raises(UnreadableImage):
        decode_upright(content[: len(content) // 3])
