"""Makes the roots of a rehearsal: control side and worker, with the scripts that images use.

It runs in a mount namespace of its own, so that what it mounts is gone when it ends.
"""

import re
import shutil
import subprocess
import sys

from tests.rehearsal.root import REPOSITORY, call, copy, debootstrap, enter_to_install, in_root
from tests.rehearsal.steps import Steps, part_parser

SOURCES = "/src"
OF_A_MACHINE = ("systemd-sysv", "dbus", "curl")
"""What a bare root lacks of a machine that systemd starts."""


def main():
    """Make the roots that are not there."""
    given = part_parser(__doc__).parse_args()
    steps, base = Steps(given.folder / "steps.jsonl"), given.roots / f"debian-{given.number}"
    with steps.step(f"bare root of Debian {given.number}") as said:
        made = debootstrap(given.number, base, base.with_suffix(".log"))
        said.append("made by debootstrap" if made else "from an earlier rehearsal")
    for role in ("control", "worker"):
        root = given.roots / f"debian-{given.number}-{role}"
        if (root / "opt" / "nasflow" / "installed").exists():
            steps.add("OK", f"{role} is installed already, with --keep", 0, "")
            continue
        with steps.step(f"infra/images/install.sh {role}") as said:
            said.append(install(base, root, role))


def install(base, root, role):
    """Install a role in a new root; what was installed."""
    log = root.with_suffix(".log")
    copy(base, root)
    copy_sources(root / SOURCES[1:])
    environment = enter_to_install(root)
    call(in_root(root, [f"{SOURCES}/infra/images/install.sh", role]), log, env=environment)
    if role == "control":
        docs = (REPOSITORY / "docs" / "deploying.md").read_text()
        words = re.search(r"^apt-get (install .+)$", docs, re.MULTILINE)[1].split()
        command = in_root(root, ["/usr/bin/apt-get", "--quiet", *words, *OF_A_MACHINE])
        call(command, log, env={**environment, "DEBIAN_FRONTEND": "noninteractive"})
    asked = in_root(root, ["/bin/sh", "-c", "python3 --version; /opt/nasflow/bin/nasflow --version"])
    versions = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment)
    (root / "opt" / "nasflow" / "installed").touch()
    return ", ".join(versions.stdout.split("\n")[:2])


def copy_sources(target):
    """The files of the repository that git knows or would add, as in a clone."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, target / name)


if __name__ == "__main__":
    sys.exit(main())
