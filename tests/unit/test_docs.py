"""Every command in the docs exists, with the options it is shown with."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NASFLOW = str(Path(sys.executable).with_name("nasflow"))


def commands():
    """Shell commands of the README's code blocks and of its inline code, one a line."""
    text = (ROOT / "README.md").read_text()
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    inline = re.findall(r"`((?:nasflow|make) [^`]*)`", text)
    return sorted({line.strip() for line in [*blocks.splitlines(), *inline] if line.strip()})


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("nasflow ")])
def test_a_nasflow_command_exists_with_its_options(command):
    words = command.split()[1:]
    verb = words[:2] if words[0] == "models" else words[:1]
    done = subprocess.run([NASFLOW, *verb, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", done.stdout), f"{command}: no option {option}"


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("make ")])
def test_a_make_target_exists(command):
    done = subprocess.run(["make", "--dry-run", *command.split()[1:]], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_docs_have_commands():
    assert {"make setup", "make demo", "nasflow deploy"} <= set(commands())


def test_every_path_in_the_readme_is_there():
    text = (ROOT / "README.md").read_text()
    named = re.findall(r"`((?:deployments|infra|docs|flows|tasks)/[\w./-]*)`", text)
    linked = re.findall(r"\]\((docs/[^)]*|CHANGELOG.md)\)", text)
    assert linked
    for path in named + linked:
        assert (ROOT / path).exists(), path


def test_every_variable_in_the_readme_is_read():
    from tasks.settings import RoboflowSettings, StoreSettings, WorkSettings

    known = {"PREFECT_API_URL", "ROBOFLOW_API_KEY"}
    for kind in (RoboflowSettings, StoreSettings, WorkSettings):
        known |= {f"{kind.model_config['env_prefix']}{name}".upper() for name in kind.model_fields}
    named = set(re.findall(r"\b(?:NASFLOW|ROBOFLOW|PREFECT)_[A-Z_]+\b", (ROOT / "README.md").read_text()))
    assert named <= known
