"""Fetching an export with the real package from a fake server, which misbehaves as Roboflow and networks do."""

import contextlib
import json
import logging
import time

import pytest
from pydantic import ValidationError

from tasks.errors import BadRequest, BadSettings, RoboflowRefused, RoboflowUnavailable
from tasks.labeling.formats.zips import pack
from tasks.labeling.in_store import export_to_store
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.labeling.roboflow.export import fetch_export
from tasks.labeling.roboflow.generation import GenerationRule
from tasks.labeling.roboflow.versions import VersionRequest
from tasks.records import RetrainRequest
from tasks.settings import RoboflowSettings
from tasks.storage import keys
from tests.fakes.exports import write_export
from tests.fakes.roboflow_server import KEY, PROJECT, SIGNATURE, WORKSPACE, Misbehaviour, RoboflowServer

FOREVER = 10**9


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return write_export(tmp_path_factory.mktemp("made") / "export")


@pytest.fixture(scope="module")
def archive(export):
    path = export.parent / "export.zip"
    pack(export, path)
    return path.read_bytes()


@pytest.fixture(autouse=True)
def no_secret_shown(caplog, capfd):
    """Whatever a test does, no log line of any library and nothing printed shows the key or the signature."""
    caplog.set_level(logging.DEBUG)
    yield
    printed = capfd.readouterr()
    shown = caplog.text + printed.out + printed.err
    assert KEY not in shown
    assert SIGNATURE not in shown


@pytest.fixture
def fetch(archive, tmp_path):
    """Fetches from a server with the given misbehaviour; the server is kept as ``fetch.server``."""

    def run(trouble=None, *, version=None, key=KEY, deadline=20.0, timeout=5.0, workspace=WORKSPACE, project=PROJECT):
        with RoboflowServer(archive, trouble) as server:
            run.server = server
            settings = RoboflowSettings(api_key=key, api_url=server.url, timeout=timeout, deadline=deadline)
            request = VersionRequest(workspace, project, version)
            return fetch_export(settings, request, tmp_path / "got" / "export.zip")

    return run


def assert_fails(error, match, call, *args, **options):
    """The call raises, in one line, and nothing in the chain of exceptions shows a secret."""
    with pytest.raises(error, match=match) as caught:
        call(*args, **options)
    pending, chain = [caught.value], []
    while pending:
        exception = pending.pop()
        chain.append(exception)
        causes = (exception.__cause__, exception.__context__)
        pending += [cause for cause in causes if cause is not None and cause not in chain]
    for exception in chain:
        text = f"{exception!r} {exception.args} {exception}"
        assert KEY not in text
        assert SIGNATURE not in text
        assert "\n" not in str(exception)


def downloaded_files(tmp_path):
    folder = tmp_path / "got"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def test_latest_version_is_the_highest_number_and_the_zip_is_whole(fetch, archive, tmp_path, export):
    source = fetch()
    assert (source.kind, source.name, source.version) == ("roboflow", "acme/pets", 10)
    assert downloaded_files(tmp_path) == ["export.zip"]
    target = tmp_path / "got" / "export.zip"
    assert target.read_bytes() == archive
    fetched = require_snapshot(inspect_export(target, tmp_path))
    assert fetched.digest == require_snapshot(inspect_export(export, tmp_path)).digest


def test_a_version_can_be_asked_for_by_number(fetch):
    assert fetch(version=2).version == 2
    assert fetch.server.requests[f"/{WORKSPACE}/{PROJECT}/2/coco"] == 1


def test_cases_a5_a_zip_from_before_is_replaced(fetch, archive, tmp_path):
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "export.zip").write_bytes(archive[:100])
    fetch()
    assert (tmp_path / "got" / "export.zip").read_bytes() == archive


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(Misbehaviour(api=[(500, {})]), id="500 then ok"),
        pytest.param(Misbehaviour(link=[(503, {}), (500, {})]), id="zip 503, 500, then ok"),
        pytest.param(Misbehaviour(half_bodies=1), id="half the bytes once"),
        pytest.param(Misbehaviour(damaged_bodies=1), id="damaged once"),
        pytest.param(Misbehaviour(content_length=False), id="no content-length"),
        pytest.param(Misbehaviour(half_bodies=1, content_length=False), id="half, no content-length"),
        pytest.param(Misbehaviour(generating_polls=2, progress=1.48), id="generating, 148 %"),
        pytest.param(Misbehaviour(export_polls=2, progress=1.48), id="exporting, 148 %"),
    ],
)
def test_cases_a6_passing_failures_are_retried(fetch, archive, tmp_path, trouble):
    fetch(trouble)
    assert (tmp_path / "got" / "export.zip").read_bytes() == archive


