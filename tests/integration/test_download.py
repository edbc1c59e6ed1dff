"""Fetching a file from a server that cuts, hangs, changes the file, says no, or is not there."""

import base64
import hashlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.local.download import MAX_FAILURES, Download, DownloadBroke, DownloadRefused
from tests.fakes.file_server import FileServer, Trouble

SIZE = 3_000_000
CONTENT, OTHER = (random.Random(seed).randbytes(SIZE) for seed in (1, 2))
SHA = hashlib.sha256(CONTENT).hexdigest()


def download_of(server: FileServer | str, folder: Path, **values: Any) -> Download:
    url = server if isinstance(server, str) else server.url
    usual = {"sha256": SHA, "path": folder / "x.pth", "first_pause": 0.01}
    return Download(f"{url}/x.pth", **{**usual, **values})


def fetch(server: FileServer | str, folder: Path, **values: object) -> bytes:
    """Fetch it, and look that nothing but the file is left."""
    download = download_of(server, folder, **values)
    download.fetch(lambda done, total, words: None)
    assert [path.name for path in folder.iterdir()] == ["x.pth"]
    return download.path.read_bytes()


def problem(kind: type[Exception], server: FileServer | str, folder: Path, **values: object) -> str:
    """The message of a download that fails; the file does not appear."""
    download = download_of(server, folder, **values)
    with pytest.raises(kind) as raised:
        download.fetch(lambda done, total, words: None)
    assert not download.path.exists()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_file_is_fetched_with_one_request_and_then_not_again(tmp_path: Path) -> None:
    with FileServer(CONTENT) as server:
        assert fetch(server, tmp_path) == CONTENT
        assert fetch(server, tmp_path) == CONTENT
    assert server.ranges() == [None]
    assert server.requests[0]["path"] == "/models/x.pth"


def test_a_damaged_file_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(CONTENT[:-1])
    with FileServer(CONTENT) as server:
        assert fetch(server, tmp_path) == CONTENT


def test_progress_counts_bytes_of_all_and_says_what_is_left(tmp_path: Path) -> None:
    shown: list[tuple[float, float, str]] = []
    with FileServer(CONTENT, Trouble(cuts=[1_000_000])) as server:
        download_of(server, tmp_path).fetch(lambda *values: shown.append(values))
    assert {total for _, total, _ in shown} == {SIZE}
    assert [done for done, _, _ in shown] == sorted(done for done, _, _ in shown)
    assert shown[-1] == (SIZE, SIZE, "3.0 of 3.0 MB, 0 s left")


# Cuts, and going on ---------------------------------------------------------------------------------


@pytest.mark.parametrize("states", [{"etag": True}, {"etag": False, "last_modified": True}])
def test_a_cut_download_goes_on_where_it_was(tmp_path: Path, states: dict[str, Any]) -> None:
    with FileServer(CONTENT, Trouble(cuts=[1_000_000, 500_000], **states)) as server:
        assert fetch(server, tmp_path) == CONTENT
    assert server.ranges() == [None, "bytes=1000000-", "bytes=1500000-"]
    assert server.requests[1]["If-Range"] in ('"state-1"', "Mon, 01 May 2023 00:00:01 GMT")
    assert server.sent == SIZE


def test_many_cuts_are_no_end_while_each_attempt_brings_something(tmp_path: Path) -> None:
    content = random.Random(3).randbytes(20_000_000)
    with FileServer(content, Trouble(cuts=[1_100_000] * 15)) as server:
        assert fetch(server, tmp_path, sha256=hashlib.sha256(content).hexdigest()) == content
    assert len(server.requests) == 16
    assert server.sent == len(content)


def test_cuts_that_bring_nothing_end_and_the_next_time_goes_on(tmp_path: Path) -> None:
    with FileServer(CONTENT, Trouble(cuts=[1_000_000, *[10] * (MAX_FAILURES - 1)])) as server:
        assert "1000040 bytes received" in problem(DownloadBroke, server, tmp_path)
        assert len(server.requests) == MAX_FAILURES
        assert fetch(server, tmp_path) == CONTENT
    assert server.ranges()[-1] == "bytes=1000040-"
    assert server.sent == SIZE


