"""Fetching an export with the real package from a local stand-in, which misbehaves as Roboflow and networks do."""

import logging
import time

import pytest

from tasks.errors import BadRequest, BadSettings, RoboflowRefused, RoboflowUnavailable
from tasks.labeling.check import inspect_export, require_snapshot
from tasks.labeling.roboflow import fetch_export
from tasks.labeling.zips import pack
from tasks.settings import RoboflowSettings
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
    """Fetch from a stand-in with the given misbehaviour; the server is kept as ``fetch.server``."""

    def run(trouble=None, *, version=None, key=KEY, deadline=20.0, timeout=5.0, workspace=WORKSPACE, project=PROJECT):
        with RoboflowServer(archive, trouble) as server:
            run.server = server
            settings = RoboflowSettings(api_key=key, api_url=server.url, timeout=timeout, deadline=deadline)
            return fetch_export(settings, workspace, project, version, tmp_path / "got" / "export.zip")

    return run


def fails(error, match, call, *args, **options):
    """The call raises, in one line, and nothing in the chain of exceptions shows a secret."""
    with pytest.raises(error, match=match) as caught:
        call(*args, **options)
    links, seen = [caught.value], []
    while links:
        link = links.pop()
        seen.append(link)
        links += [more for more in (link.__cause__, link.__context__) if more is not None and more not in seen]
    for link in seen:
        text = f"{link!r} {link.args} {link}"
        assert KEY not in text
        assert SIGNATURE not in text
        assert "\n" not in str(link)


def left_over(tmp_path):
    folder = tmp_path / "got"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def test_latest_version_is_the_highest_number_and_the_zip_is_whole(fetch, archive, tmp_path, export):
    source = fetch()
    assert (source.kind, source.name, source.version) == ("roboflow", "acme/pets", 10)
    assert left_over(tmp_path) == ["export.zip"]
    got = tmp_path / "got" / "export.zip"
    assert got.read_bytes() == archive
    fetched = require_snapshot(inspect_export(got, tmp_path))
    assert fetched.digest == require_snapshot(inspect_export(export, tmp_path)).digest


def test_a_version_by_number(fetch):
    assert fetch(version=2).version == 2
    assert fetch.server.asked[f"/{WORKSPACE}/{PROJECT}/2/coco"] == 1


def test_a_zip_from_before_is_replaced(fetch, archive, tmp_path):
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
def test_passing_trouble_is_waited_out(fetch, archive, tmp_path, trouble):
    fetch(trouble)
    assert (tmp_path / "got" / "export.zip").read_bytes() == archive


@pytest.mark.parametrize("where", ["api", "link"])
def test_retry_after_is_honoured(fetch, where):
    start = time.monotonic()
    fetch(Misbehaviour(**{where: [(429, {"Retry-After": "2"})]}))
    assert time.monotonic() - start >= 2


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(fetch):
    start = time.monotonic()
    fails(RoboflowUnavailable, "HTTP 429", fetch, Misbehaviour(api=[(429, {"Retry-After": "3600"})]))
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("status", [401, 403])
def test_a_bad_key_names_the_variable(fetch, status):
    fails(RoboflowRefused, f"HTTP {status}.*NASFLOW_ROBOFLOW_API_KEY", fetch, Misbehaviour(api=[(status, {})]))
    assert sum(fetch.server.asked.values()) == 1


def test_an_unknown_key_is_refused(fetch):
    fails(RoboflowRefused, "the login: HTTP 401.*NASFLOW_ROBOFLOW_API_KEY", fetch, key="Another0")


def test_a_key_that_the_package_takes_for_a_dummy_is_refused(fetch):
    fails(RoboflowRefused, "HTTP 401", fetch, key="UPPER")


def test_no_key_is_a_matter_of_settings(fetch):
    fails(BadSettings, "NASFLOW_ROBOFLOW_API_KEY is empty", fetch, key="")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"workspace": "nobody"}, "workspace nobody: HTTP 404"),
        ({"project": "nothing"}, "project acme/nothing: HTTP 404"),
        ({"version": 7}, "acme/pets has no version 7; it has 2, 9, 10"),
    ],
)
def test_what_is_not_there_is_named(fetch, options, match):
    fails(RoboflowRefused, match, fetch, **options)


@pytest.mark.parametrize("name", ["a/b", "a?b", "", "..", "a b"])
def test_names_that_cannot_be(fetch, name):
    fails(BadRequest, "cannot be", fetch, project=name)


def test_a_project_without_versions(fetch):
    fails(RoboflowRefused, "has no version; generate one", fetch, Misbehaviour(no_versions=True))


def test_an_empty_version_is_refused_at_once(fetch):
    fails(RoboflowRefused, r"version 10 is empty \(0 images\)", fetch, Misbehaviour(images=0))
    assert fetch.server.asked[f"/{WORKSPACE}/{PROJECT}/10"] == 1


def test_a_failed_export_is_refused_at_once(fetch):
    fails(RoboflowRefused, "generating failed there", fetch, Misbehaviour(failed=True))


@pytest.mark.parametrize("polls", ["generating_polls", "export_polls"])
def test_never_ready_ends_at_the_deadline(fetch, polls):
    start = time.monotonic()
    fails(RoboflowUnavailable, "not ready after 1.5 s", fetch, Misbehaviour(**{polls: FOREVER}), deadline=1.5)
    assert time.monotonic() - start < 4


@pytest.mark.parametrize("name", ["versions", "id", "version", "images", "export", "link"])
def test_a_missing_field_is_named(fetch, name):
    fails(RoboflowRefused, f"the answer lacks {name}", fetch, Misbehaviour(drop=name))


def test_a_missing_field_that_the_package_needs(fetch):
    fails(RoboflowRefused, "the login: the answer cannot be read", fetch, Misbehaviour(drop="workspace"))


@pytest.mark.parametrize(
    ("trouble", "match"),
    [
        (Misbehaviour(half_bodies=FOREVER), r"bytes received \(5 attempts\)"),
        (Misbehaviour(damaged_bodies=FOREVER), r"is damaged \(5 attempts\)"),
        (Misbehaviour(half_bodies=FOREVER, content_length=False), r"not a zip, or cut short \(5 attempts\)"),
    ],
)
def test_a_broken_zip_is_given_up_and_nothing_is_left(fetch, tmp_path, trouble, match):
    fails(RoboflowUnavailable, match, fetch, trouble)
    assert left_over(tmp_path) == []


def test_an_error_page_instead_of_the_zip(fetch, tmp_path):
    fails(RoboflowRefused, "download of the zip: HTTP 403", fetch, Misbehaviour(html_link=True))
    assert left_over(tmp_path) == []


def test_an_endless_body_ends_at_the_deadline(fetch, tmp_path):
    trouble = Misbehaviour(endless=True, content_length=False)
    fails(RoboflowUnavailable, "not done after 1.5 s", fetch, trouble, deadline=1.5)
    assert left_over(tmp_path) == []


def test_nobody_there(archive, tmp_path):
    with RoboflowServer(archive) as server:
        url = server.url
    settings = RoboflowSettings(api_key=KEY, api_url=url, timeout=1, deadline=2)
    fails(RoboflowUnavailable, "no connection", fetch_export, settings, WORKSPACE, PROJECT, 1, tmp_path / "x.zip")
