"""The server's answers over HTTP, without a socket: an exact detector in the place of a network."""

import io
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import cv2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deployments.serving.app import create_app
from deployments.serving.metrics import Metrics
from deployments.serving.model import ServedModel
from deployments.serving.settings import ServeSettings
from tests.fakes import bright_spots
from tests.fakes.asgi_client import AsgiClient
from tests.fakes.waiting import wait_for

KEY = "correct horse battery staple"
SPOT = (60, 40, 120, 80)
SPOTS = ServedModel(bright_spots.detector(), "spots/1")
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def make_client(metrics):
    """Makes a client of a server with some settings and a model, or None while none is loaded."""

    with ExitStack() as clients:

        def make(model=SPOTS, **settings):
            return clients.enter_context(AsgiClient(create_app(lambda: model, ServeSettings(**settings), metrics)))

        yield make


@pytest.fixture
def client(make_client):
    return make_client()


def image(kind=".png", spots=(SPOT,), size=(320, 200)):
    width, height = size
    return cv2.imencode(kind, bright_spots.image(width, height, list(spots)))[1].tobytes()


def assert_refused(answer, status, words):
    """A refusal is JSON with one sentence."""
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert "Traceback" not in answer.text


def blocking(**fields):
    """A model whose network waits for an event, and the event."""
    detector, event = bright_spots.detector(), threading.Event()

    def network(pixels):
        assert event.wait(60)
        return bright_spots.network(pixels)

    return ServedModel(replace(detector, runtime=replace(detector.runtime, network=network, **fields)), "slow/1"), event


# Images ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "content", "files"),
    [
        ({"Content-Type": "image/png"}, image(), None),
        ({"Content-Type": "IMAGE/PNG; x=y"}, image(), None),
        ({"Content-Type": "application/octet-stream"}, image(), None),
        ({}, image(), None),
        ({"Content-Type": "image/jpeg"}, image(".jpg"), None),
        ({}, None, {"file": ("x.png", image(), "image/png")}),
        ({}, None, {"file": ("x.png", image(size=(320, 200)), "image/png"), "other": ("y", b"z")}),
    ],
    ids=["png", "case", "octets", "untold", "jpeg", "form", "form with more"],
)
def test_an_image_as_the_body_or_in_a_form_is_detected_on(client, headers, content, files):
    answer = client.post("/detect", headers=headers, content=content, files=files)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document.pop("seconds") >= 0
    (found,) = document.pop("detections")
    assert document == {
        "model": "spots/1", "project": "spots", "version": 1, "width": 320, "height": 200, "threshold": 0.4,
    }  # fmt: skip
    assert found["class"] == "white"
    assert found["bbox"] == pytest.approx(SPOT, abs=1.5)
    assert found["score"] == pytest.approx(0.5, abs=0.01)


def test_a_threshold_can_be_given(client):
    for threshold, count in (("0.4", 1), ("0.9", 0), ("0", 1), ("1", 0)):
        document = client.post(f"/detect?threshold={threshold}", content=image()).json()
        assert (document["threshold"], len(document["detections"])) == (float(threshold), count)


@pytest.mark.parametrize("threshold", ["high", "-0.1", "1.1", "nan", "inf", ""])
def test_a_threshold_that_cannot_be_is_refused(client, threshold):
    assert_refused(client.post(f"/detect?threshold={threshold}", content=image()), 400, "threshold")


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 422, "the image is empty"),
        (b"no image", 422, "cannot be read: not an image"),
        (image()[:300], 422, "cannot be read: "),
        (image(".jpg")[:100], 422, "cannot be read: "),
        (b"GIF89a" + bytes(100), 422, "cannot be read: "),
    ],
)
def test_what_is_no_image_is_refused(client, content, status, words):
    assert_refused(client.post("/detect", content=content, headers=JPEG), status, words)


@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/x-www-form-urlencoded", "x" * 5000])
def test_another_content_type_is_refused(client, kind):
    assert_refused(client.post("/detect", content=image(), headers={"Content-Type": kind}), 415, "is no image; send")


