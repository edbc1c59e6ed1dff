"""One local stack and one small export for all tests of a process."""

import os

import pytest

from deployments.demo.cartoons import draw_export
from tests.e2e.stack import LocalStack
from tests.fakes.file_server import FileServer


@pytest.fixture(scope="session")
def coco_server():
    """What stands for the server of COCO weights; tests give it a file."""
    with FileServer(b"") as server:
        yield server


@pytest.fixture(scope="session")
def stack(tmp_path_factory, coco_server):
    folder = tmp_path_factory.mktemp("stack")
    with LocalStack(folder, NASFLOW_COCO_WEIGHTS_URL=coco_server.url) as running:
        before = dict(os.environ)
        os.environ.update({name: value for name, value in running.environment.items() if name.startswith("NASFLOW_")})
        yield running
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels") / "pets"
    draw_export(folder, 1, train=12, valid=4, test=4, size=96)
    return folder
