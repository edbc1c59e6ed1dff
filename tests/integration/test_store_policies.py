"""What a worker and the control side may do in a real store with the policies of infra/policies."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from deployments.demo.cartoons import draw_export
from tasks.errors import BadSettings
from tasks.evaluation.in_store import evaluate_in_store, find_evaluation, job_for
from tasks.labeling.in_store import check_to_store, export_to_store
from tasks.promotion.aliases import find_alias, move_alias
from tasks.promotion.index import KEPT_FROM, ProjectIndex
from tasks.promotion.page_in_store import update_page
from tasks.promotion.registry import CHAMPION, Publication, find_version, publish
from tasks.records import AliasMove, ModelVersion, PromotionDecision, ReplayRequest, RetrainRequest
from tasks.settings import RoboflowSettings, WorkSettings
from tasks.storage import keys
from tasks.storage.probe import probe
from tasks.storage.runs import find_model, reuse_model
from tasks.storage.s3 import MULTIPART_BYTES, Store
from tasks.training.contract.events import CheckpointSaved, Event, Started
from tasks.training.detection_in_store import detect_in_store
from tasks.training.replay_in_store import find_run
from tasks.training.spec import plan
from tasks.training.training_in_store import train_in_store
from tests.fakes.cleaner import after, cleaned
from tests.fakes.finished_runs import evaluated, exported, finished_run, stored_labels
from tests.fakes.lease_holders import holder
from tests.fakes.published import publish_one
from tests.fakes.store_roles import BUCKET, PREFIX, render, store_with_roles

DENIED = "a policy denies this"
SHA = "ab" * 32
NOT_THE_WORKERS = [
    keys.blob(SHA), keys.snapshot(SHA), keys.version_count("acme", "pets", 1), keys.pretrained_manifest(SHA),
    keys.model_card("pets", 1), keys.model_alias("pets", "champion"), keys.project_page("pets"),
    keys.outcome("pets", "run"), keys.image_detections("pets", 1, SHA), keys.sent_image("acme", "pets", SHA),
    keys.study_trial("pets", SHA, 1), keys.returned_image("acme", "pets", SHA, SHA), keys.run_state(keys.HOUSEKEEPING),
    "weights/mine.pth", "anything",
]  # fmt: skip
"""A key of each kind that a train or evaluate run does not write."""


@pytest.fixture(scope="module")
def roles(tmp_path_factory):
    with store_with_roles(tmp_path_factory.mktemp("roles")) as settings:
        yield settings


@pytest.fixture
def worker(roles):
    return Store(roles["worker"])


@pytest.fixture
def control(roles):
    return Store(roles["control"])


@pytest.fixture
def administrator(roles):
    return Store(roles["administrator"].model_copy(update={"prefix": PREFIX}))


def client_of(settings):
    return boto3.client(
        "s3", endpoint_url=settings.endpoint, region_name=settings.region, aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key.get_secret_value(),
    )  # fmt: skip


def test_a_retrain_works_when_each_side_has_its_own_rights_alone(worker, control, tmp_path, monkeypatch, caplog):
    """Labels, training with a stop, evaluation, publishing, a replay's reading, housekeeping: by whoever does it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    caplog.set_level(logging.INFO)
    for side in (worker, control):
        probe(side)
    draw_export(tmp_path / "labels", 1, train=8, valid=2, test=2, size=64)
    request = RetrainRequest(
        project="pets", export=str(tmp_path / "labels"), epochs=3, image_size=64, batch_size=4, learning_rate=1e-3
    )
    fetched = export_to_store(control, request, RoboflowSettings, tmp_path / "scratch")
    labels = check_to_store(control, fetched, tmp_path / "scratch")
    job = plan(request, labels, None)
    evaluation = job_for(job.spec.digest, labels)
    job = job.model_copy(update={"evaluation": evaluation})
    # An upload that a killed worker left, which the next one removes.
    address = {"Bucket": BUCKET, "Key": f"{PREFIX}{keys.run_weights(job.spec.digest, SHA)}"}
    client_of(worker._settings).create_multipart_upload(**address)

    model = train_on(worker, job, tmp_path)
    assert control.open_uploads("") == []
    detected = detect_in_store(worker, evaluation, WorkSettings(work_dir=tmp_path / "second"), lambda event: None)
    report = evaluate_in_store(worker, evaluation, detected, WorkSettings(work_dir=tmp_path / "second"))
    exported(worker, tmp_path, report)
    assert reuse_model(control, job.spec.digest) == model
    assert find_evaluation(control, evaluation, model) == report

    card = published(control, tmp_path, model, report)
    assert find_alias(control, "pets", CHAMPION).version == card.version == 1
    assert find_run(worker, ReplayRequest(project="pets", version=1))[0] == card
    assert worker.get(keys.model_alias("pets", CHAMPION)) == control.get(keys.model_alias("pets", CHAMPION))


