#!/usr/bin/env bash
# Pillow 13.0.0 and OpenCV 5.0.0: an orientation that stands in XMP alone turns an image in one, and not in the other.
#
# One would guess: "orientation" means the EXIF tag, and both libraries, which agree on it in JPEG, PNG and WebP, agree here
#   too. Image.getexif() reads EXIF data.
# Seen: where EXIF data have no orientation, Pillow's getexif() takes tiff:Orientation out of the XMP packet, so
#   ImageOps.exif_transpose turns the image. cv2.imdecode does not look into XMP, and does not turn it.
# Why it matters: photo editors keep XMP when they write a turned image and strip its EXIF data, so the tag is stale. A
#   check or a data loader with exif_transpose then turns the image by 90 degrees, and a trainer with cv2 does not: width and
#   height are swapped for one of them, and boxes are in the wrong places, silently for 180 degrees.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6 \
    opencv-python-headless==5.0.0.93

"$here/venv/bin/python" - <<'PYTHON'
import io
import sys

import cv2
import numpy as np
import PIL
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

print("Pillow", PIL.__version__, "OpenCV", cv2.__version__)
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)
image = Image.new("RGB", (60, 40), (200, 80, 20))
exif = Image.Exif()
exif[0x0112] = 6
png = PngInfo()
png.add_itxt("XML:com.adobe.xmp", XMP)
changed = []
for kind, in_xmp in (("JPEG", {"xmp": XMP.encode()}), ("PNG", {"pnginfo": png}), ("WEBP", {"xmp": XMP.encode()})):
    for where, options in (("EXIF", {"exif": exif.tobytes()}), ("XMP alone", in_xmp)):
        file = io.BytesIO()
        image.save(file, kind, **options)
        with Image.open(io.BytesIO(file.getvalue())) as opened:
            by_pillow = ImageOps.exif_transpose(opened).size
        height, width = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR).shape[:2]
        print(f"{kind:5} orientation 6 in {where:10} stored 60x40: Pillow {by_pillow[0]}x{by_pillow[1]}, OpenCV {width}x{height}")
        if by_pillow != (40, 60) or (width, height) != ((40, 60) if where == "EXIF" else (60, 40)):
            changed.append(f"{kind} {where}")
if changed:
    sys.exit(f"CHANGED: {', '.join(changed)}")
print("as described")
PYTHON
