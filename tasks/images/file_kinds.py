"""Which image files are read: those that Pillow and OpenCV both read, to the same pixels."""

READABLE_FORMATS = frozenset({"JPEG", "MPO", "PNG", "BMP", "WEBP", "TIFF"})
"""Formats that Pillow and the trainer's OpenCV both read, to the same size, in any mode of colour."""
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".avif", ".heic"})
"""Suffixes of file names that look like images, readable or not."""
MAX_PIXELS = 100_000_000
EXIF_ORIENTATION = 0x0112
