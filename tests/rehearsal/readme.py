"""The two commands of README.md in a bare root, as a user with no rights. The network is that of this machine."""

import re
import subprocess
import sys

from tests.rehearsal.install import copy_sources
from tests.rehearsal.root import REPOSITORY, call, copy, enter_to_install, in_root
from tests.rehearsal.steps import Steps, part_parser

CLONE = "/home/person/nasflow"


def main():
    """Set up, and run the demo."""
    given = part_parser(__doc__).parse_args()
    steps, root = Steps(given.folder / "steps.jsonl"), given.roots / f"debian-{given.number}-readme"
    log = root.with_suffix(".log")
    packages = re.search(r"`apt-get install ([^`]+)`", (REPOSITORY / "README.md").read_text())[1].split()
    with steps.step(f"README: apt-get install {' '.join(packages)}"):
        copy(given.roots / f"debian-{given.number}", root)
        environment = {**enter_to_install(root), "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            call(in_root(root, ["/usr/bin/apt-get", "--quiet", *words]), log, env=environment)
        call(in_root(root, ["/usr/sbin/useradd", "--create-home", "person"]), log, env=environment)
        copy_sources(root / CLONE[1:])
        call(in_root(root, ["/bin/chown", "--recursive", "person:person", CLONE]), log, env=environment)
    environment |= {"HOME": "/home/person", "USER": "person"}
    for target in ("setup", "demo"):
        with steps.step(f"README: make {target}") as said:
            words = ["/bin/sh", "-c", f"cd {CLONE} && make {target}"]
            call(in_root(root, words, "person:person"), log, env=environment)
            said.append(result_of(root, environment, target))


def result_of(root, environment, target):
    """What there is afterwards."""
    if target == "setup":
        shown = subprocess.run(
            in_root(root, [f"{CLONE}/.venv/bin/python", "--version"]), capture_output=True, text=True, check=True,
            env=environment,
        )  # fmt: skip
        return shown.stdout.strip()
    reports = list((root / CLONE[1:] / "nasflow-demo").rglob("*.html"))
    assert reports, "no report"
    return f"{len(reports)} pages"


if __name__ == "__main__":
    sys.exit(main())