@pytest.mark.parametrize("trouble", [Trouble(ranges=False), Trouble(etag=False)], ids=["no parts", "no state"])
def test_a_server_that_serves_no_parts_sends_it_all_again(tmp_path: Path, trouble: Trouble) -> None:
    trouble.cuts = [1_000_000]
    with FileServer(CONTENT, trouble) as server:
        assert fetch(server, tmp_path) == CONTENT
    assert server.sent == 1_000_000 + SIZE


@pytest.mark.parametrize("if_range", [True, False])
@pytest.mark.parametrize("states", [{"etag": True}, {"etag": False, "last_modified": True}])
def test_a_file_that_changes_between_two_parts_is_fetched_whole(
    tmp_path: Path, states: dict[str, Any], if_range: bool
) -> None:
    """The first file is cut; the second is there when the download goes on, even if If-Range is not heeded."""
    with FileServer(OTHER, Trouble(cuts=[1_000_000], if_range=if_range, **states)) as server:
        thread = threading.Thread(target=lambda: _replace_after_first(server))
        thread.start()
        assert fetch(server, tmp_path, first_pause=0.3) == CONTENT
        thread.join()
    assert server.ranges()[:2] == [None, "bytes=1000000-"]


def _replace_after_first(server: FileServer) -> None:
    while server.sent < 1_000_000:
        time.sleep(0.005)
    server.replace(CONTENT)


def test_parts_of_two_files_under_one_state_are_found_by_the_sha256(tmp_path: Path) -> None:
    with FileServer(OTHER, Trouble(cuts=[1_000_000])) as server:
        thread = threading.Thread(target=lambda: _swap_after_first(server))
        thread.start()
        assert fetch(server, tmp_path, first_pause=0.3) == CONTENT
        thread.join()
    assert server.ranges() == [None, "bytes=1000000-", None]


def _swap_after_first(server: FileServer) -> None:
    while server.sent < 1_000_000:
        time.sleep(0.005)
    server.content = CONTENT


def test_a_file_that_became_shorter_than_the_part_is_fetched_whole(tmp_path: Path) -> None:
    (tmp_path / ".x.pth.part").write_bytes(OTHER + OTHER)
    (tmp_path / ".x.pth.part.validator").write_text('"state-1"')
    with FileServer(CONTENT) as server:
        assert fetch(server, tmp_path) == CONTENT
    assert server.ranges() == [f"bytes={2 * SIZE}-", None]


def test_a_file_that_was_whole_when_the_process_was_killed_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / ".x.pth.part").write_bytes(CONTENT)
    (tmp_path / ".x.pth.part.validator").write_text('"state-1"')
    assert fetch("http://127.0.0.1:9", tmp_path) == CONTENT


# No answer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_an_error_that_passes_is_waited_for(tmp_path: Path, status: int) -> None:
    with FileServer(CONTENT, Trouble(statuses=[status] * (MAX_FAILURES - 1))) as server:
        assert fetch(server, tmp_path) == CONTENT


def test_an_error_that_stays_is_named(tmp_path: Path) -> None:
    with FileServer(CONTENT, Trouble(statuses=[503] * MAX_FAILURES)) as server:
        assert problem(DownloadBroke, server, tmp_path) == "HTTP 503"
        assert len(server.requests) == MAX_FAILURES


@pytest.mark.parametrize("received", [0, 500_000])
def test_a_server_that_hangs_is_left_after_the_timeout(tmp_path: Path, received: int) -> None:
    with FileServer(CONTENT, Trouble(hangs=[received])) as server:
        assert fetch(server, tmp_path, timeout=0.3) == CONTENT
    assert server.sent == SIZE


def test_a_server_that_always_hangs_is_named_with_the_bytes(tmp_path: Path) -> None:
    with FileServer(CONTENT, Trouble(hangs=[100, *[0] * MAX_FAILURES])) as server:
        assert problem(DownloadBroke, server, tmp_path, timeout=0.2) == "no answer in 0.2 s, 100 bytes received"


def test_a_port_where_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "refused" in problem(DownloadBroke, f"http://127.0.0.1:{port}", tmp_path)


def test_a_name_that_nobody_knows(tmp_path: Path) -> None:
    assert "0 bytes received" in problem(DownloadBroke, "http://no-such-host.invalid", tmp_path, timeout=2)