def train_on(worker, job, folder):
    """Train with a stop after the first epoch on one machine, and to the end on another one."""

    class Cancelled(BaseException):
        """What is raised when a flow run is cancelled."""

    def stop_when_saved(event: Event) -> None:
        if isinstance(event, CheckpointSaved) and event.epochs_done:  # on a slow machine one comes within the epoch
            raise Cancelled

    settings = WorkSettings(work_dir=folder / "first", checkpoint_every_minutes=0.01)
    with pytest.raises(Cancelled):
        train_in_store(worker, job, holder("first"), settings, stop_when_saved)
    events: list[Event] = []
    second = WorkSettings(work_dir=folder / "second", checkpoint_every_minutes=0.01)
    model = train_in_store(worker, job, holder("second"), second, events.append)
    assert next(event.resumed_from_epoch for event in events if isinstance(event, Started)) >= 1
    assert worker.list(keys.checkpoints(job.spec.digest)) == []
    return model


def published(control, folder: Path, model, report):
    """Publish a model, make it the champion, and write its page, as the control side does."""
    control.download(model.weights, folder / "weights")
    (folder / "page").write_text("a page")
    decision = PromotionDecision(
        promote=True, verdict="promote", reason="First.", candidate_map=0.5, champion_map=None, champion_version=None
    )
    publication = Publication("pets", model, report, decision, folder / "weights", folder / "page")
    card = publish(control, publication, lambda: datetime.now(UTC))
    move_alias(control, "pets", CHAMPION, AliasMove(version=1, at=card.created_at, reason="First."), None)
    update_page(control, "pets")
    return find_version(control, "pets", 1)


def test_housekeeping_has_the_rights_of_the_control_side(control, worker, tmp_path):
    labels = stored_labels(control, tmp_path, 5)
    unused = finished_run(worker, tmp_path, labels, 5)
    evaluated(worker, tmp_path, labels, unused, 0.5)
    client_of(control._settings).create_multipart_upload(Bucket=BUCKET, Key=f"{PREFIX}{keys.blob(SHA)}")
    assert cleaned(control, after(control)).removed
    assert find_model(control, unused.run_key) is None
    assert control.list(keys.run(unused.run_key)) == []
    assert control.open_uploads("") == []


@pytest.mark.parametrize("key", NOT_THE_WORKERS)
def test_a_worker_can_neither_write_nor_delete_what_is_not_a_run(worker, administrator, roles, key):
    administrator.put(key, b"whole")
    in_parts = client_of(roles["worker"])
    attempts = [
        lambda: worker.put(key, b"other"),
        lambda: worker.create(f"{key}.new", b"other"),
        lambda: worker.replace(key, b"other", administrator.get(key)[1]),
        lambda: worker.upload_in_parts(b"other", key, {}),
        lambda: worker.delete([key]),
    ]
    for attempt in attempts:
        with pytest.raises(BadSettings, match=DENIED):
            attempt()
    address = {"Bucket": BUCKET, "Key": f"{PREFIX}{key}"}
    with pytest.raises(in_parts.exceptions.ClientError, match="AccessDenied"):
        in_parts.copy_object(**address, CopySource=f"{BUCKET}/{PREFIX}{keys.run_spec(SHA)}")
    answer = in_parts.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": address["Key"]}]})
    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
    assert administrator.get(key)[0] == b"whole"
    assert not administrator.exists(f"{key}.new")


@pytest.mark.parametrize("key", [keys.outcome("pets", "run"), keys.sent_image("acme", "pets", SHA), "mine/labels.zip"])
def test_a_worker_cannot_read_what_no_training_needs(worker, administrator, key):
    administrator.put(key, b"whole")
    with pytest.raises(BadSettings, match=DENIED):
        worker.get(key)


