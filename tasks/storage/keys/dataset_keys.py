"""Keys of ``datasets/``: images and zips by content, snapshots, and what was labelled for a Roboflow version."""


def blob(sha256: str) -> str:
    """One image, or the zip of an export, by content."""
    return f"{blobs()}{sha256[:2]}/{sha256}"


def blobs() -> str:
    """Prefix of all images and zips."""
    return "datasets/blobs/sha256/"


def snapshots() -> str:
    """Prefix of the manifests of all snapshots."""
    return "datasets/snapshots/"


def snapshot(digest: str) -> str:
    """The manifest of a snapshot."""
    return f"{snapshots()}{digest}.json"


def version_count(workspace: str, project: str, version: int) -> str:
    """How much was labelled in a Roboflow project when a version was generated.

    Args:
        workspace: Roboflow's name of the workspace.
        project: Roboflow's name of the project.
        version: Number of the version.

    Returns:
        The key, with a version of fixed width, so that keys sort by version.
    """
    return f"datasets/versions/{workspace}/{project}/{version:06d}.json"
