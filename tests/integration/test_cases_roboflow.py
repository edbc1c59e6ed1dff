"""What goes wrong with downloads from Roboflow, case by case, where test_roboflow.py does not show it already."""

import logging

import pytest
from pydantic import SecretStr

from tasks.errors import RoboflowRefused, RoboflowUnavailable
from tasks.labeling.formats.zips import pack
from tasks.labeling.roboflow.export import fetch_export
from tasks.labeling.roboflow.versions import VersionRequest
from tasks.settings import RoboflowSettings
from tests.fakes.exports import write_export
from tests.fakes.roboflow_misbehaviour import Misbehaviour
from tests.fakes.roboflow_project import PROJECT, WORKSPACE
from tests.fakes.roboflow_server import KEY, SIGNATURE, RoboflowServer


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Zips of two versions."""
    folder = tmp_path_factory.mktemp("made")
    for name, train in (("wanted", 4), ("other", 5)):
        pack(write_export(folder / name, train=train), folder / f"{name}.zip")
    return {name: (folder / f"{name}.zip").read_bytes() for name in ("wanted", "other")}


def fetch(server, target, deadline=20.0):
    with server:
        settings = RoboflowSettings(api_key=SecretStr(KEY), api_url=server.url, timeout=5.0, deadline=deadline)
        return fetch_export(settings, VersionRequest(WORKSPACE, PROJECT, 10), target)


@pytest.mark.parametrize("existing", ["nothing", "an empty folder", "half a zip", "another version"])
def test_cases_a5_existing_files_are_not_taken_for_a_finished_download(archives, tmp_path, existing):
    target = tmp_path / "got" / "export.zip"
    if existing != "nothing":
        target.parent.mkdir()
    if existing == "half a zip":
        target.write_bytes(archives["wanted"][: len(archives["wanted"]) // 2])
    if existing == "another version":
        target.write_bytes(archives["other"])
    fetch(RoboflowServer(archives["wanted"]), target)
    assert target.read_bytes() == archives["wanted"]
    assert [path.name for path in target.parent.iterdir()] == ["export.zip"]


@pytest.mark.parametrize("existing", ["nothing", "another version"])
def test_cases_a5_a_failed_download_is_repeated_the_next_time(archives, tmp_path, existing):
    """An existing file stays as it was, and the same call later brings the right one."""
    target = tmp_path / "export.zip"
    if existing == "another version":
        target.write_bytes(archives["other"])
    before = [(path.name, path.read_bytes()) for path in tmp_path.iterdir()]
    with pytest.raises(RoboflowRefused, match="HTTP 403"):
        fetch(RoboflowServer(archives["wanted"], Misbehaviour(html_link=True)), target)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == before
    fetch(RoboflowServer(archives["wanted"]), target)
    assert target.read_bytes() == archives["wanted"]


def test_cases_a6_the_error_names_version_and_cause(archives, tmp_path):
    with pytest.raises(RoboflowRefused, match=r"acme/pets version 10.*download.*HTTP 403") as caught:
        fetch(RoboflowServer(archives["wanted"], Misbehaviour(html_link=True)), tmp_path / "export.zip")
    assert SIGNATURE not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


class AnsweringExports(RoboflowServer):
    """Answers all requests for an export the same way."""

    def __init__(self, archive, status, body):
        super().__init__(archive)
        self.answer = status, body

    def _export(self):
        return self.answer


def test_cases_a7_never_ready_at_148_percent_ends_at_the_deadline(archives, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    server = AnsweringExports(archives["wanted"], 200, {"ready": False, "progress": 1.48})
    with pytest.raises(RoboflowUnavailable, match=r"version 10.*not ready after 1 s"):
        fetch(server, tmp_path / "export.zip", deadline=1.0)
    assert "100 %" in caplog.text
    assert "148" not in caplog.text
    assert server.requests[f"/{WORKSPACE}/{PROJECT}/10/coco"] > 1


@pytest.mark.parametrize(("body", "lacking"), [({"export": {}}, "link"), ({}, "export"), ([], "export")])
def test_cases_a17_an_answer_that_lacks_something_is_named_and_the_key_is_not(
    archives, tmp_path, capfd, caplog, body, lacking
):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(RoboflowRefused, match=f"acme/pets version 10.*the answer lacks {lacking}") as caught:
        fetch(AnsweringExports(archives["wanted"], 200, body), tmp_path / "export.zip")
    printed = capfd.readouterr()
    for text in (str(caught.value), caplog.text, printed.out, printed.err):
        assert KEY not in text
        assert SIGNATURE not in text