@pytest.mark.parametrize("where", ["api", "link"])
def test_cases_a6_retry_after_is_honoured(fetch, where):
    start = time.monotonic()
    fetch(Misbehaviour(**{where: [(429, {"Retry-After": "2"})]}))
    assert time.monotonic() - start >= 2


def test_a_retry_after_beyond_the_deadline_fails_at_once(fetch):
    start = time.monotonic()
    trouble = Misbehaviour(api=[(429, {"Retry-After": "3600"})])
    assert_fails(RoboflowUnavailable, "HTTP 429", fetch, trouble, deadline=300)
    assert time.monotonic() - start < 60  # neither the wait nor the deadline


@pytest.mark.parametrize("status", [401, 403])
def test_cases_a17_a_bad_key_names_the_variable(fetch, status):
    assert_fails(RoboflowRefused, f"HTTP {status}.*NASFLOW_ROBOFLOW_API_KEY", fetch, Misbehaviour(api=[(status, {})]))
    assert sum(fetch.server.requests.values()) == 1


def test_cases_a17_an_unknown_key_is_refused(fetch):
    assert_fails(RoboflowRefused, "the login: HTTP 401.*NASFLOW_ROBOFLOW_API_KEY", fetch, key="Another0")


def test_a_key_that_the_package_takes_for_a_placeholder_is_refused(fetch):
    assert_fails(RoboflowRefused, "HTTP 401", fetch, key="UPPER")


def test_a_missing_key_is_an_error_of_the_settings(fetch):
    assert_fails(BadSettings, "NASFLOW_ROBOFLOW_API_KEY is empty", fetch, key="")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"workspace": "nobody"}, "workspace nobody: HTTP 404; there is no such workspace; take its name"),
        ({"project": "nothing"}, "project acme/nothing: HTTP 404; there is no such project; take its name"),
        ({"version": 7}, "acme/pets has no version 7; it has 2, 9, 10"),
    ],
)
def test_cases_a17_missing_workspaces_projects_and_versions_are_named(fetch, options, match):
    assert_fails(RoboflowRefused, match, fetch, **options)


@pytest.mark.parametrize("name", ["a/b", "a?b", "", "..", "a b"])
def test_impossible_names_are_refused(fetch, name):
    assert_fails(BadRequest, "cannot be", fetch, project=name)


def test_a_project_without_versions_is_refused(fetch):
    assert_fails(RoboflowRefused, "has no version; generate one", fetch, Misbehaviour(no_versions=True))


def test_cases_a7_an_empty_version_is_refused_at_once(fetch):
    assert_fails(RoboflowRefused, r"version 10 is empty \(0 images\)", fetch, Misbehaviour(images=0))
    assert fetch.server.requests[f"/{WORKSPACE}/{PROJECT}/10"] == 1


@pytest.mark.parametrize("trouble", [Misbehaviour(failed=True), Misbehaviour(failed_version=True)])
def test_cases_a7_a_failed_generation_is_refused_at_once(fetch, trouble):
    assert_fails(RoboflowRefused, "generating failed there; look at the version in Roboflow", fetch, trouble)
    assert max(fetch.server.requests.values()) == 1


@pytest.mark.parametrize("status", [400, 404])
def test_cases_a17_a_format_that_is_not_offered_is_named(fetch, status):
    match = f"acme/pets version 10, format coco: HTTP {status}; it is not offered in COCO format; the project has to"
    assert_fails(RoboflowRefused, match, fetch, Misbehaviour(export_status=status))


@pytest.mark.parametrize(
    ("status", "match"),
    [(429, "HTTP 429, too many requests .*; try again later"), (503, "HTTP 503, an outage there .*; try again later")],
)
def test_failures_that_do_not_pass_end_at_the_deadline(fetch, status, match):
    assert_fails(RoboflowUnavailable, match, fetch, Misbehaviour(api=[(status, {})] * 9), deadline=1)


@pytest.mark.parametrize("polls", ["generating_polls", "export_polls"])
def test_cases_a7_never_ready_ends_at_the_deadline(fetch, polls):
    start = time.monotonic()
    assert_fails(RoboflowUnavailable, "not ready after 1.5 s", fetch, Misbehaviour(**{polls: FOREVER}), deadline=1.5)
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("name", ["versions", "id", "version", "images", "export", "link"])
def test_cases_a17_a_missing_field_is_named(fetch, name):
    assert_fails(RoboflowRefused, f"the answer lacks {name}", fetch, Misbehaviour(drop=name))


def test_cases_a17_an_answer_that_the_package_cannot_read_is_named(fetch):
    assert_fails(RoboflowRefused, "the login: the answer cannot be read", fetch, Misbehaviour(drop="workspace"))


