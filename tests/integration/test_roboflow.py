"""Fetching an export with the real package from a fake server, which misbehaves as Roboflow and networks do."""

import logging
import time

import pytest
from pydantic import SecretStr, ValidationError

from tasks.errors import BadRequest, BadSettings, RoboflowRefused, RoboflowUnavailable
from tasks.labeling.formats.zips import pack
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.labeling.roboflow.export import fetch_export
from tasks.labeling.roboflow.versions import VersionRequest
from tasks.records import RetrainRequest
from tasks.settings import RoboflowSettings
from tests.fakes.exports import document, write_export, write_split
from tests.fakes.roboflow_misbehaviour import Misbehaviour
from tests.fakes.roboflow_project import PROJECT, WORKSPACE
from tests.fakes.roboflow_server import KEY, SIGNATURE, RoboflowServer

FOREVER = 10**9
NOT_VISIBLE = r"\(.* does not exist or cannot be loaded due to missing permissions; You can find what you may see .*\)"
OR_KEY = "or the key may not see it; take its name"


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


class Fetch:
    """Fetches from a server with the given misbehaviour; the last server is kept."""

    server: RoboflowServer

    def __init__(self, archive, target):
        self.archive, self.target = archive, target

    def __call__(
        self, trouble=None, *, version=None, key=KEY, deadline=20.0, timeout=5.0, workspace=WORKSPACE, project=PROJECT
    ):
        with RoboflowServer(self.archive, trouble) as self.server:
            settings = RoboflowSettings(
                api_key=SecretStr(key), api_url=self.server.url, timeout=timeout, deadline=deadline
            )
            return fetch_export(settings, VersionRequest(workspace, project, version), self.target)


@pytest.fixture
def fetch(archive, tmp_path):
    return Fetch(archive, tmp_path / "got" / "export.zip")


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
        pytest.param(Misbehaviour(export_polls=2, progress=None), id="exporting, null"),
        pytest.param(Misbehaviour(export_polls=2, progress="0.4"), id="exporting, text"),
        pytest.param(Misbehaviour(export_polls=2, unready_status=200), id="exporting, answered with 200"),
        pytest.param(Misbehaviour(links_to_come=2), id="the link is null at first"),
        pytest.param(Misbehaviour(redirected_link=True), id="the link redirects"),
        pytest.param(Misbehaviour(nested_versions=True), id="versions within project"),
        pytest.param(Misbehaviour(age=0, slow_start=2), id="a new version is empty at first"),
        pytest.param(Misbehaviour(age=0, slow_start=2, not_found=2), id="a new version is not found at first"),
    ],
)
def test_cases_a6_passing_failures_are_retried(fetch, archive, tmp_path, trouble):
    fetch(trouble)
    assert (tmp_path / "got" / "export.zip").read_bytes() == archive


@pytest.mark.parametrize("where", ["api", "link"])
def test_cases_a6_retry_after_is_honoured(fetch, where):
    start, trouble = time.monotonic(), Misbehaviour()
    setattr(trouble, where, [(429, {"Retry-After": "2"})])
    fetch(trouble)
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
        ({"workspace": "nobody"}, f"workspace nobody: HTTP 404 {NOT_VISIBLE}; there is no such workspace, {OR_KEY}"),
        ({"project": "nothing"}, f"project acme/nothing: HTTP 404 {NOT_VISIBLE}; there is no such project, {OR_KEY}"),
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


@pytest.mark.parametrize(
    "trouble", [Misbehaviour(images=0, age=0), Misbehaviour(images=None, age=0), Misbehaviour(not_found=FOREVER, age=0)]
)
def test_cases_a7_a_new_version_that_stays_empty_or_lost_ends_at_the_deadline(fetch, trouble):
    assert_fails(RoboflowUnavailable, "version 10: not ready after 1 s", fetch, trouble, deadline=1)


def test_a_version_whose_age_is_not_told_is_not_waited_for(fetch):
    assert_fails(RoboflowRefused, r"version 10 is empty", fetch, Misbehaviour(images=0, age=None))


