"""``nasflow metrics`` against a real Prefect server and a real store, read by Prometheus's own parser."""

import json
import os
import shutil
import socket
import urllib.parse
import urllib.request
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from prefect.client.schemas.objects import State, StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from prometheus_client.parser import text_string_to_metric_families

import deployments
from deployments.local_stack import processes
from deployments.monitoring.server_look import COUNTED, ServerLook, begin_of_attempt
from deployments.monitoring.store_look import StoreLook
from deployments.remote import last_backup
from tasks.promotion.registry import CHAMPION
from tasks.records import AliasMove, CheckpointManifest, ModelAlias, RunState, TrainJob
from tasks.storage import keys
from tasks.storage.documents import put_record
from tasks.storage.s3 import Store
from tests.fakes.counting_proxy import CountingProxy
from tests.fakes.lease_holders import holder
from tests.fakes.metrics import exporter
from tests.fakes.store_roles import store_variables
from tests.fakes.waiting import wait_for
from tests.monitoring import queries

SPEC = {
    "snapshot_digest": "a" * 64, "classes": ["cat"], "variant": "s", "epochs": 9, "image_size": 64, "batch_size": 1,
    "learning_rate": 0.001, "patience": 1,
}  # fmt: skip
RETRAIN = {"request": {"project": "pets"}}
MAX_REQUESTS = 30
"""Of a look at a server with two pools and few queues, runs and crashes."""
PREFECT_YAML = Path(deployments.__file__).parent / "prefect.yaml"
MONITORING = Path(deployments.__file__).parents[1] / "infra" / "monitoring"
PROMETHEUS = shutil.which("prometheus")
UNCHECKED = {"enforce_parameter_schema": False}


@pytest.fixture(scope="module")
def settings(server_settings):
    """A prefix of the store for this file."""
    return server_settings.model_copy(update={"prefix": f"{server_settings.prefix}{uuid.uuid4().hex}/"})


@pytest.fixture(scope="module")
def store(settings):
    return Store(settings)


@pytest.fixture(scope="module")
def running(tmp_path_factory, prefect_server, settings, store):
    """An exporter for the tests of this file that only look."""
    put_champion(store, "pets", 3, datetime(2026, 1, 2, tzinfo=UTC))
    put_champion(store, "fruit", 7, datetime(2026, 1, 1, 12, tzinfo=UTC))
    environment = {**prefect_server.environment, **store_variables(settings)}
    with exporter(tmp_path_factory.mktemp("metrics"), environment) as running:
        running.next("server", "store")
        yield running


def job(seed):
    """A train job, and its run key."""
    parameters = {"job": {"spec": {**SPEC, "seed": seed}}}
    return parameters, TrainJob.model_validate(parameters["job"]).spec.digest


def put_state(store, run_key, epochs_done, status="running"):
    state = RunState(
        run_key=run_key, status=status, holder=holder("a test"), lease="a lease", lease_seconds=60, renewals=0,
        renewed_at=datetime.now(UTC), epochs_done=epochs_done,
    )  # fmt: skip
    put_record(store, keys.run_state(run_key), state)


def put_checkpoint(store, run_key, epochs_done):
    """Save a checkpoint without files; when it was saved by the store's clock."""
    key = keys.checkpoint_manifest(run_key, epochs_done)
    put_record(store, key, CheckpointManifest(run_key=run_key, epochs_done=epochs_done, files={}))
    return store.entries(key)[0].modified


def put_champion(store, project, version, at):
    move = AliasMove(version=version, at=at, reason="a test")
    alias = ModelAlias(project=project, name=CHAMPION, version=version, history=(move,))
    put_record(store, keys.model_alias(project, CHAMPION), alias)


def changes(before, after, name):
    """What became more or less, by labels."""
    was = before.series(name)
    return {
        tuple(value for _, value in labels): value - was[labels]
        for labels, value in after.series(name).items()
        if value != was[labels]
    }


def test_flow_runs_are_counted_by_flow_and_state(prefect_server, running):
    before = running.next("server")
    runs = [prefect_server.ask_for("retrain/retrain", RETRAIN) for _ in range(4)]
    prefect_server.set_state(runs[0], "RUNNING")
    prefect_server.set_state(runs[1], "FAILED")
    prefect_server.set_state(runs[2], "FAILED")
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    state = {"type": "SCHEDULED", "name": "Scheduled", "state_details": {"scheduled_time": later}}
    prefect_server.ask_for("clean/clean", {}, state=state, **UNCHECKED)  # as of a schedule, far ahead: not counted
    after = running.next("server")
    assert changes(before, after, "nasflow_flow_runs") == {
        ("retrain", "running"): 1, ("retrain", "failed"): 2, ("retrain", "scheduled"): 1,
    }  # fmt: skip


