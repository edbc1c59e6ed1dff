"""Keys of ``suggestions/``: images that were sent to Roboflow to be labelled."""


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
