"""The gallery of images whose labels may be wrong. It loads nothing from elsewhere."""

from collections.abc import Sequence
from urllib.parse import quote

from tasks.evaluation.report.suspected_images import DETECTION_COLOUR, LABEL_COLOUR, SuspectedImage
from tasks.rendering.pages import render


def relabel_page(model: str, measured_on: str, images: Sequence[SuspectedImage], files: Sequence[str]) -> str:
    """The page.

    Args:
        model: ``PROJECT/VERSION`` whose detections contradict the labels.
        measured_on: The split that the images are of.
        images: The images, the most suspicious first.
        files: Path of each drawn image, from the page.

    Returns:
        The page as HTML.
    """
    return render(
        "tasks.evaluation.report",
        "relabel.html.j2",
        model=model,
        measured_on=measured_on,
        cards=[(image, quote(file)) for image, file in zip(images, files, strict=True)],
        errors=sum(len(image.errors) for image in images),
        colours={"label": LABEL_COLOUR, "detection": DETECTION_COLOUR},
    )