def test_the_oldest_due_run_of_a_queue_tells_how_long_one_waits(prefect_server, running):
    queue = f"metrics-{uuid.uuid4().hex[:8]}"
    prefect_server.api("/work_pools/gpu/queues", {"name": queue})
    now = datetime.now(UTC)
    for seconds in (-600, -60, 3600):
        at = (now + timedelta(seconds=seconds)).isoformat()
        state = {"type": "SCHEDULED", "name": "Scheduled", "state_details": {"scheduled_time": at}}
        prefect_server.ask_for(
            "evaluate/evaluate", {}, state=state, work_queue_name=queue, enforce_parameter_schema=False
        )
    scrape = running.next("server")
    waited = (datetime.now(UTC) - now).total_seconds()
    assert scrape.value("nasflow_waiting_flow_runs", pool="gpu", queue=queue) == 2
    assert 599 <= scrape.value("nasflow_queue_wait_seconds", pool="gpu", queue=queue) <= 601 + waited
    assert scrape.value("nasflow_workers_online", pool="gpu") is not None


def test_the_store_tells_what_the_loss_of_a_worker_would_cost_and_a_crash_is_counted_once(
    prefect_server, store, running
):
    parameters, run_key = job(seed=uuid.uuid4().int % 2**31)
    short = run_key[:12]
    run = prefect_server.ask_for("train/train", parameters)
    prefect_server.set_state(run, "RUNNING")
    before = running.next("server", "store")
    assert before.value("nasflow_upload_lag_epochs", run=short) is None  # it fetches images, and holds no lease
    put_state(store, run_key, epochs_done=5)
    saved = put_checkpoint(store, run_key, epochs_done=3)
    wait_for(lambda: datetime.now(UTC) > saved + timedelta(seconds=2.5))
    scrape = running.next("server", "store")
    assert scrape.value("nasflow_upload_lag_epochs", run=short) == 2
    age = (datetime.now(UTC) - saved).total_seconds()
    assert 0 <= scrape.value("nasflow_unsaved_seconds", run=short) <= age + 1

    prefect_server.set_state(run, "CRASHED")
    states = prefect_server.api(f"/flow_run_states/?flow_run_id={run}")
    crashed = datetime.fromisoformat(states[-1]["timestamp"])
    expected = (crashed - saved).total_seconds()
    assert expected > 1
    # The next attempt saves another one, which is too late for this one. The store's times are whole seconds.
    wait_for(lambda: datetime.now(UTC) > crashed + timedelta(seconds=1))
    put_checkpoint(store, run_key, epochs_done=4)

    def lost():
        return running.next("server", "store").value("nasflow_training_lost_seconds_total")

    assert wait_for(lost) == pytest.approx(expected, abs=0.5)  # the server stores events a moment later
    assert lost() == pytest.approx(expected, abs=0.5)
    after = running.scrape()
    assert after.value("nasflow_unsaved_seconds", run=short) is None
    ran = changes(before, after, "nasflow_training_seconds")["crashed",]
    began = datetime.fromisoformat(next(one["timestamp"] for one in states if one["type"] == "RUNNING"))
    assert ran == pytest.approx((crashed - began).total_seconds(), abs=1.1)  # whole seconds, on SQLite


@pytest.mark.parametrize(
    ("types", "begin"),
    [
        (["PENDING", "RUNNING", "CRASHED"], 1),
        (["PENDING", "RUNNING", "CANCELLING", "CRASHED"], 1),
        (["RUNNING", "CRASHED", "SCHEDULED", "PENDING", "RUNNING", "CRASHED"], 4),
        (["RUNNING", "CRASHED", "SCHEDULED", "PENDING", "CRASHED"], None),  # lost before it was started again
        (["RUNNING", "CRASHED", "CRASHED"], None),  # given up: it crashed once
        (["CRASHED"], None),
    ],
)
def test_a_crash_costs_from_the_begin_of_the_attempt_that_crashed(types, begin):
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    hours = [noon + timedelta(hours=number) for number in range(len(types))]
    states = [State(type=StateType(one), timestamp=at) for one, at in zip(types, hours, strict=True)]
    assert begin_of_attempt(list(reversed(states)), hours[-1]) == (None if begin is None else hours[begin])


