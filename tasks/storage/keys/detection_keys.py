"""Keys of ``detections/``: what a published model detected on images of the store."""


def all_detections() -> str:
    """Prefix of the detections of all published models."""
    return "detections/"


def done_images(project: str, version: int) -> str:
    """Prefix of the records of images that a version has detected on.

    Args:
        project: Project of the model.
        version: Its number.

    Returns:
        The prefix, with a version of fixed width, so that keys sort by version.
    """
    return f"{all_detections()}{project}/{version:06d}/images/"


def image_detections(project: str, version: int, image_id: str) -> str:
    """What a version detected on an image.

    Args:
        project: Project of the model.
        version: Its number.
        image_id: SHA-256 of key and ETag of the image.

    Returns:
        The key.
    """
    return f"{done_images(project, version)}{image_id}.json"


def annotated_image(project: str, version: int, image_id: str, sha256: str) -> str:
    """An image with its detections drawn.

    Args:
        project: Project of the model.
        version: Its number.
        image_id: SHA-256 of key and ETag of the image.
        sha256: SHA-256 of the file.

    Returns:
        The key: it names the content, since two runs may draw it at once.
    """
    return f"{all_detections()}{project}/{version:06d}/annotated/{image_id}-{sha256[:16]}.jpg"


def new_detections(project: str, version: int, sha256: str) -> str:
    """The detections of one run, as COCO JSON.

    Args:
        project: Project of the model.
        version: Its number.
        sha256: SHA-256 of the file.

    Returns:
        The key: it names the content.
    """
    return f"{all_detections()}{project}/{version:06d}/runs/{sha256[:16]}-detections.json"
