"""Keys of ``studies/``: studies of settings, their trials and their pages."""


def study(project: str, digest: str) -> str:
    """Prefix of a study.

    Args:
        project: Project of the labels.
        digest: Digest of what the study tries, on which labels.

    Returns:
        The prefix.
    """
    return f"studies/{project}/{digest[:32]}/"


def study_trials(project: str, digest: str) -> str:
    """Prefix of the trials of a study."""
    return f"{study(project, digest)}trials/"


def study_trial(project: str, digest: str, number: int) -> str:
    """A trial.

    Args:
        project: Project of the labels.
        digest: Digest of what the study tries, on which labels.
        number: Number of the trial, from 1.

    Returns:
        The key, with a number of fixed width, so that keys sort by number.
    """
    return f"{study_trials(project, digest)}{number:04d}.json"


def study_numbers(project: str, digest: str, sha256: str) -> str:
    """The SettingsStudy: what a study came to, for programs.

    Args:
        project: Project of the labels.
        digest: Digest of what the study tries, on which labels.
        sha256: Digest of the record.

    Returns:
        The key: it names the content.
    """
    return f"{study(project, digest)}{sha256[:16]}-study.json"


def study_page(project: str, digest: str, sha256: str) -> str:
    """The page of a study.

    Args:
        project: Project of the labels.
        digest: Digest of what the study tries, on which labels.
        sha256: SHA-256 of the page.

    Returns:
        The key: it names the content, so that no page is overwritten.
    """
    return f"{study(project, digest)}{sha256[:16]}-study.html"