@pytest.mark.parametrize(
    ("status", "body", "match"),
    [
        (
            402,
            {"error": "Your plan has no versions.", "hint": "Upgrade."},
            r"\(Your plan has no versions; Upgrade\); the workspace's plan",
        ),
        (402, {"error": {"message": "Quota used", "type": "AccessException"}}, r"\(Quota used\); the workspace's"),
        (409, {"error": "Project is in Trash"}, r"\(Project is in Trash\); something there has to be"),
        (423, {"error": "Billing is paused"}, r"\(Billing is paused\); the workspace's billing is"),
        (403, {"message": "Forbidden"}, r"\(Forbidden\); check NASFLOW_ROBOFLOW_API_KEY"),
        (400, {"error": f"Bad\nrequest to https://x.test/?api_key={KEY}"}, r"\(Bad request to \(link\)\); check"),
        (400, {"error": f"No {KEY} in /pets?a=1&api_key={KEY}, sorry"}, r"\(No \*\*\* in /pets sorry\); check"),
        (400, ["no"], "; check NASFLOW_ROBOFLOW_API_URL"),
        (402, {"error": None, "hint": 7}, "; the workspace's plan"),
    ],
)
def test_cases_a17_a_refusal_shows_roboflows_own_words_without_key_and_links(fetch, status, body, match):
    assert_fails(
        RoboflowRefused, f"the login: HTTP {status}.*{match}", fetch, Misbehaviour(api=[(status, {})], refusal=body)
    )


def test_cases_a17_long_words_are_cut(fetch):
    trouble = Misbehaviour(api=[(400, {})], refusal={"error": "word " * 500})
    assert_fails(RoboflowRefused, "HTTP 400 .{302}; check NASFLOW_ROBOFLOW_API_URL$", fetch, trouble)


def test_cases_a7_an_empty_version_is_refused_at_once(fetch):
    assert_fails(RoboflowRefused, r"version 10 is empty \(0 images\)", fetch, Misbehaviour(images=0))
    assert fetch.server.requests[f"/{WORKSPACE}/{PROJECT}/10"] == 1


@pytest.mark.parametrize("trouble", [Misbehaviour(failed=True), Misbehaviour(failed_version=True)])
def test_cases_a7_a_failed_generation_is_refused_at_once(fetch, trouble):
    assert_fails(RoboflowRefused, "generating failed there; look at the version in Roboflow", fetch, trouble)
    assert max(fetch.server.requests.values()) == 1


@pytest.mark.parametrize("status", [400, 404])
def test_cases_a17_a_format_that_is_not_offered_is_named(fetch, status):
    match = f"acme/pets version 10, format coco: HTTP {status} .*; it is not offered in COCO format; the project has to"
    assert_fails(RoboflowRefused, match, fetch, Misbehaviour(export_status=status))


@pytest.mark.parametrize(
    ("status", "match"),
    [(429, "HTTP 429, too many requests .*; try again later"), (503, "HTTP 503, an outage there .*; try again later")],
)
def test_failures_that_do_not_pass_end_at_the_deadline(fetch, status, match):
    assert_fails(RoboflowUnavailable, match, fetch, Misbehaviour(api=[(status, {})] * 9), deadline=1)


@pytest.mark.parametrize("polls", ["generating_polls", "export_polls"])
def test_cases_a7_never_ready_ends_at_the_deadline(fetch, polls):
    start, trouble = time.monotonic(), Misbehaviour()
    setattr(trouble, polls, FOREVER)
    assert_fails(RoboflowUnavailable, "not ready after 1.5 s", fetch, trouble, deadline=1.5)
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
    settings = RoboflowSettings(api_key=SecretStr(KEY), api_url=url, timeout=1, deadline=2)
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
            settings = RoboflowSettings(api_key=SecretStr(KEY), api_url=server.url, deadline=20)
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


# Without a version -------------------------------------------------------------------------------


def search(server, target, query="tag:reviewed", deadline=20):
    settings = RoboflowSettings(api_key=SecretStr(KEY), api_url=server.url, deadline=deadline)
    return fetch_export(settings, VersionRequest(WORKSPACE, PROJECT, query=query), target)


