"""A study in the store: its numbers for programs, and its page for people."""

from pathlib import Path

from tasks.local.scratch import scratch_folder
from tasks.records import SettingsStudy, StoredFile
from tasks.storage import keys
from tasks.storage.documents import put_record
from tasks.storage.s3 import Store
from tasks.studies.page.page import render


def store_study(store: Store, study: SettingsStudy, digest: str, scratch: Path) -> tuple[str, StoredFile]:
    """Store what a study came to, and its page.

    Args:
        store: The object store.
        study: The outcome.
        digest: Digest of the StudyIdentity.
        scratch: Folder for temporary files.

    Returns:
        Store key of the numbers, and the page.
    """
    key = keys.study_numbers(study.project, digest, study.digest)
    put_record(store, key, study)
    with scratch_folder(scratch) as folder:
        path = folder / "study.html"
        path.write_text(render(study), "utf-8")
        page = store.upload(
            path,
            lambda sha256: keys.study_page(study.project, digest, sha256),
            content_type="text/html; charset=utf-8",
        )
    return key, page
