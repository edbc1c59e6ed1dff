"""Keys of ``suggestions/`` and ``relabelling/``: images that were sent to Roboflow, or given back to it."""


def sent_images(workspace: str, project: str) -> str:
    """Prefix of the images that were sent to a Roboflow project."""
    return f"suggestions/{workspace}/{project}/"


def sent_image(workspace: str, project: str, sha256: str) -> str:
    """An image that was sent to a Roboflow project.

    Args:
        workspace: Roboflow's name of the workspace.
        project: Roboflow's name of the project.
        sha256: SHA-256 of the image.

    Returns:
        The key.
    """
    return f"{sent_images(workspace, project)}{sha256}.json"


def returned_images(workspace: str, project: str) -> str:
    """Prefix of the images of a Roboflow project that were given back to labelling."""
    return f"relabelling/{workspace}/{project}/"


def returned_image(workspace: str, project: str, sha256: str, labels_digest: str) -> str:
    """An image of a Roboflow project that was given back to labelling.

    Args:
        workspace: Roboflow's name of the workspace.
        project: Roboflow's name of the project.
        sha256: SHA-256 of the image in the labels.
        labels_digest: Digest of its boxes.

    Returns:
        The key: with other boxes the image has another one.
    """
    return f"{returned_images(workspace, project)}{sha256}-{labels_digest[:16]}.json"
