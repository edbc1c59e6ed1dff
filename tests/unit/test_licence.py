"""The licence that an export states."""

import pytest

from tasks.labeling.licence import find_licence

README = (
    "# pets > 2026-11-01\nhttps://universe.roboflow.test/a/pets\n\nProvided by a Roboflow user\nLicense: CC BY 4.0\n"
)
DATA = "names: [cat, dog]\nroboflow:\n  workspace: acme\n  license: Public Domain\n"


@pytest.mark.parametrize(
    ("files", "licence"),
    [
        ({}, None),
        ({"README.dataset.txt": README}, "CC BY 4.0"),
        ({"README.dataset.txt": README.replace("\n", "\r\n")}, "CC BY 4.0"),
        ({"data.yaml": DATA}, "Public Domain"),
        ({"README.dataset.txt": README, "data.yaml": DATA}, "CC BY 4.0"),
        ({"README.dataset.txt": "Provided by a Roboflow user\nLicense: \n", "data.yaml": DATA}, "Public Domain"),
        ({"data.yaml": "license: null\nnames: [cat]\n"}, None),
        ({"data.yaml": "license: 'CC BY-NC-SA 4.0'\n"}, "CC BY-NC-SA 4.0"),
        ({"README.dataset.txt": "No licence: that is the question, licensed or not\n"}, None),
        ({"README.dataset.txt": "Licence: " + "x" * 500}, "x" * 200),
    ],
)
def test_it_is_what_the_readme_or_else_data_yaml_states(tmp_path, files, licence):
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode())
    assert find_licence(tmp_path) == licence


def test_a_readme_that_is_no_text_states_none(tmp_path):
    (tmp_path / "README.dataset.txt").write_bytes(b"\xff\xfe\x00License")
    assert find_licence(tmp_path) is None
