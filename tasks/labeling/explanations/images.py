"""Findings about image files."""

from tasks.labeling.explanations.explanation import Explanation

IMAGES = {
    "image-missing": Explanation(
        "a listed image is not on disk",
        "Its boxes cannot be used, and a run should not train on less than was labelled without a word.",
        "Export again, remove it from the labels, or use --on-unreadable-image skip.",
        '{"id": 1, "file_name": "gone.jpg"} in the JSON, and no such file',
    ),
    "image-unreadable": Explanation(
        "an image cannot be decoded whole",
        "Half an image is grey below; a model would learn that its objects look so.",
        "Replace or delete the file, or use --on-unreadable-image skip.",
        "a JPEG whose upload was cut off after half of its bytes",
    ),
    "images-mostly-skipped": Explanation(
        "more images unusable than allowed",
        "So many suggest that the export is broken, not a file or two.",
        "Export again, or allow a larger share with --max-unreadable-images.",
        "20 of 100 images missing, with --on-unreadable-image skip",
    ),
    "image-skipped": Explanation(
        "an unusable image is left out",
        "Its boxes are not trained on.",
        "Replace the files that the examples name, if they matter.",
        "a cut-off JPEG, with --on-unreadable-image skip",
    ),
    "bad-file-name": Explanation(
        "a file name leads out of its folder",
        "It would read a file that is not part of the export.",
        "Use names inside the split's folder.",
        '"file_name": "../../secret.jpg"',
    ),
    "image-name-ambiguous": Explanation(
        "a file name fits several images",
        "The boxes could belong to either of them.",
        "List each image by its path below the export.",
        '"file_name": "a.jpg", with day1/a.jpg and day2/a.jpg on disk',
    ),
    "image-by-last-part": Explanation(
        "a file name is found by its last part",
        "The boxes are used, with the only image that fits.",
        "Check the pairs that the examples name.",
        '"file_name": "C:\\\\data\\\\a.jpg", with train/a.jpg on disk',
    ),
    "image-listed-twice": Explanation(
        "an image is listed more than once",
        "Taken apart, each entry would teach that the other's boxes are background.",
        "Nothing, if two annotators labelled it; else remove one entry.",
        '{"id": 1, "file_name": "a.jpg"} and {"id": 2, "file_name": "a.jpg"}',
    ),
    "annotator-other": Explanation(
        "only others labelled an image",
        "One annotator was chosen, and has no boxes in it; as background it would teach what is wrong.",
        "Nothing, or choose another with --annotator.",
        "a.jpg labelled by bob alone, with --annotator ann",
    ),
    "annotators-disagree": Explanation(
        "two annotators drew different boxes",
        "Boxes of one annotator alone may be mistakes, and those are learned, too.",
        "Review these images in your label tool.",
        "two entries of a.jpg, with three boxes in one and two in the other",
    ),
    "image-unlisted": Explanation(
        "an image is not in the labels",
        "Whether it shows objects is not known, so it is left out.",
        "List it, with its boxes or without, to use it.",
        "train/b.jpg on disk, and only a.jpg in the JSON",
    ),
    "size-other-ratio": Explanation(
        "labels have another shape of image",
        "Boxes were drawn on another image, and would lie in wrong places.",
        "Export labels and images together.",
        "640 x 480 in the JSON, and a file of 480 x 640",
    ),
    "size-scaled": Explanation(
        "labels were made at another size",
        "The boxes are scaled to the file, so they fit.",
        "Nothing, if images were resized on purpose.",
        "1280 x 960 in the JSON, and a file of 640 x 480",
    ),
    "exif-unclear": Explanation(
        "boxes of turned image, or as stored?",
        "Of a phone's portrait the file lies on its side; boxes that mean the other one lie in wrong places.",
        "Look at one image in your label tool, and say --orientation turned or --orientation stored.",
        "YOLO rows of a phone's JPEG with Orientation 6 in its EXIF data",
    ),
    "exif-boxes-turned": Explanation(
        "EXIF turns an image, boxes fit that",
        "Image and boxes are used as people see them, in training and afterwards.",
        "Look at the images with --report, if you are not sure.",
        "a JPEG of 4032 x 3024 with Orientation 6, and 3024 x 4032 in the JSON",
    ),
    "exif-boxes-stored": Explanation(
        "EXIF turns an image, boxes do not",
        "The boxes fit the image as stored; they are turned together with it.",
        "Look at the images with --report, if you are not sure.",
        "a JPEG of 4032 x 3024 with Orientation 6, and a box at x 3500 in the JSON",
    ),
    "unusual-format": Explanation(
        "an image is GIF, AVIF or JPEG 2000",
        "It is read, of several frames the first; other tools for detectors may refuse it.",
        "Nothing, or convert it to JPEG or PNG.",
        "clip.gif with 20 frames",
    ),
    "suffix-differs": Explanation(
        "a suffix names another file format",
        "Nothing for training: files are read as what they are. Other tools may refuse them.",
        "Rename the files, if another tool reads them.",
        "a.jpg that is a PNG",
    ),
    "unusual-mode": Explanation(
        "an image has alpha, 16 bits or CMYK",
        "The network sees 8-bit RGB; what is cut or hidden may be what tells classes apart.",
        "Convert the images to 8-bit RGB, and look at them.",
        "a PNG with transparent background, a 16-bit TIFF of a microscope",
    ),
}