def test_a_search_of_the_project_is_exported_without_a_version(archive, tmp_path, caplog):
    with RoboflowServer(archive, Misbehaviour(no_versions=True, export_polls=2)) as server:
        source = search(server, tmp_path / "got.zip")
    assert server.searches == [{"query": "tag:reviewed", "format": "coco", "dataset": PROJECT}]
    assert (source.kind, source.name, source.version) == ("roboflow", "acme/pets, search tag:reviewed", None)
    assert (tmp_path / "got.zip").read_bytes() == archive
    assert "finds 6 images" in caplog.text
    assert "have no boxes" not in caplog.text


def test_images_without_boxes_that_a_search_finds_are_counted(tmp_path, caplog):
    write_split(tmp_path / "made" / "train", document(["a.jpg", "b.jpg", "c.jpg"], [(1, 1, (10, 10, 40, 30))]))
    pack(tmp_path / "made", tmp_path / "made.zip")
    with RoboflowServer((tmp_path / "made.zip").read_bytes()) as server:
        search(server, tmp_path / "got.zip")
    assert "2 of them have no boxes, and count as images without objects" in caplog.text


@pytest.mark.parametrize(
    ("trouble", "error", "match"),
    [
        (
            Misbehaviour(export_status=400),
            RoboflowRefused,
            r"HTTP 400 \(Invalid query tag:x\); it does not export this",
        ),
        (Misbehaviour(export_status=402), RoboflowRefused, r"HTTP 402 \(Invalid query tag:x\); the workspace's plan"),
        (Misbehaviour(export_polls=FOREVER), RoboflowUnavailable, "not ready after 1 s"),
        (Misbehaviour(drop="ready"), RoboflowRefused, "the answer lacks ready"),
        (
            Misbehaviour(half_bodies=FOREVER),
            RoboflowUnavailable,
            r"download of the zip: .*bytes received \(\d attempts",
        ),
    ],
)
def test_a_search_that_fails_is_named(archive, tmp_path, trouble, error, match):
    with RoboflowServer(archive, trouble) as server:
        assert_fails(error, f"project acme/pets, .*search 'tag:x'.*{match}", search, server, tmp_path / "x", "tag:x", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "values",
    [{}, {"export": "pets.zip"}, {"workspace": WORKSPACE, "version": 3}, {"workspace": "w", "generate_after": 2}],
)
def test_a_search_needs_a_workspace_and_no_version(values):
    with pytest.raises(ValidationError, match="goes with a Roboflow workspace, without version and generate_after"):
        RetrainRequest(project=PROJECT, query="tag:reviewed", **values)


# Keys of several workspaces ----------------------------------------------------------------------


def test_a_workspace_has_its_own_key_before_the_one_for_all(archive, tmp_path):
    with RoboflowServer(archive) as server:
        settings = RoboflowSettings(
            api_key=SecretStr("other"),
            api_keys={WORKSPACE: SecretStr(KEY), "b": SecretStr("other")},
            api_url=server.url,
        )
        assert fetch_export(settings, VersionRequest(WORKSPACE, PROJECT), tmp_path / "got.zip").version == 10


@pytest.mark.parametrize(
    ("keys", "error", "match"),
    [
        ({WORKSPACE: "wrong"}, RoboflowRefused, "HTTP 401 .*; check NASFLOW_ROBOFLOW_API_KEYS, and that its owner"),
        (
            {"b": KEY},
            BadSettings,
            "NASFLOW_ROBOFLOW_API_KEY is empty, and NASFLOW_ROBOFLOW_API_KEYS has no key of w.* acme",
        ),
    ],
)
def test_a_wrong_or_missing_key_of_a_workspace_names_the_variable(archive, tmp_path, keys, error, match):
    with RoboflowServer(archive) as server:
        settings = RoboflowSettings(api_key=SecretStr(""), api_keys=keys, api_url=server.url)
        assert_fails(error, match, fetch_export, settings, VersionRequest(WORKSPACE, PROJECT), tmp_path / "x.zip")