@pytest.mark.parametrize(
    ("kind", "content", "status", "words"),
    [
        ("multipart/form-data", b"x", 400, "without a boundary"),
        ("multipart/form-data; boundary=b", b"nonsense", 400, "cannot be read"),
        ("multipart/form-data; boundary=b", b"", 422, "0 files named file"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n',
         422, "0 files named file"),
        ("multipart/form-data; boundary=b",
         b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nhalf of it', 422, ""),
    ],
)  # fmt: skip
def test_a_form_that_holds_no_image_is_refused(client, kind, content, status, words):
    assert_refused(client.post("/detect", content=content, headers={"Content-Type": kind}), status, words)


def test_two_images_in_a_form_are_refused(client):
    files = [("file", ("1.png", image())), ("file", ("2.png", image()))]
    assert_refused(client.post("/detect", files=files), 422, "2 files named file in the form; send one image a request")


def test_a_large_image_is_refused_whether_its_length_is_told_or_not(make_client):
    client = make_client(max_image_mb=0.1)
    assert client.post("/detect", content=image()).status_code == 200
    read = 0

    async def chunks():
        nonlocal read
        for _ in range(50):
            read += 10_000
            yield bytes(10_000)

    assert_refused(client.post("/detect", content=bytes(100_001)), 413, "over 0.1 MB")
    assert_refused(client.post("/detect", content=chunks()), 413, "over 0.1 MB")
    assert_refused(client.post("/detect", files={"file": ("x", bytes(100_000))}), 413, "over 0.1 MB")


# Who may ask, and when ---------------------------------------------------------------------------


def test_without_the_key_nothing_is_told(make_client):
    client = make_client(api_key=KEY)
    for headers in (
        {}, {"Authorization": "Bearer"}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"},
        {"Authorization": f"Bearer {KEY}x"}, {"Authorization": f"Bearer {KEY[:-1]}"}, {"X-API-Key": KEY},
        {"Authorization": "Bearer \u00e9".encode()},
    ):  # fmt: skip
        for method, path in (("POST", "/detect"), ("GET", "/version"), ("GET", "/metrics")):
            answer = client.request(method, path, headers=headers, content=image() if method == "POST" else None)
            assert_refused(answer, 401, "send Authorization: Bearer KEY")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    for path in ("/health", "/ready", "/openapi.json", "/docs"):
        assert client.get(path).status_code == 200


def test_with_the_key_all_is_answered(make_client):
    client = make_client(api_key=KEY)
    headers = {"Authorization": f"Bearer {KEY}"}
    assert client.post("/detect", headers=headers, content=image()).status_code == 200
    for path in ("/version", "/metrics"):
        assert client.get(path, headers=headers).status_code == 200


def test_while_no_model_is_loaded_the_server_is_healthy_and_not_ready(make_client):
    client = make_client(model=None)
    assert client.get("/health").json() == {"ok": True}
    for answer in (client.get("/ready"), client.get("/version"), client.post("/detect", content=image())):
        assert_refused(answer, 503, "no model is loaded yet")
        assert int(answer.headers["Retry-After"]) > 0


def test_more_images_than_the_queue_holds_are_refused_and_the_others_answered(make_client):
    model, go = blocking(parallel=1)
    client = make_client(model, queue=2)
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(client.post, "/detect", content=image()) for _ in range(3)]
        wait_for(lambda: numbers(client)["nasflow_serve_queue_length"] == 2, "two images that wait", seconds=60)
        answer = client.post("/detect", content=image())
        assert_refused(answer, 503, "2 images wait already")
        assert int(answer.headers["Retry-After"]) > 0
        assert client.get("/health").status_code == 200
        go.set()
        assert [answer.result().status_code for answer in answers] == [200, 200, 200]
        assert client.post("/detect", content=image()).status_code == 200


# What it tells -----------------------------------------------------------------------------------


