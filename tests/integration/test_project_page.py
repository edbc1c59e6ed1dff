"""The project's page in a real store: written after each change, by whoever knows most, and left alone otherwise."""

from datetime import UTC, datetime

import pytest

from tasks.promotion.by_hand import promote_by_hand, roll_back
from tasks.promotion.page.page import render
from tasks.promotion.page_in_store import gather, update_page
from tasks.promotion.registry import projects, versions
from tasks.records import AliasMove, DatasetSnapshot, LabelledImage, LabelSource, Split, VersionLabels
from tasks.storage import keys
from tasks.storage.datasets import save_manifest
from tasks.storage.documents import read_record
from tests.fakes.cleaner import after, cleaned
from tests.fakes.html import Page
from tests.fakes.published import publish_one
from tests.fakes.together import together

NOW = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
KEY = keys.project_page("fruit")


@pytest.fixture
def publish(store, tmp_path):
    """Publish a version with its own weights, and make it the champion after the one before."""

    def publish(number, **options):
        folder = tmp_path / str(number)
        folder.mkdir()
        return publish_one(store, folder, weights=b"weights %d" % number, expected=number - 1 or None, **options)

    return publish


def stored_text(store):
    return Page(store.get(KEY)[0].decode()).text


def labels_of(store, train, test):
    """A snapshot with so many images."""
    counts: dict[Split, int] = {"train": train, "test": test}
    images = tuple(
        LabelledImage(file_name=f"{at}.jpg", split=split, sha256=f"{at:02x}" * 32, size=1, width=9, height=9, boxes=())
        for at, split in enumerate(split for split, count in counts.items() for _ in range(count))
    )
    source = LabelSource(kind="file", name="made")
    return save_manifest(store, DatasetSnapshot(classes=("apple", "pear"), images=images, source=source))


def test_the_page_is_written_once_for_the_same_registry(store, publish):
    publish(1)
    assert update_page(store, "fruit") == KEY
    page, etag = store.get(KEY)
    assert "1 published version, the latest of" in stored_text(store)
    update_page(store, "fruit")
    assert store.get(KEY) == (page, etag)
    publish(2)
    update_page(store, "fruit")
    assert "2 published versions, the latest of" in stored_text(store)


def test_it_follows_what_people_do_with_the_champion(store, publish):
    first = publish(1)
    publish(2)
    roll_back(store, "fruit", "misses pears", "Ada", NOW)
    update_page(store, "fruit")
    assert "Brought back by Ada misses pears" in stored_text(store)
    assert "back to it: version 2 was rolled back" in stored_text(store)
    second = versions(store, "fruit")[1]
    promote_by_hand(store, second, AliasMove(version=2, at=NOW, reason="pears are back", by="Grace"))
    update_page(store, "fruit")
    assert "Promoted by Grace pears are back" in stored_text(store)
    assert first.version == 1


def test_whoever_read_the_registry_before_another_wrote_the_page_reads_it_again(store, publish):
    """The first writer has read version 1 alone, when the second publishes version 2 and writes a page with both."""
    publish(1)
    begun: list[int] = []

    def meanwhile(done, total):
        if not begun:
            begun.append(total)
            publish(2)
            update_page(store, "fruit")

    update_page(store, "fruit", meanwhile)
    assert begun == [1]
    assert "2 published versions" in stored_text(store)


def test_a_page_that_was_removed_meanwhile_is_written_again(store, publish):
    publish(1)
    update_page(store, "fruit")
    publish(2)
    removed: list[str] = []

    def meanwhile(done, total):
        if not removed:
            removed.append(KEY)
            store.delete([KEY])

    update_page(store, "fruit", meanwhile)
    assert removed == [KEY]
    assert "2 published versions" in stored_text(store)


def test_of_many_writers_at_once_all_end_with_the_page_of_the_registry(store, publish):
    publish(1)

    def publish_and_write(number):
        publish(number)
        update_page(store, "fruit")

    together(lambda: publish_and_write(2), *[lambda: update_page(store, "fruit")] * 5)
    assert store.get(KEY)[0].decode() == render(gather(store, "fruit"))
    assert "2 published versions" in stored_text(store)


def test_labels_are_counted_once_and_known_when_the_snapshot_is_gone(store, publish):
    snapshot = labels_of(store, train=5, test=3)
    publish(1, snapshot=snapshot.snapshot_digest)
    publish(2)
    content = gather(store, "fruit")
    assert {number: labels.training_images for number, labels in content.labels.items()} == {1: 5}
    kept, _ = read_record(store, keys.model_labels("fruit", 1), VersionLabels)
    assert (kept, kept.measured_images) == (content.labels[1], 3)
    assert not store.exists(keys.model_labels("fruit", 2))
    store.delete([keys.snapshot(snapshot.snapshot_digest)])
    assert gather(store, "fruit").labels == {1: kept}


def test_the_page_is_no_version_and_no_project_and_housekeeping_leaves_it(store, publish):
    card = publish(1, snapshot=labels_of(store, train=2, test=1).snapshot_digest)
    update_page(store, "fruit")
    cleaned(store, after(store))
    assert (projects(store), versions(store, "fruit")) == (["fruit"], [card])
    assert {KEY, keys.model_labels("fruit", 1)} <= set(store.list(keys.models("fruit")))
    assert publish(2).version == 2