def test_a_record_that_cannot_be_read_is_left_out_and_counted(server_settings):
    store = Store(server_settings.model_copy(update={"prefix": f"{server_settings.prefix}{uuid.uuid4().hex}/"}))
    put_champion(store, "pets", 3, datetime(2026, 1, 2, tzinfo=UTC))
    store.put(keys.model_alias("damaged", CHAMPION), b"{}")
    figures = StoreLook(store, lambda: None)()
    assert [(one.project, one.version) for one in figures.champions] == [("pets", 3)]
    assert figures.left_out == {"projects": 0, "unreadable": 1}


def test_champions_have_version_and_time(running):
    scrape = running.scrape()
    # Midnight of 2 January 2026 is 20,455 days after the epoch.
    assert scrape.value("nasflow_champion_promoted_timestamp_seconds", project="pets") == 20_455 * 86_400
    assert scrape.value("nasflow_champion_promoted_timestamp_seconds", project="fruit") == 20_454.5 * 86_400
    assert scrape.value("nasflow_champion_version", project="pets") == 3
    assert len(scrape.series("nasflow_champion_version")) == 2


def test_the_newest_backup_that_the_server_was_told_of(prefect_server, running):
    assert running.next("server").value("nasflow_last_backup_timestamp_seconds") is None
    try:
        with temporary_settings({PREFECT_API_URL: prefect_server.url}):
            assert last_backup.main(["2026-01-01T00:00:00Z"]) == 0
            assert last_backup.main(["2026-01-02T03:00:00+03:00"]) == 0
        # Midnight of 2 January 2026 is 20,455 days after the epoch.
        assert running.next("server").value("nasflow_last_backup_timestamp_seconds") == 20_455 * 86_400
    finally:
        prefect_server.api(f"/variables/name/{last_backup.VARIABLE}", method="DELETE")


def test_all_flows_of_the_deployments_are_counted():
    shipped = yaml.safe_load(PREFECT_YAML.read_text())["deployments"]
    assert sorted(COUNTED) == sorted(one["name"] for one in shipped)


def test_what_keeps_it_from_serving_is_one_line(prefect_server, settings):
    store = store_variables(settings)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refusals = {
            f"--host 127.0.0.1 --port {port}: ": prefect_server.run("metrics", "--port", port, **store),
            "--host 192.0.2.1 --port 0: ": prefect_server.run("metrics", "--host", "192.0.2.1", "--port", "0", **store),
            "NASFLOW_STORE_": prefect_server.run("metrics", "--port", "0"),
            "PREFECT_API_URL is not set": prefect_server.run("metrics", "--port", "0", **store, PREFECT_API_URL=""),
        }
    for said, done in refusals.items():
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert said in done.stderr


# Outages, requests and secrets -------------------------------------------------------------------


def test_a_source_that_is_away_fails_no_scrape_and_its_values_are_not_served(
    tmp_path, prefect_server, settings, running
):
    """The Prefect server and the store are behind proxies that end. A password is in the server's address."""
    secrets = {"planted-password", settings.secret_access_key.get_secret_value()}
    environment = {**prefect_server.environment, **store_variables(settings)}
    server = CountingProxy("127.0.0.1", prefect_server.port)
    store = CountingProxy("127.0.0.1", int(settings.endpoint.rpartition(":")[2]))
    with server, store:
        environment |= {
            "PREFECT_API_URL": server.url.replace("//", "//someone:planted-password@") + "/api",
            "NASFLOW_STORE_ENDPOINT": store.url,
        }
        with exporter(tmp_path, environment) as away:
            both = away.next("server", "store")
            assert both.series("nasflow_champion_version")
            store.__exit__()
            scrape = wait_for(lambda: without(away, source="store"))
            assert not scrape.series("nasflow_champion_version")
            assert scrape.series("nasflow_flow_runs")
            assert scrape.value("nasflow_up", source="server") == 1
            server.__exit__()
            scrape = wait_for(lambda: without(away, source="server"))
            assert not scrape.series("nasflow_flow_runs")
            assert not scrape.series("nasflow_queue_wait_seconds")
            assert scrape.value("nasflow_last_success_timestamp_seconds", source="server") > 0
            assert scrape.value("nasflow_training_lost_seconds_total") == 0
            # A request that was under way is repeated once.
            wait_for(lambda: "the Prefect server: no answer" in away.log.read_text())
            told = both.text + scrape.text + away.log.read_text()
    assert "the store: no answer" in told
    assert not [secret for secret in secrets if secret in told]


