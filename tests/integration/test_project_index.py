"""A project with many versions is read through its index, which may be old, damaged or missing."""

import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from tasks.promotion.aliases import move_alias
from tasks.promotion.index import KEPT_FROM, ProjectIndex
from tasks.promotion.page_in_store import update_page
from tasks.promotion.registry import CHAMPION, find_version, versions
from tasks.records import AliasMove, ModelVersion
from tasks.storage import keys
from tasks.storage.s3 import Store
from tests.fakes.counting_proxy import CountingProxy
from tests.fakes.finished_runs import stored_labels
from tests.fakes.published import publish_one

VERSIONS = 25
FEW = 8 + KEPT_FROM
"""Requests of a command that reads pointers: listing, index, alias and page, and versions that the index lacks."""


@pytest.fixture
def many(store, tmp_path):
    """Versions that were published one after the other, as runs do, and the page written by the last run."""
    for number in range(VERSIONS):
        publish_one(store, tmp_path, weights=b"weights %d" % number, expected=number or None)
    update_page(store, "fruit")
    return store


@pytest.fixture
def counted(store_settings):
    server = urlsplit(store_settings.endpoint)
    with CountingProxy(str(server.hostname), int(server.port or 80)) as proxy:
        yield Store(store_settings.model_copy(update={"endpoint": proxy.url})), proxy


def test_listing_reads_pointers_and_not_each_version(many, counted):
    store, proxy = counted
    before = proxy.counted()
    cards = versions(store, "fruit")
    assert [card.version for card in cards] == list(range(1, VERSIONS + 1))
    assert (proxy.counted() - before).total() <= FEW < VERSIONS


def test_a_run_leaves_an_index_that_lacks_one_version_at_most(store, counted, tmp_path):
    snapshot = stored_labels(store, tmp_path).snapshot_digest
    for number in range(5):
        publish_one(store, tmp_path, weights=b"weights %d" % number, expected=number or None, snapshot=snapshot)
        update_page(store, "fruit")
        reader, proxy = counted
        before = proxy.counted()
        assert len(versions(reader, "fruit")) == number + 1
        asked = proxy.counted() - before
        assert sum(count for path, count in asked.items() if "card.json" in path) <= 1


def test_publishing_does_not_read_the_claim_of_each_version(many, counted, tmp_path):
    store, proxy = counted
    before = proxy.counted()
    assert publish_one(store, tmp_path, weights=b"one more", expected=VERSIONS).version == VERSIONS + 1
    claims = [path for path in proxy.counted() - before if path.startswith("GET") and "claim.json" in path]
    assert len(claims) <= KEPT_FROM < VERSIONS


def test_a_version_that_was_judged_anew_is_shown_as_it_is_now(many):
    card = find_version(many, "fruit", 3)
    changed = card.model_copy(update={"variant": "l"})
    many.put(keys.model_card("fruit", 3), changed.model_dump_json().encode())
    assert versions(many, "fruit")[2] == changed


def test_a_version_that_was_removed_is_not_shown(many):
    many.delete([keys.model_card("fruit", 3)])
    assert 3 not in [card.version for card in versions(many, "fruit")]


def test_a_damaged_index_costs_time_alone(many):
    before = versions(many, "fruit")
    for content in (b"", b"{", b'{"copies": {"x": 1}}', b"[]"):
        many.put(keys.project_index("fruit"), content)
        assert versions(many, "fruit") == before


def test_a_copy_under_another_version_is_not_believed(many):
    """The index is only believed for the object and the content that it was made from."""
    index, _ = many.get(keys.project_index("fruit"))
    swapped = index.replace(b"000003/card.json", b"00000X").replace(b"000004/card.json", b"000003/card.json")
    many.put(keys.project_index("fruit"), swapped.replace(b"00000X", b"000004/card.json"))
    cards = ProjectIndex(many, "fruit").read("card.json", ModelVersion)
    assert [(number, card.version) for number, card in cards.items()] == [(n, n) for n in range(1, VERSIONS + 1)]


def test_a_claim_has_the_last_word_and_not_its_copy(many, tmp_path):
    """The copy of a later claim says what the claim of version 3 says."""
    index = json.loads(many.get(keys.project_index("fruit"))[0])
    third, _ = many.get(keys.model_claim("fruit", 3))
    latest = max(key for key in index["copies"] if key.endswith("claim.json"))
    assert latest > keys.model_claim("fruit", 3)
    index["copies"][latest]["content"] = third.decode()
    many.put(keys.project_index("fruit"), json.dumps(index).encode())
    move = AliasMove(version=2, at=datetime.now(UTC), reason="as when version 3 was published")
    move_alias(many, "fruit", CHAMPION, move, VERSIONS)
    assert publish_one(many, tmp_path, weights=b"weights 2", expected=2).version == 3