@pytest.mark.parametrize(
    ("trouble", "match"),
    [
        (Misbehaviour(half_bodies=FOREVER), r"bytes received \(5 attempts\)"),
        (Misbehaviour(damaged_bodies=FOREVER), r"is damaged \(5 attempts\)"),
        (Misbehaviour(half_bodies=FOREVER, content_length=False), r"not a zip, or cut short \(5 attempts\)"),
    ],
)
def test_cases_a6_a_zip_that_stays_broken_fails_and_leaves_nothing(fetch, tmp_path, trouble, match):
    assert_fails(RoboflowUnavailable, match, fetch, trouble)
    assert downloaded_files(tmp_path) == []


def test_cases_a6_an_error_page_instead_of_the_zip_is_refused(fetch, tmp_path):
    assert_fails(RoboflowRefused, "download of the zip: HTTP 403", fetch, Misbehaviour(html_link=True))
    assert downloaded_files(tmp_path) == []


def test_cases_a6_an_endless_body_ends_at_the_deadline(fetch, tmp_path):
    trouble = Misbehaviour(endless=True, content_length=False)
    assert_fails(RoboflowUnavailable, "not done after 1.5 s", fetch, trouble, deadline=1.5)
    assert downloaded_files(tmp_path) == []


def test_an_unreachable_server_is_unavailable(archive, tmp_path):
    with RoboflowServer(archive) as server:
        url = server.url
    settings = RoboflowSettings(api_key=KEY, api_url=url, timeout=1, deadline=2)
    assert_fails(
        RoboflowUnavailable,
        "no connection",
        fetch_export,
        settings,
        VersionRequest(WORKSPACE, PROJECT, 1),
        tmp_path / "x.zip",
    )


# Progress ----------------------------------------------------------------------------------------


@pytest.fixture
def progress(archive, tmp_path):
    """Progress calls of a fetch from a server with the given misbehaviour."""

    def run(trouble):
        calls = []
        with RoboflowServer(archive, trouble) as server:
            settings = RoboflowSettings(api_key=KEY, api_url=server.url, deadline=20)
            request = VersionRequest(WORKSPACE, PROJECT)
            fetch_export(settings, request, tmp_path / "export.zip", lambda *call: calls.append(call))
        return calls

    return run


def test_waiting_and_download_report_progress_and_log_little(progress, archive, caplog):
    calls = progress(Misbehaviour(generating_polls=2, export_polls=2, progress=0.48))
    assert calls[:2] == [(0.48, 1.0, "waiting for version 10: 48 %")] * 2
    assert calls[2:4] == [(0.48, 1.0, "waiting for the export of version 10: 48 %")] * 2
    assert calls[-1][:2] == (len(archive), len(archive))
    assert calls[-1][2].endswith("MB of the zip, 0 s left")
    assert caplog.text.count("waiting for") == 2


def test_a_download_of_unknown_length_reports_its_size(progress):
    assert progress(Misbehaviour(content_length=False))[-1] == (0, 1, "0.0 MB of the zip")


# A new version -----------------------------------------------------------------------------------


class Project:
    """A project in Roboflow that several runs fetch from."""

    def __init__(self, server, target):
        self.server, self.target = server, target
        self.labelled = {}

    def run(self, after, deadline=20):
        """Fetch; gives the version that is used."""
        settings = RoboflowSettings(api_key=KEY, api_url=self.server.url, deadline=deadline)
        rule = GenerationRule(after, self.labelled.get, self.labelled.__setitem__)
        return fetch_export(settings, VersionRequest(WORKSPACE, PROJECT, generation=rule), self.target).version