def test_the_control_side_can_read_all_and_delete_no_model(control, administrator):
    for key in (keys.model_card("birds", 1), keys.model_alias("birds", CHAMPION), keys.outcome("birds", "run")):
        administrator.put(key, b"whole")
        with pytest.raises(BadSettings, match=DENIED):
            control.delete([key])
        assert control.get(key)[0] == b"whole"
    administrator.put("mine/labels.zip", b"an export")
    assert control.get("mine/labels.zip")[0] == b"an export"
    with pytest.raises(BadSettings, match=DENIED):
        control.put("mine/labels.zip", b"other")


@pytest.mark.parametrize("role", ["worker", "control"])
def test_another_prefix_of_the_bucket_is_out_of_reach(roles, role):
    other = keys.run_spec(SHA)
    Store(roles["administrator"].model_copy(update={"prefix": "others/"})).put(other, b"theirs")
    outside = Store(roles[role].model_copy(update={"prefix": "others/"}))
    for attempt in (lambda: outside.get(other), lambda: outside.put(other, b"x"), lambda: outside.delete([other])):
        with pytest.raises(BadSettings, match=DENIED):
            attempt()


@pytest.mark.parametrize("role", ["worker", "control"])
def test_a_missing_bucket_is_among_the_reasons_that_a_role_is_told(roles, role):
    """The policy names a bucket that nobody has made, which some stores do not tell from a denied one."""
    with pytest.raises(BadSettings, match=r"403 AccessDenied .*: allow s3:PutObject .*see that the bucket exists"):
        probe(Store(roles[role].model_copy(update={"bucket": "never-made"})))


def test_a_missing_object_is_missing_and_not_denied(worker, control):
    assert not worker.exists(keys.run_state("cd" * 32))
    assert find_model(worker, "cd" * 32) is None
    assert not control.exists(keys.model_card("none", 1))


def test_large_files_of_a_run_go_in_parts(worker, tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(MULTIPART_BYTES + 1)
    stored = worker.upload(path, lambda sha256: keys.run_weights(SHA, sha256))
    assert worker.size(stored.key) == MULTIPART_BYTES + 1


@pytest.mark.parametrize("key", [*NOT_THE_WORKERS[:-2], keys.run_state(SHA)])
def test_the_control_side_writes_every_kind_of_key(control, key):
    control.put(key, b"first")
    control.replace(key, b"second", control.get(key)[1])
    control.upload_in_parts(b"third", key, {})
    assert control.get(key)[0] == b"third"


def test_the_store_takes_the_lifecycle_rules(roles):
    client = client_of(roles["administrator"])
    rules = render("lifecycle", "--bucket", BUCKET, "--prefix", PREFIX).stdout
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=json.loads(rules))
    stored = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert [rule["ID"] for rule in stored] == ["nasflow-open-uploads", "nasflow-old-versions"]


def test_who_may_not_write_the_index_of_a_project_reads_all_the_same(control, worker, tmp_path, caplog):
    card = publish_one(control, tmp_path)
    numbers = range(1, KEPT_FROM + 1)
    for number in numbers:
        content = card.model_copy(update={"version": number}).model_dump_json().encode()
        control.put(keys.model_card("fruit", number), content)
    index = ProjectIndex(worker, "fruit")
    assert list(index.read("card.json", ModelVersion)) == list(numbers)
    index.keep()
    assert [one.levelname for one in caplog.records if "read by themselves the next time" in one.message] == ["WARNING"]
    assert keys.project_index("fruit") not in control.list(keys.models("fruit"))


def test_keys_of_before_are_refused_once_the_store_was_started_with_new_ones(tmp_path):
    """As docs/deploying.md makes new secrets: SeaweedFS keeps no identity of an earlier file."""
    with store_with_roles(tmp_path) as before:
        Store(before["control"]).put("models/x", b"1")
    with store_with_roles(tmp_path) as now:
        for role in ("worker", "control"):
            old = before[role].model_copy(update={"endpoint": now[role].endpoint})
            with pytest.raises(BadSettings):
                Store(old).get("models/x")
            assert Store(now[role]).get("models/x")[0] == b"1"