# Not the file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_not_tried_again(tmp_path: Path, status: int) -> None:
    with FileServer(CONTENT, Trouble(statuses=[status])) as server:
        assert problem(DownloadRefused, server, tmp_path) == f"HTTP {status}"
    assert len(server.requests) == 1


def test_a_login_page_is_no_file(tmp_path: Path) -> None:
    with FileServer(CONTENT, Trouble(page=True)) as server:
        assert "a web page" in problem(DownloadRefused, server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_refused_with_both_sha256_and_not_kept(tmp_path: Path) -> None:
    with FileServer(OTHER) as server:
        message = problem(DownloadRefused, server, tmp_path)
    assert message == f"{SIZE} bytes with SHA-256 {hashlib.sha256(OTHER).hexdigest()}, expected {SHA}"
    assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_length_that_is_too_short_is_refused(tmp_path: Path) -> None:
    with FileServer(CONTENT, Trouble(length=SIZE - 1)) as server:
        assert f"{SIZE - 1} bytes with SHA-256" in problem(DownloadRefused, server, tmp_path)


def test_a_length_that_is_too_long_does_not_matter_when_the_file_is_whole(tmp_path: Path) -> None:
    with FileServer(CONTENT, Trouble(length=SIZE + 1)) as server:
        fetch(server, tmp_path)
    assert server.ranges() == [None]


def test_without_a_length_a_cut_is_found_by_the_sha256(tmp_path: Path) -> None:
    with FileServer(CONTENT, Trouble(length=0, cuts=[1_000_000])) as server:
        assert fetch(server, tmp_path) == CONTENT


def test_a_circle_of_redirects_is_refused(tmp_path: Path) -> None:
    with FileServer(CONTENT) as server:
        server.trouble.redirect = server.url
        assert "redirects" in problem(DownloadRefused, server, tmp_path)


# Secrets, folders, several at once, kills -----------------------------------------------------------


def test_a_password_is_sent_and_not_shown(tmp_path: Path) -> None:
    expected = "Basic " + base64.b64encode(b"ada:p@ss").decode()
    with FileServer(CONTENT, Trouble(password=expected)) as server:
        with_password = server.url.replace("http://", "http://ada:p%40ss@")
        assert fetch(with_password, tmp_path) == CONTENT
        download = download_of(with_password, tmp_path / "other", sha256="0" * 64)
        assert download.address == f"{server.url}/x.pth"
        with pytest.raises(DownloadRefused) as raised:
            download.fetch(lambda done, total, words: None)
    assert not re.search("ada|p@ss|p%40ss", str(raised.value))


def test_a_redirect_is_followed(tmp_path: Path) -> None:
    with FileServer(CONTENT) as second, FileServer(b"", Trouble(redirect=second.url)) as first:
        assert fetch(first, tmp_path) == CONTENT


def test_a_folder_that_cannot_be_made_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        download_of("http://127.0.0.1:9", tmp_path / "file" / "folder").fetch(lambda done, total, words: None)


def test_two_at_once_fetch_it_once(tmp_path: Path) -> None:
    with FileServer(CONTENT, Trouble(hangs=[1_000_000])) as server:
        downloads = [download_of(server, tmp_path, timeout=0.5) for _ in range(3)]
        threads = [threading.Thread(target=one.fetch, args=[lambda done, total, words: None]) for one in downloads]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"]
    assert (tmp_path / "x.pth").read_bytes() == CONTENT
    assert server.sent == SIZE


def test_a_killed_process_leaves_what_the_next_one_goes_on_from(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tasks.local.download import Download;"
        "Download(sys.argv[1] + '/x.pth', sys.argv[2], Path(sys.argv[3])).fetch(lambda done, total, words: None)"
    )
    with FileServer(CONTENT, Trouble(hangs=[1_000_000])) as server:
        process = subprocess.Popen([sys.executable, "-c", code, server.url, SHA, str(tmp_path / "x.pth")])
        part = tmp_path / ".x.pth.part"
        while not part.exists() or part.stat().st_size < 1_000_000:
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "x.pth").exists()
        assert fetch(server, tmp_path) == CONTENT
    assert server.ranges() == [None, "bytes=1000000-"]
