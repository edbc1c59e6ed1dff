"""Where the key is sent: to the region that is asked for, and to no other."""

import json

import pytest
from pydantic import SecretStr

from deployments.doctor.check import with_settings_checked
from deployments.doctor.services import roboflow
from tasks.errors import BadSettings
from tasks.labeling.roboflow.address import api_address
from tasks.labeling.roboflow.export import fetch_export
from tasks.labeling.roboflow.versions import VersionRequest
from tasks.settings import RoboflowSettings
from tests.fakes.roboflow_project import PROJECT, WORKSPACE
from tests.fakes.roboflow_server import KEY, RoboflowServer

US, EU = "https://api.roboflow.com", "https://api.roboflow.eu"


@pytest.fixture(autouse=True)
def settings_file(monkeypatch, tmp_path):
    """The file that the package's login writes; nothing is set in the environment."""
    for name in ("ROBOFLOW_REGION", "ROBOFLOW_ENVIRONMENT", "API_URL", "NASFLOW_ROBOFLOW_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROBOFLOW_CONFIG_DIR", str(tmp_path / "config.json"))
    return tmp_path / "config.json"


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({}, "", US),
        ({"ROBOFLOW_REGION": "eu"}, "", EU),
        ({"ROBOFLOW_REGION": " EU "}, "", EU),
        ({"ROBOFLOW_REGION": "us"}, "", US),
        ({"ROBOFLOW_REGION": ""}, "", US),
        ({"ROBOFLOW_REGION": "eu", "ROBOFLOW_ENVIRONMENT": "staging"}, "", "https://api.roboflow-eu.one"),
        ({"API_URL": EU + "/"}, "", EU),
        ({"API_URL": EU, "ROBOFLOW_REGION": "eu"}, "", EU),
        ({}, EU, EU),
        ({"ROBOFLOW_REGION": "eu"}, EU, EU),
        ({"ROBOFLOW_REGION": "eu"}, "http://127.0.0.1:9/mirror/", "http://127.0.0.1:9/mirror"),
        ({"API_URL": "https://other.test"}, EU, EU),
    ],
)
def test_the_address_is_that_of_the_region_or_the_one_that_is_set(monkeypatch, variables, url, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert api_address(url) == expected


@pytest.mark.parametrize(
    ("variables", "url", "match"),
    [
        ({"ROBOFLOW_REGION": "de"}, "", "ROBOFLOW_REGION is 'de'; set it to us or eu, or unset it"),
        ({"ROBOFLOW_ENVIRONMENT": "test"}, "", "ROBOFLOW_ENVIRONMENT is 'test'; set it to prod or staging"),
        ({"ROBOFLOW_REGION": "eu"}, US, f"NASFLOW_ROBOFLOW_API_URL is {US}, of Roboflow's us prod, and .* eu prod"),
        ({"ROBOFLOW_REGION": "us"}, EU, f"NASFLOW_ROBOFLOW_API_URL is {EU}, of Roboflow's eu prod, and .* us prod"),
        ({"ROBOFLOW_REGION": "eu", "API_URL": US}, "", f"API_URL is {US}, of Roboflow's us prod"),
        ({"API_URL": "https://shop.test"}, "", "API_URL is https://shop.test, which the roboflow package would send"),
        ({}, "api.roboflow.eu", "NASFLOW_ROBOFLOW_API_URL is api.roboflow.eu, not a URL; begin it with https://"),
        ({}, "https://me:s3cret@x.test", r"NASFLOW_ROBOFLOW_API_URL is https://\*\*\*@x.test, with a name or password"),
    ],
)
def test_an_unknown_region_and_an_address_elsewhere_are_refused(monkeypatch, variables, url, match):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=match) as caught:
        api_address(url)
    assert "s3cret" not in str(caught.value)


def test_the_region_of_the_packages_login_is_taken(settings_file, monkeypatch):
    settings_file.write_text(json.dumps({"ROBOFLOW_REGION": "eu"}))
    assert api_address("") == EU
    monkeypatch.setenv("ROBOFLOW_REGION", "us")
    assert api_address("") == US


@pytest.mark.parametrize("content", ["{", "[]", '{"ROBOFLOW_REGION": 7}', '"rf_Secret"'])
def test_a_settings_file_of_the_package_that_cannot_be_read_is_named(settings_file, content):
    settings_file.write_text(content)
    with pytest.raises(BadSettings, match="settings file of the roboflow package cannot be read; correct or") as caught:
        api_address("")
    assert caught.value.__context__ is None


def test_the_key_is_not_sent_anywhere_when_the_region_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setenv("ROBOFLOW_REGION", "mars")
    with RoboflowServer(b"") as server:
        settings = RoboflowSettings(api_key=SecretStr(KEY), api_url=server.url)
        with pytest.raises(BadSettings, match="ROBOFLOW_REGION is 'mars'"):
            fetch_export(settings, VersionRequest(WORKSPACE, PROJECT, 1), tmp_path / "x.zip")
        assert not server.requests


def test_doctor_says_where_the_key_is_sent(monkeypatch):
    monkeypatch.setenv("NASFLOW_ROBOFLOW_API_KEY", KEY)
    monkeypatch.setenv("ROBOFLOW_REGION", "eu")
    assert roboflow()["message"] == f"an API key is set, for {EU}"
    monkeypatch.setenv("ROBOFLOW_REGION", "de")
    assert with_settings_checked(roboflow)["status"] == "error"
