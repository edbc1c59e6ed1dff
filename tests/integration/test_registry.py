"""The registry against a real server: versions, aliases, kills and races."""

import hashlib
import json
from datetime import UTC, datetime

import pytest

from tasks.errors import BadInput, CorruptObject, LostRace, NotInStore
from tasks.promotion.aliases import find_alias, move_alias
from tasks.promotion.by_hand import find_rollback, promote_by_hand, roll_back
from tasks.promotion.registry import Publication, find_version, projects, publish, versions
from tasks.records import (
    AliasMove,
    EvaluationReport,
    PromotionDecision,
    SplitCounts,
    StoredFile,
    TrainedModel,
    TrainingResult,
    TrainingSpec,
)
from tasks.storage import keys
from tests.fakes.scores import scores
from tests.fakes.together import together

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
DECISION = PromotionDecision(
    promote=True, verdict="promote", reason="First.", candidate_map=0.5, champion_map=None, champion_version=None
)


def clock():
    return NOW


def move_champion(store, version, expected, reason):
    return move_alias(store, "fruit", "champion", AliasMove(version=version, at=NOW, reason=reason), expected)


def stored(content: bytes) -> StoredFile:
    return StoredFile(key="runs/x", sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def trained(seed: int, weights: bytes) -> TrainedModel:
    spec = TrainingSpec(
        snapshot_digest="1" * 64, classes=("apple", "pear"), variant="s", epochs=2, image_size=64,
        batch_size=2, learning_rate=1e-3, patience=2, seed=seed,
    )  # fmt: skip
    result = TrainingResult(
        run_key=spec.digest, epochs_done=2, best_epoch=1, best_map=0.5, ended="epochs", seconds=1, images_per_second=1,
        weights_sha256=stored(weights).sha256, resumed_from_epoch=None, device="cpu",
    )  # fmt: skip
    return TrainedModel(run_key=spec.digest, spec=spec, result=result, weights=stored(weights), history=stored(b"{}\n"))


def measured(model: TrainedModel, value: float = 0.5) -> EvaluationReport:
    return EvaluationReport(
        weights_sha256=model.weights.sha256, run_key=model.run_key, snapshot_digest="1" * 64, split="test",
        counts=SplitCounts(images=3, boxes=4, background=0),
        scores=scores(value, precision=1, recall=1, threshold=0.5),
        detections=stored(b"[]"), evaluation=stored(b"{}"),
    )  # fmt: skip


@pytest.fixture
def publish_seed(store, tmp_path):
    """Publish the model of a seed; every seed has its own weights."""

    page = tmp_path / "report.html"
    page.write_bytes(b"<html>")
    for number in range(5):
        (tmp_path / f"{number}.safetensors").write_bytes(b"weights %d" % number)

    def publish_seed(seed=0, project="fruit", value=0.5, decision=DECISION):
        weights = tmp_path / f"{seed}.safetensors"
        model = trained(seed, weights.read_bytes())
        publication = Publication(project, model, measured(model, value), decision, weights, page)
        return publish(store, publication, clock)

    return publish_seed


def test_versions_count_from_1_and_have_their_files(store, publish_seed, tmp_path):
    first, second = publish_seed(0), publish_seed(1)
    assert (first.version, second.version) == (1, 2)
    assert (first.classes, first.variant, first.split, first.created_at) == (("apple", "pear"), "s", "test", NOW)
    store.download(second.weights, tmp_path / "pulled")
    assert (tmp_path / "pulled").read_bytes() == b"weights 1"
    assert versions(store, "fruit") == [first, second]
    assert find_version(store, "fruit", 2) == second
    assert find_version(store, "fruit", 3) is None


def test_projects_are_separate(store, publish_seed):
    assert (projects(store), versions(store, "fruit")) == ([], [])
    publish_seed(0)
    assert publish_seed(0, project="fruit-2").version == 1
    move_champion(store, 1, None, "First.")
    assert projects(store) == ["fruit", "fruit-2"]
    assert len(versions(store, "fruit")) == 1


def test_publishing_the_same_again_gives_the_same_version(store, publish_seed):
    first = publish_seed(0)
    assert publish_seed(0) == first
    assert publish_seed(0, value=0.6) == first  # another report of the same run, which was decided alike


def test_a_claim_of_an_older_nasflow_is_still_that_of_its_run(store, publish_seed):
    report_digest, run_key = "4" * 64, trained(0, b"weights 0").run_key
    claim = {"schema_version": 1, "run_key": run_key, "report_digest": report_digest}
    store.put(keys.model_claim("fruit", 3), json.dumps(claim).encode())
    assert publish_seed(1).version == 4
    assert publish_seed(0).version == 3


def test_a_run_that_was_trained_again_to_other_weights_is_another_version(store, publish_seed, tmp_path):
    publish_seed(0)
    (tmp_path / "0.safetensors").write_bytes(b"other weights")
    again = publish_seed(0)
    assert again.version == 2
    assert again.weights.sha256 == stored(b"other weights").sha256


@pytest.mark.parametrize("lost", ["card.json", "weights.safetensors"])
def test_after_a_kill_the_claimed_version_is_finished(store, publish_seed, monkeypatch, lost):
    real_upload, real_create = store.upload, store.create

    def die_at(real):
        def call(*args, **options):
            if any(str(argument).endswith(lost) for argument in args):
                raise KeyboardInterrupt
            return real(*args, **options)

        return call

    monkeypatch.setattr(store, "upload", die_at(real_upload))
    monkeypatch.setattr(store, "create", die_at(real_create))
    with pytest.raises(KeyboardInterrupt):
        publish_seed(0)
    monkeypatch.undo()
    assert versions(store, "fruit") == []
    assert publish_seed(1).version == 2  # the number is taken, though there is no card yet
    assert publish_seed(0).version == 1
    assert [card.version for card in versions(store, "fruit")] == [1, 2]


def test_racing_publishers_get_different_versions(store, publish_seed):
    cards = together(*(lambda seed=seed: publish_seed(seed) for seed in range(4)))
    assert sorted(card.version for card in cards) == [1, 2, 3, 4]
    assert versions(store, "fruit") == sorted(cards, key=lambda card: card.version)


def test_racing_publishers_of_one_model_get_one_version(store, publish_seed):
    cards = together(*[publish_seed] * 4)
    assert [card.version for card in cards] == [1] * 4
    assert versions(store, "fruit") == cards[:1]


@pytest.mark.parametrize("other", ["file", "report"])
def test_weights_that_were_not_measured_are_not_published(store, tmp_path, other):
    weights = tmp_path / "best.safetensors"
    weights.write_bytes(b"others" if other == "file" else b"weights")
    model = trained(0, b"weights")
    report = measured(trained(0, b"others") if other == "report" else model)
    with pytest.raises(CorruptObject, match="publish the same weights"):
        publish(store, Publication("fruit", model, report, DECISION, weights, weights), clock)
    assert store.list(keys.models("fruit")) == []


def test_an_alias_moves_and_keeps_its_history(store, publish_seed):
    publish_seed(0), publish_seed(1)
    assert find_alias(store, "fruit", "champion") is None
    move_champion(store, 1, None, "First.")
    moved = move_champion(store, 2, 1, "Better.")
    assert find_alias(store, "fruit", "champion") == moved
    assert [(move.version, move.reason) for move in moved.history] == [(1, "First."), (2, "Better.")]
    assert move_champion(store, 2, 1, "Again.") == moved


def test_an_alias_is_not_moved_by_an_outdated_decision(store, publish_seed):
    for seed in range(3):
        publish_seed(seed)
    move_champion(store, 2, None, "First.")
    with pytest.raises(LostRace, match="champion of fruit points to version 2, this was decided against version 1"):
        move_champion(store, 3, 1, "Better than 1.")
    with pytest.raises(LostRace, match="decided against none"):
        move_champion(store, 3, None, "First.")
    with pytest.raises(LostRace, match="other of fruit is not set"):
        move_alias(store, "fruit", "other", AliasMove(version=3, at=NOW, reason="Better than 1."), 1)
    assert find_alias(store, "fruit", "champion").version == 2


def test_an_alias_does_not_point_to_an_unpublished_version(store):
    with pytest.raises(NotInStore, match="fruit has no version 7"):
        move_champion(store, 7, None, "Why not.")


@pytest.mark.parametrize("expected", [None, 1])
def test_of_racing_moves_one_wins(store, publish_seed, expected):
    for seed in range(5):
        publish_seed(seed)
    if expected:
        move_champion(store, expected, None, "First.")
    results = together(
        *(lambda version=version: move_champion(store, version, expected, "Mine.") for version in (2, 3, 4, 5))
    )
    won = [result for result in results if not isinstance(result, LostRace)]
    assert [find_alias(store, "fruit", "champion")] == won
    assert len(won[0].history) == (2 if expected else 1)


def test_racing_moves_to_one_version_all_succeed_once(store, publish_seed):
    publish_seed(0)
    results = together(*[lambda: move_champion(store, 1, None, "First.")] * 4)
    assert results == [find_alias(store, "fruit", "champion")] * 4
    assert len(results[0].history) == 1


def by_hand(store, version, reason):
    card = find_version(store, "fruit", version)
    assert card is not None
    return promote_by_hand(store, card, AliasMove(version=version, at=NOW, reason=reason, by="Ada"))


def test_a_person_promotes_what_the_gate_kept_and_its_card_says_so(store, publish_seed):
    kept = DECISION.model_copy(update={"promote": False, "verdict": "keep", "reason": "Worse."})
    publish_seed(0)
    move_champion(store, 1, None, "First.")
    publish_seed(1, decision=kept)
    for _ in range(2):  # once more, as after a kill between the move and the card
        moved, _ = by_hand(store, 2, "looked at all images")
        card = find_version(store, "fruit", 2).decision
        assert (card.promote, card.verdict, card.overridden) == (True, "keep", "looked at all images")
        assert card.reason == "Promoted on request (looked at all images). Worse."
    assert [(move.version, move.by) for move in moved.history] == [(1, None), (2, "Ada")]


def test_rolling_back_goes_back_step_by_step(store, publish_seed):
    with pytest.raises(BadInput, match="project fruit: no champion"):
        roll_back(store, "fruit", "bad", None, NOW)
    for seed in range(3):
        publish_seed(seed)
        move_champion(store, seed + 1, seed or None, "Better.")
    alias, left = roll_back(store, "fruit", "bad at night", "Ada", NOW)
    assert (alias.version, left) == (2, 3)
    assert alias.history[-1] == AliasMove(version=2, at=NOW, reason="bad at night", by="Ada", rolled_back=3)
    assert roll_back(store, "fruit", "bad, too", None, NOW)[0].version == 1
    with pytest.raises(BadInput, match="no champion before version 1 to go back to"):
        roll_back(store, "fruit", "all bad", None, NOW)
    third = find_version(store, "fruit", 3).weights.sha256
    assert find_rollback(store, "fruit", third) == "version 3 was rolled back by Ada on 2024-05-01 (bad at night)"
    by_hand(store, 3, "the best after all")
    assert find_rollback(store, "fruit", third) is None


def test_of_fifty_racing_promotions_one_wins(store, publish_seed):
    for seed in range(5):
        publish_seed(seed)
    move_champion(store, 1, None, "First.")
    moves = [lambda version=2 + at % 4: move_champion(store, version, 1, f"to {version}") for at in range(50)]
    results = together(*moves)
    champion = find_alias(store, "fruit", "champion")
    assert [move.version for move in champion.history] == [1, champion.version]
    assert champion.history[-1].reason == f"to {champion.version}"
    assert {result.version for result in results if not isinstance(result, LostRace)} == {champion.version}


def test_of_two_racing_rollbacks_one_wins(store, publish_seed):
    for seed in range(3):
        publish_seed(seed)
        move_champion(store, seed + 1, seed or None, "Better.")
    results = together(*[lambda: roll_back(store, "fruit", "bad", None, NOW)] * 2)
    moves = len(find_alias(store, "fruit", "champion").history) - 3
    assert moves == len({result[0].version for result in results if not isinstance(result, LostRace)})
