"""``nasflow serve`` as a process: published models, an alias that moves, clients that misbehave, signals."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tasks.detection.detector import Detector
from tasks.detection.runtimes import load
from tasks.promotion.aliases import move_alias
from tasks.records import AliasMove
from tasks.storage import keys
from tests.fakes.datasets import CLASSES
from tests.fakes.exported import SIZE
from tests.fakes.published import now, publish_one
from tests.fakes.waiting import wait_for

NASFLOW = str(Path(sys.executable).with_name("nasflow"))
PRIVATE = ("NASFLOW_", "AWS_", "PREFECT_", "ROBOFLOW_")
KEY = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def model(exported):
    return exported.out / "model.onnx"


@pytest.fixture(scope="module")
def images(exported, tmp_path_factory):
    """Drawn images as PNG, by name."""
    folder = tmp_path_factory.mktemp("images")
    found = {}
    for number, pixels in enumerate(exported.images()[:5]):
        path = folder / f"{number}.png"
        Image.fromarray((pixels.transpose(1, 2, 0) * 255).round().astype("uint8")).save(path)
        found[path.name] = path.read_bytes()
    return found


@pytest.fixture
def environment(tmp_path):
    others = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    return {**others, "HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1", "NASFLOW_SERVE_PORT": "0"}


class Server:
    """A server process, and a client of it."""

    def __init__(self, process, log, url):
        self.process, self._log, self.url = process, log, url
        self.client = httpx.Client(base_url=url or "http://none", timeout=120, trust_env=False)

    @property
    def log(self):
        return self._log.read_text()

    def detect(self, image, **options):
        return self.client.post("/detect", content=image, **options)

    def version(self):
        return self.client.get("/version").json().get("version")

    def address(self):
        url = httpx.URL(self.url)
        return url.host, url.port


@pytest.fixture
def serve(environment, tmp_path):
    """Starts a server, waits until it is ready, and ends it."""

    @contextmanager
    def serve(model, *arguments, **variables):
        log = tmp_path / "log.txt"
        command = [NASFLOW, "serve", str(model), "--json", *map(str, arguments)]
        with (
            log.open("w") as errors,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**environment, **variables}
            ) as process,
        ):
            try:
                document = json.loads(_document(process.stdout))
                assert document["ok"], document
                server = Server(process, log, document["url"])
                with server.client:
                    yield server
            finally:
                process.kill()

    return serve


def _document(stream):
    """The one JSON document that a process prints, which goes on afterwards."""
    lines = []
    for line in stream:
        lines.append(line)
        if line == "}\n":
            break
    return "".join(lines)


@pytest.fixture
def refused(environment):
    """Runs the command, which has to end by itself; gives exit code, error and log."""

    def refused(*arguments, **variables):
        command = [NASFLOW, "serve", *map(str, arguments), "--json"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
            timeout=300,
            env={**environment, **variables},
        )
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout)["error"], done.stderr

    return refused


# A model file ------------------------------------------------------------------------------------


def test_detections_are_those_of_the_detector(serve, model, images):
    runtime = load(model)
    detector, count = Detector(runtime, runtime.model.threshold), 0
    with serve(model) as server:
        for content in images.values():
            document = server.detect(content, headers={"Content-Type": "image/png"}).json()
            expected = detector.detect(detector.decode(content))
            assert (document["width"], document["height"]) == (SIZE, SIZE)
            assert [CLASSES.index(one["class"]) for one in document["detections"]] == [
                one.class_index for one in expected
            ]
            for detected, one in zip(document["detections"], expected, strict=True):
                assert detected["score"] == pytest.approx(one.score, abs=1e-4)
                assert tuple(detected["bbox"]) == pytest.approx(one.bbox, abs=0.05)
            count += len(expected)
        version = server.client.get("/version").json()
    assert count >= 5, "too few detections to compare"
    assert (version["model"], version["version"], version["classes"]) == ("model.onnx", None, list(CLASSES))
    assert version["device"] == runtime.device


def test_sixteen_clients_at_once_are_all_answered(serve, model, images):
    content = images["0.png"]
    with serve(model) as server, ThreadPoolExecutor(16) as pool:
        first = server.detect(content).json()["detections"]
        answers = list(pool.map(lambda _: server.detect(content), range(160)))
        assert {answer.status_code for answer in answers} == {200}
        assert all(answer.json()["detections"] == first for answer in answers)
        assert "nasflow_serve_images_total 161.0" in server.client.get("/metrics").text


@pytest.mark.parametrize("told", [True, False], ids=["length told", "in chunks"])
def test_a_large_image_is_refused_in_words_that_arrive(serve, model, images, told):
    def chunks():
        for _ in range(40):
            yield bytes(100_000)

    with serve(model, NASFLOW_SERVE_MAX_IMAGE_MB="1") as server:
        for _ in range(5):
            answer = server.detect(bytes(4_000_000) if told else chunks())
            assert (answer.status_code, answer.json()["error"]) == (
                413, "the request is over 1 MB; send a smaller image"
            )  # fmt: skip
        assert server.detect(images["0.png"]).status_code == 200


def test_requests_that_make_no_sense_are_refused(serve, model, images):
    with serve(model) as server:
        for status, options in (
            (422, {"content": b"no image"}),
            (422, {"content": images["0.png"][:200]}),
            (400, {"content": images["0.png"], "params": {"threshold": "2"}}),
            (415, {"content": images["0.png"], "headers": {"Content-Type": "text/plain"}}),
        ):
            answer = server.client.post("/detect", **options)
            assert answer.status_code == status
            assert list(answer.json()) == ["error"]
        with socket.create_connection(server.address()) as raw:
            raw.sendall(b"nonsense\r\n\r\n")
            assert b" 400 " in raw.recv(1000)
        assert server.detect(images["0.png"]).status_code == 200
        assert "Traceback" not in server.log


def test_clients_that_send_half_and_hang_do_not_block_others_and_are_given_up(serve, model, images):
    content = images["0.png"]
    head = f"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(content)}\r\n\r\n"
    with serve(model, NASFLOW_SERVE_TIMEOUT="3", NASFLOW_SERVE_QUEUE="0") as server:
        hanging = [socket.create_connection(server.address(), timeout=120) for _ in range(20)]
        for one in hanging:
            one.sendall(head.encode() + content[: len(content) // 2])
        assert server.detect(content).status_code == 200
        assert b" 408 " in hanging[0].recv(1000)
        for one in hanging:
            one.close()
        assert server.detect(content).status_code == 200


def test_a_client_that_leaves_in_the_middle_is_no_error(serve, model, images):
    with serve(model) as server:
        for _ in range(5):
            with socket.create_connection(server.address()) as raw:
                raw.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
        wait_for(lambda: server.log.count("POST /detect") == 5, "five lines in the log", seconds=60)
        assert server.detect(images["0.png"]).status_code == 200
        assert "Traceback" not in server.log
        assert " 500 " not in server.log


# The end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_open_requests_be_answered_and_ends_with_0(serve, model, images, number):
    with serve(model) as server, ThreadPoolExecutor(8) as pool:
        content = images["0.png"]
        slow = socket.create_connection(server.address(), timeout=120)  # half of it is there when the signal comes
        slow.sendall(
            f"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content[:100]
        )
        assert server.detect(content).status_code == 200
        server.process.send_signal(number)
        wait_for(lambda: not _connects(server.address()), "no new connections", seconds=60)
        slow.sendall(content[100:])
        assert slow.recv(65_536).startswith(b"HTTP/1.1 200 ")
        slow.close()
        assert server.process.wait(120) == 0
        assert "Traceback" not in server.log
        assert pool.submit(_connects, server.address()).result() is False


def _connects(address):
    with suppress(OSError), socket.create_connection(address, timeout=5):
        return True
    return False


# Who may ask -------------------------------------------------------------------------------------


def test_without_a_key_only_this_machine_is_listened_to(refused, model):
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):  # noqa: S104, refused
        code, error, _ = refused(model, "--host", host)
        assert code == 2
        assert error.startswith(f"--host {host}: other machines could ask without a key; set NASFLOW_SERVE_API_KEY")


def test_with_a_key_others_may_ask_and_it_is_in_no_log(serve, model, images):
    with serve(model, "--host", "0.0.0.0", NASFLOW_SERVE_API_KEY=KEY) as server:  # noqa: S104, with a key
        url = server.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        assert httpx.post(f"{url}/detect", content=images["0.png"], trust_env=False).status_code == 401
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = httpx.post(f"{url}/detect?key={KEY}", content=images["0.png"], headers=headers, trust_env=False)
        assert answer.status_code == 200
        wait_for(lambda: server.log.count("POST /detect") == 2, "two lines in the log", seconds=60)
        assert KEY not in server.log


def test_what_cannot_be_served_ends_in_one_line(refused, exported, model, store_environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, words in (
            ((model, "--port", port), f"--host 127.0.0.1 --port {port}: Address already in use"),
            ((model, "--host", "127.0.0.300"), "--host 127.0.0.300: "),
            ((exported.out / "none.onnx",), "no such file"),
            ((exported.weights,), "not a whole ONNX file"),
            (("fruit",), "no alias champion"),
            (("fruit/3",), "no version 3"),
        ):
            code, error, _ = refused(*arguments, **store_environment)
            assert (code, words in error) == (2, True), error
    code, error, _ = refused(model, NASFLOW_SERVE_MAX_IMAGE_MB="none")
    assert (code, error.startswith("environment variable NASFLOW_SERVE_MAX_IMAGE_MB:")) == (2, True)


# Published models --------------------------------------------------------------------------------


@pytest.fixture
def publish(store, model, tmp_path):
    """Publishes a version with the network, and moves the champion to it."""

    def publish(content=None, expected=None):
        folder = tmp_path / f"published-{expected}"
        folder.mkdir()
        return publish_one(store, folder, {"onnx": content or model.read_bytes()}, expected=expected)

    return publish


def test_the_alias_is_followed_without_a_restart_and_without_a_failed_request(
    serve, publish, store, store_environment, images
):
    publish()
    with serve("fruit@champion", **store_environment, NASFLOW_SERVE_FOLLOW_SECONDS="0.2") as server:
        assert server.version() == 1
        with ThreadPoolExecutor(4) as pool:
            stop = time.monotonic() + 600
            answers: list[tuple[int, int | None]] = []

            def ask(_):
                while time.monotonic() < stop and (not answers or answers[-1][1] == 1):
                    answer = server.detect(images["0.png"])
                    answers.append((answer.status_code, answer.json().get("version")))

            asking = pool.map(ask, range(4))
            publish(expected=1)
            list(asking)
        assert {status for status, _ in answers} == {200}
        assert {version for _, version in answers} == {1, 2}
        document = server.detect(images["0.png"]).json()
        assert (document["model"], document["version"]) == ("fruit/2", 2)
        move_alias(store, "fruit", "champion", AliasMove(version=1, at=now(), reason="Back."), 2)
        wait_for(lambda: server.version() == 1, "the version before", seconds=120)
        metrics = server.client.get("/metrics").text
        assert 'nasflow_serve_model_info{model="fruit/1",project="fruit",version="1"} 1.0' in metrics
        assert 'model="fruit/2"' not in metrics


def test_a_version_that_cannot_be_loaded_leaves_the_present_one(serve, publish, store_environment, images):
    publish()
    with serve("fruit", **store_environment, NASFLOW_SERVE_FOLLOW_SECONDS="0.2") as server:
        publish(b"no network", expected=1)
        wait_for(lambda: "fruit/1 goes on serving" in server.log, "a line in the log", seconds=120)
        assert server.detect(images["0.png"]).json()["version"] == 1
        failed = 'nasflow_serve_model_looks_total{result="failed"} '
        assert not server.client.get("/metrics").text.count(f"{failed}0.0")
        publish(expected=2)
        wait_for(lambda: server.version() == 3, "the next version", seconds=120)
        assert server.log.count("goes on serving") == 1


def test_a_fixed_version_stays(serve, publish, store_environment, images):
    publish()
    with serve("fruit/1", **store_environment, NASFLOW_SERVE_FOLLOW_SECONDS="0.2") as server:
        publish(expected=1)
        time.sleep(2)
        assert server.detect(images["0.png"]).json()["version"] == 1
        assert 'looks_total{result="same"} 0.0' in server.client.get("/metrics").text


def test_while_the_store_is_away_the_model_serves_and_without_one_it_is_waited_for(
    serve, publish, store, store_environment, images, environment, tmp_path
):
    publish()
    away = {**store_environment, "NASFLOW_STORE_ENDPOINT": "http://127.0.0.1:9"}
    log = tmp_path / "away.txt"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [NASFLOW, "serve", "fruit", "--port", str(port)], stderr=errors, env={**environment, **away}
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: _connects(("127.0.0.1", port)), "a server", seconds=120)
            assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
            answer = httpx.post(f"{url}/detect", content=images["0.png"], trust_env=False)
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
            wait_for(lambda: "nothing serves yet" in log.read_text(), "a line in the log", seconds=120)
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0
        finally:
            process.kill()


def test_what_the_alias_points_to_is_gone_and_the_model_serves_on(serve, publish, store, store_environment, images):
    publish()
    with serve("fruit", **store_environment, NASFLOW_SERVE_FOLLOW_SECONDS="0.2") as server:
        store.delete([keys.model_alias("fruit", "champion")])
        wait_for(lambda: "fruit/1 goes on serving" in server.log, "a line in the log", seconds=120)
        assert server.detect(images["0.png"]).json()["version"] == 1


# The docs ----------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_each_curl_of_the_docs_is_answered(serve, model, images, tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    commands = re.findall(r"^curl .+$", text, re.MULTILINE)
    assert len(commands) == 6
    (tmp_path / "image.jpg").write_bytes(images["0.png"])
    answers = {}
    with serve(model, NASFLOW_SERVE_API_KEY="choose-a-long-one") as server:
        for command in commands:
            told = command.replace("http://127.0.0.1:8000", server.url)
            if "Authorization" not in told:  # those of a server without a key
                told = told.replace("curl -s", "curl -s -H 'Authorization: Bearer choose-a-long-one'")
            told = told.replace("curl -s", "curl -sS --fail-with-body --noproxy '*'")
            done = subprocess.run(["sh", "-c", told], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, (command, done.stderr, done.stdout)
            answers[command] = done.stdout
    detected = [json.loads(answer) for command, answer in answers.items() if "/detect" in command]
    assert detected
    documented = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])
    for answer in detected:
        assert list(answer) == list(documented)
        assert all(list(one) == list(documented["detections"][0]) for one in answer["detections"])
