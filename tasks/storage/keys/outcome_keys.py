"""Keys of ``outcomes/``: what retrain runs came to."""


def outcome(project: str, flow_run: str) -> str:
    """What a retrain run came to.

    Args:
        project: Project of the run.
        flow_run: Id of the flow run.

    Returns:
        The key.
    """
    return f"outcomes/{project}/{flow_run}.json"
