"""One local stack and one small export for all tests of a process."""

import os

import pytest

from deployments.demo.cartoons import draw_export
from tests.e2e.stack import LocalStack


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    with LocalStack(tmp_path_factory.mktemp("stack")) as running:
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