def numbers(client, **headers):
    """The metrics: values by name, or by name and labels."""
    text = client.get("/metrics", headers=headers).text
    return {
        (sample.name, *sorted(sample.labels.values())) if sample.labels else sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_and_images_are_counted(client):
    client.post("/detect", content=image())
    client.post("/detect", content=b"no image")
    client.get("/nothing/42")
    client.get("/nothing/43")
    found = numbers(client)
    assert found["nasflow_serve_images_total"] == 1
    assert found["nasflow_serve_requests_total", "/detect", "200"] == 1
    assert found["nasflow_serve_requests_total", "/detect", "422"] == 1
    assert found["nasflow_serve_requests_total", "404", "other"] == 2
    assert found["nasflow_serve_request_seconds_count", "/detect"] == 2
    assert found["nasflow_serve_queue_length"] == 0


def test_the_numbers_name_the_model_that_answers(metrics):
    present = None
    names = {("nasflow_serve_model_info", str(version), "spots", f"spots/{version}"): version for version in (1, 2)}
    with AsgiClient(create_app(lambda: present, ServeSettings(), metrics)) as client:
        assert not names.keys() & numbers(client).keys()
        for version in (1, 2, 1):
            model = replace(SPOTS.runtime.model, version=version)
            detector = replace(SPOTS.detector, runtime=replace(SPOTS.runtime, model=model))
            present = ServedModel(detector, f"spots/{version}")
            found = numbers(client)
            assert [number for name, number in names.items() if name in found] == [version]


def test_the_version_is_that_of_the_model(client):
    document = client.get("/version").json()
    assert (document["model"], document["project"], document["version"]) == ("spots/1", "spots", 1)
    assert document["classes"] == list(bright_spots.CLASSES)
    assert (document["threshold"], document["image_size"], document["device"]) == (0.4, 320, "no device")
    assert re.match(r"\d{4}-\d\d-\d\dT.*(Z|\+00:00)$", document["since"])


def test_a_path_or_method_that_is_none_is_refused(client):
    assert_refused(client.get("/nothing"), 404, "/docs has all paths")
    assert_refused(client.get("/detect"), 405, "GET is not possible here")
    assert_refused(client.post("/detect/", content=image()), 404, "/docs has all paths")


def test_an_unexpected_error_is_told_by_a_number_that_is_in_the_log(make_client, caplog):
    def network(pixels):
        raise ValueError("secret of the network")

    detector = bright_spots.detector()
    model = ServedModel(replace(detector, runtime=replace(detector.runtime, network=network)), "broken/1")
    answer = make_client(model).post("/detect?token=private", content=image())
    assert_refused(answer, 500, "is in the log as ")
    assert "secret" not in answer.text
    number = answer.json()["error"].rpartition(" ")[2]
    (record,) = [record for record in caplog.records if number in record.getMessage()]
    assert "secret of the network" in str(record.exc_info[1])


def test_the_log_has_a_line_a_request_without_query_and_key(make_client, caplog):
    caplog.set_level("INFO")
    client = make_client(api_key=KEY)
    client.post("/detect?threshold=0.5&token=private", content=image(), headers={"Authorization": f"Bearer {KEY}"})
    client.post("/detect?token=private", content=image(), headers={"Authorization": "Bearer mistyped"})
    client.get("/no%0Athing%1b")
    lines = [record.getMessage() for record in caplog.records if record.name == "deployments.serving.watch"]
    assert [re.sub(r"^[\d.]+ | [\d.]+ s$", "", line) for line in lines] == [
        "POST /detect 200", "POST /detect 401", "GET /no%0Athing%1b 404",
    ]  # fmt: skip
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx")]
    for secret in (KEY, "private", "mistyped"):
        assert secret not in "\n".join(ours)


def test_the_calls_are_described_as_openapi_and_the_page_loads_nothing_from_elsewhere(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/detect", "/health", "/ready", "/version", "/metrics"}
    detect = paths["/detect"]["post"]
    assert {"image/jpeg", "multipart/form-data"} <= set(detect["requestBody"]["content"])
    assert {"200", "400", "401", "413", "415", "422", "503"} <= set(detect["responses"])
    assert detect["security"]
    page = client.get("/docs").text
    loaded = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
    assert loaded
    assert all(link.startswith("/") and client.get(link).status_code == 200 for link in loaded)


def test_an_image_of_a_kind_of_its_own_is_not_kept_on_disk(client, monkeypatch):
    """A form with a large file is read in memory."""
    import tempfile

    def refuse(*_, **__):
        raise OSError("no disk")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    noisy = io.BytesIO(image() + bytes(3_000_000))
    assert client.post("/detect", files={"file": ("x.png", noisy)}).status_code == 200


def test_the_answer_is_plain_json(client):
    answer = client.post("/detect", content=image(spots=()))
    assert json.loads(answer.content)["detections"] == []
    assert answer.headers["content-type"] == "application/json"
