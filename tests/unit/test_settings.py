"""Settings from the environment: wrong values are refused by name, and secrets are not shown."""

from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from tasks.errors import BadSettings
from tasks.settings import TRAINER, RoboflowSettings, StoreSettings, WorkSettings, from_environment

SECRET = "sEcReT-value-1234"
KINDS: list[type[BaseSettings]] = [StoreSettings, RoboflowSettings, WorkSettings]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for kind in KINDS:
        prefix = kind.model_config.get("env_prefix", "")
        for field in kind.model_fields:
            monkeypatch.delenv(f"{prefix}{field}".upper(), raising=False)
    monkeypatch.delenv("ROBOFLOW_API_KEY", raising=False)


@pytest.mark.parametrize(
    ("kind", "variable", "value"),
    [
        (WorkSettings, "NASFLOW_LEASE_SECONDS", "soon"),
        (WorkSettings, "NASFLOW_LEASE_SECONDS", "2"),
        (WorkSettings, "NASFLOW_LEASE_SECONDS", "nan"),
        (WorkSettings, "NASFLOW_LEASE_SECONDS", "inf"),
        (WorkSettings, "NASFLOW_TRAINER_ATTEMPTS", "0"),
        (WorkSettings, "NASFLOW_TRAINER_ATTEMPTS", "1.5"),
        (WorkSettings, "NASFLOW_TRAINER", "tasks/training/worker"),
        (WorkSettings, "NASFLOW_TRAINER", "-c"),
        (RoboflowSettings, "NASFLOW_ROBOFLOW_TIMEOUT", "-1"),
        (RoboflowSettings, "NASFLOW_ROBOFLOW_DEADLINE", "inf"),
        (RoboflowSettings, "NASFLOW_ROBOFLOW_API_KEYS", f"my-team={SECRET}"),
        (RoboflowSettings, "NASFLOW_ROBOFLOW_API_KEYS", f'["{SECRET}"]'),
        (RoboflowSettings, "NASFLOW_ROBOFLOW_API_KEYS", f'{{"my-team": ["{SECRET}"]}}'),
        (StoreSettings, "NASFLOW_STORE_CHECKSUMS", "sometimes"),
    ],
)
def test_a_wrong_value_is_refused_by_name(monkeypatch, kind, variable, value):
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("NASFLOW_STORE_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("ROBOFLOW_API_KEY", SECRET)
    with pytest.raises(BadSettings) as refused:
        from_environment(kind)
    message = str(refused.value)
    assert message.startswith(f"environment variable {variable}: ")
    assert message.endswith("; correct it and start again")
    assert "\n" not in message
    assert SECRET not in message
    cause = refused.value.__cause__ or (None if refused.value.__suppress_context__ else refused.value.__context__)
    assert cause is None


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_variable_counts_as_unset(monkeypatch, kind):
    unset = from_environment(kind)
    for field in kind.model_fields:
        monkeypatch.setenv(f"{kind.model_config['env_prefix']}{field}".upper(), "")
    assert from_environment(kind) == unset


def test_the_work_folder_comes_from_the_environment(monkeypatch, tmp_path):
    assert from_environment(WorkSettings).work_dir == Path.home() / ".cache" / "nasflow"
    monkeypatch.setenv("NASFLOW_WORK_DIR", str(tmp_path))
    assert from_environment(WorkSettings).work_dir == tmp_path


def test_the_trainer_is_ours_unless_another_one_is_named():
    assert from_environment(WorkSettings).trainer == TRAINER


def test_roboflows_own_variable_works_for_the_api_key(monkeypatch):
    monkeypatch.setenv("ROBOFLOW_API_KEY", "plain")
    assert from_environment(RoboflowSettings).api_key.get_secret_value() == "plain"
    monkeypatch.setenv("NASFLOW_ROBOFLOW_API_KEY", "ours")
    assert from_environment(RoboflowSettings).api_key.get_secret_value() == "ours"


def test_keys_of_several_workspaces_are_read_and_not_shown(monkeypatch):
    monkeypatch.setenv("NASFLOW_ROBOFLOW_API_KEYS", f'{{"my-team": "{SECRET}"}}')
    settings = from_environment(RoboflowSettings)
    assert settings.api_keys["my-team"].get_secret_value() == SECRET
    for shown in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert SECRET not in shown


@pytest.mark.parametrize("kind", [StoreSettings, RoboflowSettings])
def test_settings_show_no_secret(monkeypatch, kind):
    monkeypatch.setenv("NASFLOW_STORE_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("ROBOFLOW_API_KEY", SECRET)
    settings = from_environment(kind)
    assert any(SECRET in str(getattr(v, "get_secret_value", str)()) for v in dict(settings).values())
    for shown in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert SECRET not in shown


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_frozen(kind):
    settings = from_environment(kind)
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, next(iter(kind.model_fields)), "x")
