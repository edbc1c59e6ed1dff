"""What people have set on a Prefect server stays when deployments are registered again."""

import copy
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import httpx
import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.local_stack import processes
from deployments.remote.automations import NAMES as AUTOMATIONS
from deployments.remote.register import PREFECT_FILE, describe_registered, register
from tasks.errors import ServerProblem

PREFECT = str(Path(sys.executable).with_name("prefect"))
NAMES = [
    "retrain/retrain", "study/study", "study-settings/study-settings", "compare/compare", "detect/detect",
    "train/train", "evaluate/evaluate", "replay/replay", "clean/clean", "supervise/supervise",
]  # fmt: skip
REGISTER = """
import sys
from pathlib import Path
from deployments.remote.register import register
register(Path(sys.argv[1]))
"""
SHIPPED_ENVIRONMENT = {
    "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_CLIENT_METRICS_ENABLED": "false",
}
WEEKLY = {
    "active": True,
    "schedule": {"cron": "0 5 * * 1", "timezone": "Europe/Berlin", "day_or": True},
    "parameters": {"request": {"project": "pets", "workspace": "acme"}},
    "max_scheduled_runs": 7,
}


class Server:
    """A Prefect server, asked over HTTP."""

    def __init__(self, url, home):
        self.client = httpx.Client(base_url=url, timeout=60)
        self.environment = {**os.environ, "PREFECT_API_URL": url, "PREFECT_HOME": str(home)}

    def ask(self, method, path, body=None):
        for wait in (0.5, 1, 2, 4, 8, 0):
            answer = self.client.request(method, path, json=body)
            if answer.status_code != 503:
                break
            time.sleep(wait)  # SQLite sometimes answers so while it writes
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def deployment(self, name):
        return self.ask("GET", f"/deployments/name/{name}")

    def settings(self, name):
        """All of a deployment that is not about when or by which client it was written."""
        return without_times(self.deployment(name))

    def set(self, name, fields):
        """Change a deployment as Prefect's UI does."""
        self.ask("PATCH", f"/deployments/{self.deployment(name)['id']}", fields)

    def add_schedule(self, name, schedule):
        self.ask("POST", f"/deployments/{self.deployment(name)['id']}/schedules", [schedule])

    def schedules(self, name):
        return {schedule["slug"]: schedule for schedule in self.deployment(name)["schedules"]}

    def forget(self):
        """Delete what nasflow remembers to have written, as on the server of an older nasflow."""
        for variable in self.ask("POST", "/variables/filter", {}):
            self.ask("DELETE", f"/variables/name/{variable['name']}")

    def clear(self):
        self.forget()
        for deployment in self.ask("POST", "/deployments/filter", {}):
            self.ask("DELETE", f"/deployments/{deployment['id']}")


def without_times(value):
    times = ("created", "updated", "last_polled", "status", "version", "global_concurrency_limit")
    if isinstance(value, dict):
        kept = {name: without_times(child) for name, child in value.items() if name not in times}
        if limit := value.get("global_concurrency_limit"):
            kept["limit"] = limit["limit"]
        return kept
    return sorted(map(without_times, value), key=str) if isinstance(value, list) else value


