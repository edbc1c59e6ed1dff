"""Keys of ``models/``, and of ``pretrained/``, where the SHA-256 is that of the weights."""


def all_pretrained() -> str:
    """Prefix of all weights that others published."""
    return "pretrained/"


def pretrained_file(sha256: str, name: str) -> str:
    """Weights that others published, under the name that they gave."""
    return f"{all_pretrained()}{sha256}/{name}"


def pretrained_manifest(sha256: str) -> str:
    """The manifest that makes published weights exist."""
    return f"{all_pretrained()}{sha256}/manifest.json"


def all_models() -> str:
    """Prefix of the models of all projects."""
    return "models/"


def models(project: str) -> str:
    """Prefix of the models of a project."""
    return f"{all_models()}{project}/"


def model_claim(project: str, version: int) -> str:
    """Who is writing a version."""
    return f"{models(project)}{version:06d}/claim.json"


def model_card(project: str, version: int) -> str:
    """The card that makes a version exist."""
    return f"{models(project)}{version:06d}/card.json"


def model_file(project: str, version: int, name: str) -> str:
    """A file of a version.

    Args:
        project: Name of the project.
        version: Number of the version.
        name: Name of the file. It names its content, unless the version's claim does.

    Returns:
        The key, with a version of fixed width, so that keys sort by version.
    """
    return f"{models(project)}{version:06d}/{name}"


def model_labels(project: str, version: int) -> str:
    """How many labels a version was trained on, and what it was measured on."""
    return f"{models(project)}{version:06d}/labels.json"


def project_page(project: str) -> str:
    """The page about all versions of a project, overwritten after each run."""
    return f"{models(project)}index.html"


def project_index(project: str) -> str:
    """Copies of the small records of all versions of a project, overwritten now and then."""
    return f"{models(project)}index.json"


def model_alias(project: str, name: str) -> str:
    """Where an alias points."""
    return f"{models(project)}aliases/{name}.json"