def without(away, source):
    scrape = away.scrape()
    return scrape if scrape.value("nasflow_up", source=source) == 0 else None


def test_more_runs_and_models_make_a_look_ask_no_more(prefect_server, settings, store):
    with CountingProxy("127.0.0.1", prefect_server.port) as proxy:
        with temporary_settings({PREFECT_API_URL: f"{proxy.url}/api"}):
            look = ServerLook()
            look()
            first = proxy.counted().total()
            assert first <= MAX_REQUESTS, proxy.counted()
            for _ in range(20):
                prefect_server.set_state(prefect_server.ask_for("retrain/retrain", RETRAIN), "COMPLETED")
            look()
            assert proxy.counted().total() == 2 * first
    with CountingProxy("127.0.0.1", int(settings.endpoint.rpartition(":")[2])) as proxy:
        behind = Store(settings.model_copy(update={"endpoint": proxy.url}))
        StoreLook(behind, lambda: None)()
        # The time, the projects, and the aliases of two.
        assert proxy.counted().total() == 4, proxy.counted()
        for version in range(20):
            store.put(keys.model_card("pets", version), b"{}")
        StoreLook(behind, lambda: None)()
        assert proxy.counted().total() == 2 * 4


# Prometheus --------------------------------------------------------------------------------------


@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not here: apt-get install prometheus")
def test_a_prometheus_scrapes_it_and_answers_every_query_of_the_dashboard(tmp_path, running):
    """With the alerts of infra/monitoring, and a scrape of Prometheus's own."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    (nasflow,) = [one for one in config["scrape_configs"] if one["job_name"] == "nasflow"]
    nasflow |= {"scrape_interval": "1s", "static_configs": [{"targets": [running.url.split("/")[2]]}]}
    config |= {"scrape_configs": [nasflow], "rule_files": [str(MONITORING / "alerts.yml")]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{processes.free_port()}"
    command = [
        str(PROMETHEUS), f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address={address}",
    ]  # fmt: skip
    prometheus = processes.start(command, tmp_path / "prometheus.log", dict(os.environ))

    def ask(path):
        try:
            with urllib.request.urlopen(f"http://{address}/api/v1/{path}", timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError:
            assert prometheus.poll() is None, (tmp_path / "prometheus.log").read_text()
            return None

    def query(text):
        return (ask(f"query?{urllib.parse.urlencode({'query': text})}") or {}).get("result")

    try:
        (version,) = wait_for(lambda: query('nasflow_champion_version{project="pets"}'), "a scrape", seconds=120)
        assert version["value"][1] == "3"
        assert [one["value"][1] for one in query('up{job="nasflow"}')] == ["1"]
        dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
        answers = {one: query(one) for some in queries(dashboard).values() for one in some}
        assert None not in answers.values()
        assert answers["nasflow_up"]
        (group,) = ask("rules")["groups"]
        assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
        targets = ask("targets")["activeTargets"]
        assert [(one["health"], one["lastError"]) for one in targets] == [("up", "")]
    finally:
        processes.stop(prometheus, 10)


def test_the_server_has_metrics_of_prefect_where_they_are_scraped(prefect_server):
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    (job,) = [one for one in config["scrape_configs"] if one["job_name"] == "prefect-server"]
    url = prefect_server.url.removesuffix("/api") + job["metrics_path"]
    with urllib.request.urlopen(url, timeout=60) as answer:
        names = {family.name for family in text_string_to_metric_families(answer.read().decode())}
    assert "prefect_events_emitted" in names


def test_a_run_does_not_crash_on_the_port_that_its_worker_shows_metrics_of_prefect_on(
    prefect_server, running, monkeypatch
):
    monkeypatch.setitem(prefect_server.environment, "PREFECT_CLIENT_METRICS_ENABLED", "true")
    monkeypatch.setitem(prefect_server.environment, "PREFECT_CLIENT_METRICS_PORT", str(processes.free_port()))
    with prefect_server.worker("default", "metrics"):
        run = prefect_server.ask_for("clean/clean", {"job": {}}, work_queue_name="metrics", **UNCHECKED)
        wait_for(lambda: prefect_server.state(run) in {"Failed", "Crashed", "Completed"})
        wait_for(lambda: running.next("server").value("nasflow_workers_online", pool="default"), "a worker online")
    state = prefect_server.api(f"/flow_runs/{run}")["state"]
    assert state["name"] == "Failed"  # it names no store
    assert "NASFLOW_STORE" in state["message"]