@pytest.fixture(scope="module")
def running_server(tmp_path_factory):
    home = tmp_path_factory.mktemp("prefect")
    port = processes.free_port()
    url = f"http://{processes.HOST}:{port}/api"
    command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    command += ["--host", processes.HOST, "--port", str(port), "--log-level", "warning"]
    environment = {**os.environ, "PREFECT_HOME": str(home), "PREFECT_API_URL": url, "DO_NOT_TRACK": "1"}
    environment["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    process = processes.start(command, home / "log", environment)
    deadline = time.monotonic() + 300
    while not answers(f"{url}/health"):
        assert process.poll() is None, (home / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    server = Server(url, home)
    with temporary_settings({PREFECT_API_URL: url}):
        yield server
    server.client.close()
    processes.stop(process, 10)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The shipped prefect.yaml with a schedule."""
    content = yaml.safe_load(PREFECT_FILE.read_text())
    content["deployments"][0]["schedules"] = [
        {"slug": "daily", "cron": "0 3 * * *", "timezone": "UTC", "active": False}
    ]
    path = tmp_path_factory.mktemp("base") / "prefect.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def server(running_server, base):
    """A server on which all deployments were registered once."""
    running_server.clear()
    assert [(one["deployment"], one["created"]) for one in register(base)] == [(name, True) for name in NAMES]
    return running_server


@pytest.fixture
def file(tmp_path, base):
    """Write a prefect.yaml that differs from the shipped one."""

    def file(change):
        content = yaml.safe_load(base.read_text())
        change({f"{entry['name']}/{entry['name']}": entry for entry in content["deployments"]})
        path = tmp_path / "prefect.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return file


def changes(registered):
    return {one["deployment"]: one["changed"] for one in registered if one["changed"]}


def kept(registered):
    return {one["deployment"]: sorted(one["kept"]) for one in registered if one["kept"]}


def lines(registered):
    return [line for one in registered for line in describe_registered(one)]


def set_everything(server, name):
    """What people can set in Prefect's UI."""
    server.set(
        name,
        {
            "paused": True,
            "description": "ours",
            "concurrency_limit": 2,
            "concurrency_options": {"collision_strategy": "CANCEL_NEW"},
            "parameters": {"request": {"project": "pets", "workspace": "acme"}},
            "job_variables": {
                "env": {
                    "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks",
                    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
                    "PREFECT_CLIENT_METRICS_ENABLED": "false",
                    "SECRET": "hunter2",
                }
            },
            "tags": ["nasflow", "night"],
            "enforce_parameter_schema": False,
        },
    )
    server.add_schedule(name, {**WEEKLY, "slug": "weekly"})
    server.add_schedule(name, {**WEEKLY, "schedule": {"interval": 3600, "anchor_date": "2025-01-01T00:00:00Z"}})


KEPT = [
    "concurrency limit 2", "concurrency option collision_strategy", "description",
    "enforcement of the parameter schema", "job variable env.SECRET", "parameter request", "paused",
    "schedule interval 3600.0", "schedule weekly", "tag night",
]  # fmt: skip


def test_registering_twice_changes_nothing(server, base):
    before = [server.deployment(name) for name in NAMES]
    again = register(base)
    assert [(one["created"], one["changed"], one["kept"]) for one in again] == [(False, [], [])] * len(NAMES)
    after = [server.deployment(name) for name in NAMES]
    assert [one["updated"] for one in after] == [one["updated"] for one in before]
    assert lines(again) == []


def test_what_people_set_stays_and_is_named_without_its_values(server, base):
    set_everything(server, "retrain/retrain")
    before = server.settings("retrain/retrain")
    assert (before["paused"], before["limit"], len(before["schedules"])) == (True, 2, 3)
    registered = register(base)
    assert server.settings("retrain/retrain") == before
    assert (changes(registered), kept(registered)) == ({}, {"retrain/retrain": KEPT})
    (line,) = lines(registered)
    assert line.startswith("retrain/retrain: kept what was set here: ")
    assert "hunter2" not in line
    assert register(base) == registered


def test_what_the_file_changes_arrives_beside_what_people_set(server, file, base):
    set_everything(server, "retrain/retrain")

    def change(entries):
        for name in ("retrain/retrain", "train/train"):
            entries[name]["description"] = "new"
            entries[name]["tags"] = ["nasflow", "new"]
            job_variables = copy.deepcopy(entries[name]["work_pool"]["job_variables"])
            entries[name]["work_pool"]["job_variables"] = {"env": {**job_variables["env"], "NEW": "1"}}
        entries["train/train"]["concurrency_limit"] = {"limit": 3, "collision_strategy": "ENQUEUE"}
        entries["retrain/retrain"]["schedules"][0]["cron"] = "0 4 * * *"
        entries["retrain/retrain"]["schedules"].append({"slug": "hourly", "interval": 3600, "active": False})

    new = file(change)
    before = server.settings("retrain/retrain")
    registered = register(new)
    retrain, train = server.deployment("retrain/retrain"), server.deployment("train/train")
    assert (train["description"], train["tags"]) == ("new", ["nasflow", "new"])
    assert (train["global_concurrency_limit"]["limit"], train["job_variables"]["env"]["NEW"]) == (3, "1")
    assert (retrain["description"], retrain["paused"], retrain["tags"]) == ("ours", True, ["nasflow", "night", "new"])
    assert retrain["job_variables"]["env"] == {**SHIPPED_ENVIRONMENT, "SECRET": "hunter2", "NEW": "1"}
    schedules = server.schedules("retrain/retrain")
    assert schedules["daily"]["schedule"]["cron"] == "0 4 * * *"
    assert schedules["hourly"]["active"] is False
    assert without_times(schedules["weekly"]) in before["schedules"]
    assert len(retrain["schedules"]) == 4
    assert set(changes(registered)["train/train"]) == {
        "description changed", "tag new added", "job variable env.NEW added", "concurrency limit 3 added",
        "concurrency option collision_strategy added",
    }  # fmt: skip
    assert "description changed" not in changes(registered)["retrain/retrain"]
    assert {"schedule daily.schedule changed", "schedule hourly added"} < set(changes(registered)["retrain/retrain"])
    assert kept(registered) == {"retrain/retrain": KEPT}
    assert changes(register(new)) == {}

    # And what the file takes back goes, as far as nobody has touched it.
    server.ask(
        "PATCH",
        f"/deployments/{retrain['id']}/schedules/{schedules['hourly']['id']}",
        {"active": True, "parameters": WEEKLY["parameters"]},
    )
    registered = register(base)
    train = server.deployment("train/train")
    assert (train["global_concurrency_limit"], train["tags"]) == (None, ["nasflow"])
    assert "concurrency limit removed" in changes(registered)["train/train"]
    assert server.schedules("retrain/retrain")["hourly"]["active"] is True
    assert "schedule hourly" in kept(registered)["retrain/retrain"]


def test_a_schedule_that_people_edited_or_deleted_stays_so(server, file, base):
    deployment = server.deployment("retrain/retrain")
    (daily,) = deployment["schedules"]
    path = f"/deployments/{deployment['id']}/schedules/{daily['id']}"
    server.ask("PATCH", path, {"active": True, "parameters": WEEKLY["parameters"]})
    new = file(lambda entries: entries["retrain/retrain"]["schedules"][0].update(cron="30 3 * * *"))
    assert changes(register(new)) == {"retrain/retrain": ["schedule daily.schedule changed"]}
    edited = server.schedules("retrain/retrain")["daily"]
    assert (edited["active"], edited["parameters"]) == (True, WEEKLY["parameters"])
    assert edited["schedule"]["cron"] == "30 3 * * *"

    server.ask("DELETE", path)
    registered = register(base)
    assert server.schedules("retrain/retrain") == {}
    assert (changes(registered), kept(registered)) == ({}, {"retrain/retrain": ["schedule daily removed"]})


def test_on_the_server_of_an_older_nasflow_what_differs_stays_and_what_lacks_is_added(server, base):
    set_everything(server, "retrain/retrain")
    server.set("train/train", {"tags": []})
    server.forget()
    before = server.settings("retrain/retrain")
    registered = register(base)
    assert server.settings("retrain/retrain") == before
    assert (changes(registered), kept(registered)) == (
        {"train/train": ["tag nasflow added"]},
        {"retrain/retrain": KEPT},
    )
    assert register(base)[0] == registered[0]


def test_a_registration_that_was_killed_is_not_taken_for_a_person(server, file):
    variable = "nasflow_deployed_train_train"
    (first,) = server.ask("GET", f"/variables/name/{variable}")["value"]
    register(file(lambda entries: entries["train/train"].update(description="second")))
    (second,) = server.ask("GET", f"/variables/name/{variable}")["value"]
    # Killed after both were remembered: the server may have the first or the second.
    server.ask("PATCH", f"/variables/name/{variable}", {"value": [first, second]})
    for present in (first["description"], "second"):
        server.set("train/train", {"description": present})
        server.ask("PATCH", f"/variables/name/{variable}", {"value": [first, second]})
        third = file(lambda entries: entries["train/train"].update(description="third"))
        assert changes(register(third)) == {"train/train": ["description changed"]}
        assert server.deployment("train/train")["description"] == "third"


def test_old_and_new_are_remembered_before_the_deployment_is_written(server, file, base):
    variable = "/variables/name/nasflow_deployed_train_train"
    (first,) = server.ask("GET", variable)["value"]
    wrong = {"description": "second", "parameters": {"nonsense": 1}}
    with pytest.raises(ServerProblem, match="does not fit"):
        register(file(lambda entries: entries["train/train"].update(wrong)))
    assert server.ask("GET", variable)["value"] == [first, {**first, **wrong}]
    assert server.deployment("train/train")["description"] == first["description"]
    assert changes(register(base)) == {}
    assert server.ask("GET", variable)["value"] == [first]


def test_default_parameters_that_the_flow_no_longer_takes_are_named(server, base):
    # As if people had set them while the flow still took them.
    schema = {"type": "object", "properties": {"epochs": {"type": "integer"}}}
    server.set("study/study", {"parameter_openapi_schema": schema, "parameters": {"epochs": 3}})
    with pytest.raises(ServerProblem) as refused:
        register(base)
    message = str(refused.value)
    assert message.startswith("study: what is set on the server does not fit: ")
    assert "epochs" in message
    assert message.endswith("correct its parameters and job variables in Prefect's UI, and deploy again")


def test_registering_from_several_machines_at_once_is_harmless(server, file):
    set_everything(server, "study/study")
    before = server.settings("study/study")
    path = server.deployment("train/train")["id"]
    server.ask("DELETE", f"/deployments/{path}")
    new = file(lambda entries: entries["study/study"].update(schedules=[{"slug": "late", "cron": "0 1 * * *"}]))
    command = [sys.executable, "-W", "ignore", "-c", REGISTER, str(new)]
    running = [subprocess.Popen(command, env=server.environment, stderr=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate()[1].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], errors
    assert [one["changed"] for one in register(new)] == [[]] * len(NAMES)
    assert server.deployment("train/train")["tags"] == ["nasflow"]
    after = server.settings("study/study")
    assert [schedule for schedule in after.pop("schedules") if schedule["slug"] != "late"] == before.pop("schedules")
    assert after == before


def test_prefects_own_deploy_still_works_and_leaves_nothing_to_change_but_the_refusal(server, base):
    command = [sys.executable, PREFECT, "--no-prompt", "deploy", "--prefect-file", str(PREFECT_FILE), "--all"]
    before = [server.settings(name) for name in NAMES]
    done = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert changes(register(base)) == {name: ["parameters of the flow changed"] for name in NAMES}
    assert [server.settings(name) for name in NAMES] == before


# Automations --------------------------------------------------------------------------------------


def automations(server):
    return {each["name"]: each for each in server.ask("POST", "/automations/filter", {})}


def test_each_automation_is_there_once_and_one_that_was_switched_off_stays_so(server, base):
    register(base)
    before = automations(server)
    assert set(before) == set(AUTOMATIONS)
    switched_off, changed = (before[name] for name in AUTOMATIONS[:2])
    server.ask("PATCH", f"/automations/{switched_off['id']}", {"enabled": False})
    body = {**changed, "trigger": {**changed["trigger"], "within": 900}}
    server.ask("PUT", f"/automations/{changed['id']}", {name: body[name] for name in ("name", "trigger", "actions")})
    register(base)
    after = automations(server)
    assert len(server.ask("POST", "/automations/filter", {})) == len(AUTOMATIONS)
    assert after[switched_off["name"]]["enabled"] is False
    assert after[changed["name"]]["trigger"]["within"] == changed["trigger"]["within"]


def test_automations_see_the_runs_of_our_deployments_alone(server, base):
    register(base)
    ours = {f"prefect.deployment.{server.deployment(name)['id']}" for name in NAMES if "supervise" not in name}
    for automation in automations(server).values():
        related = automation["trigger"]["match_related"]
        assert related["prefect.resource.role"] == "deployment"
        assert set(related["prefect.resource.id"]) <= ours
