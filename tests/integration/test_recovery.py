"""What becomes of flow runs that crash, go silent or are cancelled, on a real Prefect server without workers."""

import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import State
from prefect.states import (
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
    Scheduled,
    Suspended,
)

from tasks.orchestration.asking_runs import ABOUT, QUESTION, UNTIL
from tasks.orchestration.liveness import (
    HEARTBEAT,
    LEASE_LOOK_SECONDS,
    LONGEST_STEP,
    LOST_SECONDS,
    PENDING_SECONDS,
    Liveness,
)
from tasks.orchestration.recovery import is_given_up, recover
from tasks.orchestration.restarts import RESTART_DELAYS
from tasks.orchestration.run_watch import fate_of
from tasks.orchestration.supervision import supervise_run
from tasks.records import RunState, TrainJob
from tasks.storage import keys
from tasks.storage.documents import put_record
from tasks.storage.s3 import Store
from tests.fakes.counting_proxy import CountingProxy
from tests.fakes.evaluations import spec
from tests.fakes.lease_holders import holder
from tests.fakes.prefect_server import prefect_server

JOB = TrainJob(spec=spec())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a deployment of each flow, whose runs no worker takes."""
    with prefect_server(tmp_path_factory.mktemp("prefect")), get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="gpu", type="process"))
        for name in ("retrain", "train"):
            flow_id = client.create_flow_from_name(name)
            client.create_deployment(flow_id, name, work_pool_name="gpu", enforce_parameter_schema=False)
        yield client


@pytest.fixture
def environment(store_environment, monkeypatch):
    """The store of this test in the environment."""
    for name, value in store_environment.items():
        monkeypatch.setenv(name, value)


class Clock:
    """A clock that goes on when it is told."""

    now = 0.0

    def __call__(self):
        return self.now


def start(server, name, *states, parent=None):
    """A flow run that went through these states."""
    deployment = server.read_deployment_by_name(f"{name}/{name}")
    parameters = {"job": JOB.model_dump(mode="json")} if name == "train" else {}
    run = server.create_flow_run_from_deployment(
        deployment.id, parameters=parameters, parent_task_run_id=parent and task_of(server, parent)
    )
    for state in states:
        server.set_flow_run_state(run.id, state, force=True)
    return server.read_flow_run(run.id)


def task_of(server, parent):
    """A task run of a flow run, as Prefect makes one for each child flow run."""
    body = {"flow_run_id": str(parent.id), "task_key": "child", "dynamic_key": uuid.uuid4().hex}
    return UUID(server.request("POST", "/task_runs/", json=body).json()["id"])


def beat(server, run, occurred=None):
    """A heartbeat of a run, as Prefect sends it."""
    event = {
        "id": str(uuid.uuid4()),
        "occurred": (occurred or datetime.now(UTC)).isoformat(),
        "event": HEARTBEAT,
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run.id}"},
    }
    before = heartbeats(server, run)
    server.request("POST", "/events", json=[event]).raise_for_status()
    while heartbeats(server, run) == before:  # the server writes events in batches
        pass


def heartbeats(server, run):
    body = {
        "filter": {
            "occurred": {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"},
            "event": {"name": [HEARTBEAT]},
            "resource": {"id": [f"prefect.flow-run.{run.id}"]},
        }
    }
    return server.request("POST", "/events/filter", json=body).json()["total"]


def look_for(liveness, clock, run, seconds):
    """What is seen when somebody looks every ten seconds, for a while."""
    sightings = set()
    for _ in range(int(seconds // LONGEST_STEP) + 1):
        sightings.add(liveness.look(run))
        clock.now += LONGEST_STEP
    return sightings


@pytest.fixture
def clock():
    return Clock()


# Signs of life ------------------------------------------------------------------------------------


def test_a_run_whose_heartbeats_end_is_lost(server, store, clock):
    run = start(server, "retrain", Running())
    beat(server, run)
    liveness = Liveness(server, store, clock)
    assert look_for(liveness, clock, run, LOST_SECONDS - LONGEST_STEP) == {"unclear"}
    assert look_for(liveness, clock, run, 2 * LONGEST_STEP) == {"unclear", "lost"}


@pytest.mark.parametrize("off", [timedelta(0), timedelta(minutes=-10), timedelta(minutes=10)])
def test_a_run_with_heartbeats_lives_whatever_its_clock_says(server, store, clock, off):
    run = start(server, "retrain", Running())
    beat(server, run, datetime.now(UTC) + off)
    liveness = Liveness(server, store, clock)
    for _ in range(3):
        assert "lost" not in look_for(liveness, clock, run, LOST_SECONDS - LONGEST_STEP)
        beat(server, run, datetime.now(UTC) + off)
        assert liveness.look(run) == "alive"


def test_a_training_run_whose_lease_is_renewed_lives(server, store, clock):
    run = start(server, "train", Running())
    beat(server, run)
    liveness = Liveness(server, store, clock)
    state = run_state(0)
    for epoch in range(3):
        put_record(store, keys.run_state(JOB.spec.digest), state.model_copy(update={"epochs_done": epoch}))
        assert "lost" not in look_for(liveness, clock, run, LOST_SECONDS - LONGEST_STEP)
    assert "lost" in look_for(liveness, clock, run, 2 * LONGEST_STEP)


def test_a_lease_is_not_looked_at_more_often_than_it_says_anything(server, store_settings, clock):
    run = start(server, "train", Running())
    address = urlsplit(store_settings.endpoint)
    with CountingProxy(address.hostname, address.port) as proxy:
        store = Store(store_settings.model_copy(update={"endpoint": proxy.url}))
        liveness = Liveness(server, store, clock)
        for _ in range(30):
            liveness.look(run)
            clock.now += 2.0
        assert proxy.counted().total() == pytest.approx(60 / LEASE_LOOK_SECONDS, abs=1)


def test_a_run_that_never_sent_a_heartbeat_is_not_judged(server, store, clock):
    run = start(server, "retrain", Running())
    assert look_for(Liveness(server, store, clock), clock, run, 10 * LOST_SECONDS) == {"unclear"}


def test_a_run_that_no_worker_starts_is_lost_after_longer(server, store, clock):
    run = start(server, "retrain", Pending())
    liveness = Liveness(server, store, clock)
    assert look_for(liveness, clock, run, PENDING_SECONDS - LONGEST_STEP) == {"unclear"}
    assert "lost" in look_for(liveness, clock, run, 2 * LONGEST_STEP)


@pytest.mark.parametrize("state", [Scheduled(), Completed(), Failed(), Crashed(), Cancelled()])
def test_a_run_that_does_not_run_is_not_lost(server, store, clock, state):
    run = start(server, "retrain", state)
    beat(server, run)
    assert look_for(Liveness(server, store, clock), clock, run, 10 * LOST_SECONDS) == {"unclear"}


# Its own process ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "fate"),
    [
        ([Running()], "running"),
        ([Running(), Cancelling()], "cancelled"),
        ([Running(), Cancelling(), Cancelled()], "cancelled"),
        ([Running(), Crashed()], "taken over"),
        ([Running(), Crashed(), Scheduled()], "taken over"),
        ([Running(), Crashed(), Scheduled(), Pending(), Running()], "taken over"),
        ([Running(), Completed()], "taken over"),
    ],
)
def test_a_process_learns_what_became_of_its_run(server, states, fate):
    assert fate_of(start(server, "retrain", *states), 1) == fate


# Starting again -----------------------------------------------------------------------------------


def crash(server, run):
    states: tuple[State, ...] = (Pending(), Running(), Crashed(message="killed"))
    for state in states:
        server.set_flow_run_state(run.id, state, force=True)
    return server.read_flow_run(run.id)


def test_a_crashed_run_is_started_again_under_its_id_and_given_up_in_the_end(server, store):
    run = start(server, "retrain")
    for attempt, delay in enumerate(RESTART_DELAYS, start=1):
        run = crash(server, run)
        assert recover(server, store, run, "killed")
        run = server.read_flow_run(run.id)
        assert run.state.name == "AwaitingRetry"
        assert run.state.message == f"killed; it is started again, {attempt} of at most 3 without progress"
        wait = (run.state.state_details.scheduled_time - datetime.now(UTC)).total_seconds()
        assert delay - 30 < wait <= delay + 1
        assert run.run_count == attempt
    run = crash(server, run)
    assert not recover(server, store, run, "killed")
    run = server.read_flow_run(run.id)
    assert run.state.is_crashed()
    assert "given up after 3 new starts without progress; finished steps are kept" in run.state.message
    assert f"`nasflow runs retry {run.name}`" in run.state.message
    assert is_given_up(run)
    assert not recover(server, store, run, "looked at again")
    assert server.read_flow_run(run.id).state.message == run.state.message


def test_a_run_that_crashes_before_its_first_line_is_given_up_too(server, store):
    run = start(server, "retrain")
    for _ in RESTART_DELAYS:
        server.set_flow_run_state(run.id, Crashed(message="could not start"), force=True)
        assert recover(server, store, server.read_flow_run(run.id), "could not start")
    server.set_flow_run_state(run.id, Crashed(message="could not start"), force=True)
    assert not recover(server, store, server.read_flow_run(run.id), "could not start")
    assert server.read_flow_run(run.id).run_count == 0


def test_a_run_that_a_person_starts_again_is_counted_anew(server, store):
    run = start(server, "retrain")
    for _ in range(len(RESTART_DELAYS) + 1):
        run = crash(server, run)
        recover(server, store, run, "killed")
    assert is_given_up(server.read_flow_run(run.id))
    run = crash(server, run)
    assert recover(server, store, run, "killed")
    assert "1 of at most 3" in server.read_flow_run(run.id).state.message


def run_state(epochs_done):
    return RunState(
        run_key=JOB.spec.digest, status="running", holder=holder("a test"), lease="a lease", lease_seconds=60,
        renewals=0, renewed_at=datetime.now(UTC), epochs_done=epochs_done,
    )  # fmt: skip


def test_a_training_run_that_gets_on_is_never_given_up(server, store):
    run = start(server, "train")
    for epochs_done in range(3 * len(RESTART_DELAYS)):
        put_record(store, keys.run_state(JOB.spec.digest), run_state(epochs_done))
        run = crash(server, run)
        assert recover(server, store, run, "killed")
    for _ in range(len(RESTART_DELAYS) - 1):
        run = crash(server, run)
        assert recover(server, store, run, "killed")
    run = crash(server, run)
    assert not recover(server, store, run, "killed")
    assert "the checkpoint of epoch 8 is kept" in server.read_flow_run(run.id).state.message


def test_a_run_that_ends_just_then_is_left_alone(server, store):
    run = start(server, "retrain", Running())
    server.set_flow_run_state(run.id, Completed())
    assert recover(server, store, run, "no sign of life")
    assert server.read_flow_run(run.id).state.is_completed()


# Runs that nobody waits for -----------------------------------------------------------------------


def state_of(server, run):
    return server.read_flow_run(run.id).state.name


@pytest.mark.usefixtures("environment")
def test_a_crashed_run_is_looked_after(server):
    run = start(server, "retrain", Running(), Crashed(message="killed"))
    assert supervise_run(run.id).endswith(": it is started again")
    assert state_of(server, run) == "AwaitingRetry"


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("parent_state", [Running(), Pending(), Crashed()])
def test_the_run_that_waits_for_a_child_looks_after_it(server, parent_state):
    parent = start(server, "retrain", parent_state)
    child = start(server, "train", Running(), Crashed(), parent=parent)
    assert "waits for it" in supervise_run(child.id)
    assert state_of(server, child) == "Crashed"


@pytest.mark.usefixtures("environment")
def test_the_child_of_a_run_that_has_ended_is_looked_after(server):
    parent = start(server, "retrain", Running(), Failed())
    child = start(server, "train", Running(), Crashed(), parent=parent)
    assert supervise_run(child.id).endswith(": it is started again")


@pytest.mark.usefixtures("environment")
def test_a_cancelled_run_takes_its_children_with_it(server):
    parent = start(server, "retrain", Running())
    running = start(server, "train", Running(), parent=parent)
    ended = start(server, "train", Running(), Completed(), parent=parent)
    server.set_flow_run_state(parent.id, Cancelling())
    assert supervise_run(parent.id).endswith(": 1 child flow runs are cancelled with it")
    assert (state_of(server, running), state_of(server, ended)) == ("Cancelling", "Completed")


@pytest.mark.usefixtures("environment")
def test_the_child_of_a_cancelled_run_is_cancelled(server):
    parent = start(server, "retrain", Running(), Cancelled())
    child = start(server, "train", Running(), parent=parent)
    supervise_run(child.id)
    assert state_of(server, child) == "Cancelling"


@pytest.mark.usefixtures("environment")
def test_a_run_that_lives_or_is_gone_is_left_alone(server):
    run = start(server, "retrain", Running(), Completed())
    assert supervise_run(run.id).endswith(": it lives, or has ended")
    server.delete_flow_run(run.id)
    assert supervise_run(run.id) == "it was deleted"


# Runs that wait for a person ----------------------------------------------------------------------


def asking(server, until):
    """A suspended run that has a heartbeat and asks, until this time."""
    run = start(server, "retrain", Running(), Suspended())
    beat(server, run)
    labels = {ABOUT: 2, QUESTION: "promote-2-over-1/1", UNTIL: until.isoformat()}
    server.update_flow_run_labels(run.id, labels)
    return run


@pytest.mark.parametrize("state", [Paused(), Suspended()])
def test_a_run_that_a_person_paused_is_not_taken_for_lost(server, state):
    run = start(server, "retrain", Running(), state)
    beat(server, run)
    assert supervise_run(run.id).endswith(": a person paused it")
    assert state_of(server, run) == state.name


def test_a_run_that_asks_waits_until_its_time_is_up(server, store):
    run = asking(server, datetime(2100, 1, 1, tzinfo=UTC))
    assert supervise_run(run.id).endswith(": it waits for an answer until 2100-01-01 00:00 UTC")
    assert state_of(server, run) == "Suspended"
    assert Liveness(server, store).look(server.read_flow_run(run.id)) == "unclear"
    assert fate_of(server.read_flow_run(run.id), 1) == "running"


def test_a_run_that_nobody_answered_in_time_goes_on(server):
    run = asking(server, datetime.now(UTC) - timedelta(minutes=1))
    assert supervise_run(run.id).endswith(": nobody answered in time, so it goes on without an answer")
    assert state_of(server, run) == "Resuming"
