"""Keys of the objects that try the store."""


def probes() -> str:
    """Prefix of the objects that try the store."""
    return "probe/"


def probe(token: str) -> str:
    """An object that tries the store, and is deleted at once."""
    return f"{probes()}{token}"