@pytest.fixture
def project(archive, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with contextlib.ExitStack() as stack:
        yield lambda trouble=None: Project(stack.enter_context(RoboflowServer(archive, trouble)), tmp_path / "got.zip")


def test_a_version_is_generated_when_enough_was_labelled_since_the_last(project, caplog):
    pets = project()
    resize = {"enabled": True, "width": 640, "height": 640}
    kept = {"auto-orient": {"enabled": True}, "resize": resize}
    pets.server.settings[10] = {"preprocessing": kept | {"grayscale": {"enabled": False}}, "augmentation": {}}
    pets.server.images, pets.server.unannotated = 12, 3
    assert pets.run(4) == 10
    assert "about 3 images labelled since version 10, fewer than 4: version 10 is used" in caplog.text
    assert pets.run(3) == 11
    assert "about 3 images labelled since version 10, at least 3: a new version is generated" in caplog.text
    assert pets.server.settings[11] == {"preprocessing": kept, "augmentation": {}}
    # From here on the count is exact, though the version holds the images without labels, too.
    pets.server.unannotated = 1
    assert pets.run(3) == 11
    assert " 2 images labelled since version 11, fewer than 3: version 11 is used" in caplog.text
    pets.server.images += 1
    assert (pets.run(3), pets.server.generated) == (12, [11, 12])


def test_augmented_copies_are_not_counted_and_a_wrong_estimate_costs_one_version(project):
    pets = project(Misbehaviour(copies_missing=30))
    augmentation = {"flip": {"enabled": True, "horizontal": True}, "image": {"enabled": True, "versions": "3"}}
    pets.server.settings[10], pets.server.splits[10] = {"augmentation": augmentation}, {"train": 120, "valid": 5}
    pets.server.images = 50
    assert pets.run(6) == 10
    assert pets.run(5) == 11
    assert pets.server.settings[11]["augmentation"] == augmentation
    # Version 11 lacks copies, so its size would tell 10 images too few, at every run.
    assert [pets.run(5) for _ in range(3)] == [11, 11, 11]


@pytest.mark.parametrize(
    "settings",
    [
        {"preprocessing": {"tile": {"enabled": True, "rows": 2, "columns": 2}}},
        {"splits": None},
        {"splits": {"train": None, "valid": 2}},
    ],
)
def test_if_the_size_does_not_tell_counting_begins_at_the_first_run(project, caplog, settings):
    pets = project()
    pets.server.settings[10] = settings
    pets.server.images = 30
    assert pets.run(2) == 10
    assert "does not tell how many images it was made of: counting begins now" in caplog.text
    pets.server.images = 32
    assert pets.run(2) == 11


def test_the_first_version_of_a_project_needs_enough_labels(project):
    pets = project(Misbehaviour(no_versions=True))
    assert_fails(RoboflowRefused, "has no version, and 6 images labelled, fewer than 7; label more", pets.run, 7)
    assert pets.run(6) == 1
    assert pets.server.settings[1] == {"preprocessing": {}, "augmentation": {}}


def test_a_new_version_may_be_empty_before_generating_begins(project):
    pets = project(Misbehaviour(slow_start=FOREVER))
    pets.server.images = 9
    assert_fails(RoboflowUnavailable, "version 11: not ready after 1 s", pets.run, 3, deadline=1)
    pets.server.trouble.slow_start = 2
    assert (pets.run(3), pets.server.generated) == (11, [11])


def test_a_request_that_was_carried_out_without_an_answer_is_not_sent_again(project):
    pets = project(Misbehaviour(lost_answers=1))
    pets.server.images = 9
    assert (pets.run(3), pets.server.generated) == (11, [11])
    assert pets.labelled == {11: 9}


def test_a_killed_run_takes_up_the_version_that_it_asked_for(project, caplog):
    pets = project()
    pets.server.images = 9
    assert pets.run(3) == 11
    pets.labelled.clear()  # killed before it could be remembered
    pets.server.trouble.generating_polls = 2
    pets.server.images = 30
    assert pets.run(3) == 11
    assert "version 11 is being generated already: it is used" in caplog.text
    assert (pets.labelled, pets.server.generated) == ({11: 30}, [11])


@pytest.mark.parametrize(
    ("status", "match"),
    [
        (400, "acme/pets, a new version: HTTP 400; it generates no version; try it in Roboflow"),
        (403, "acme/pets, a new version: HTTP 403; check NASFLOW_ROBOFLOW_API_KEY"),
    ],
)
def test_a_refused_generation_is_named(project, status, match):
    pets = project(Misbehaviour(generate_status=status))
    pets.server.images = 9
    assert_fails(RoboflowRefused, match, pets.run, 3)
    assert (pets.labelled, pets.server.requests[f"/{WORKSPACE}/{PROJECT}/generate"]) == ({}, 1)


@pytest.mark.parametrize("name", ["project", "unannotated"])
def test_a_count_that_is_missing_is_named(project, name):
    assert_fails(RoboflowRefused, f"the answer lacks {name}", project(Misbehaviour(drop=name)).run, 1)


@pytest.mark.parametrize("values", [{}, {"workspace": WORKSPACE, "version": 3}, {"export": "pets.zip"}])
def test_a_new_version_needs_a_workspace_and_no_number(values):
    with pytest.raises(ValidationError, match="goes with a Roboflow workspace, and without a version number"):
        RetrainRequest(project=PROJECT, generate_after=20, **values)


def test_the_number_of_labelled_images_is_kept_in_the_store(store, archive, tmp_path):
    request = RetrainRequest(project=PROJECT, workspace=WORKSPACE, generate_after=3)
    calls = []
    with RoboflowServer(archive) as server:
        settings = RoboflowSettings(api_key=KEY, api_url=server.url, deadline=20)

        def run():
            export = export_to_store(store, request, lambda: settings, tmp_path, lambda *call: calls.append(call))
            return export.source.version

        server.images, server.unannotated = 12, 1
        assert (run(), run(), server.generated) == (11, 11, [11])
        assert json.loads(store.get(keys.version_count(WORKSPACE, PROJECT, 11))[0])["labelled"] == 11
    assert calls[-1][2].endswith("0 s left")
