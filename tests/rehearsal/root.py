"""Bare Debian roots: made by debootstrap, installed in, and entered. All of it needs root and a mount namespace."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
OWN = Path("/")
NOT_FILES = ("dev", "proc", "run", "sys", "work")
SUITES = {"12": "bookworm", "13": "trixie"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
CARRIED_CERTIFICATES = "/run/machine-certificates.pem"


def call(command, log, **more):
    """Run a command; its output goes to a log.

    Raises:
        AssertionError: it failed; with the end of the log.
    """
    with log.open("ab") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, **more)
    assert done.returncode == 0, f"{shlex.join(command)} ended with {done.returncode}\n{tail(log)}"


def tail(log, lines=15):
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def debootstrap(number, folder, log):
    """A bare root of a release of Debian, if the folder does not have it.

    Args:
        number: The release.
        folder: The root.
        log: File for the output.

    Returns:
        Whether it was made.
    """
    if folder.exists():
        return False
    temporary = folder.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    # The mirror is the one that debootstrap takes by itself, or the machine's: DEBOOTSTRAP_MIRROR.
    mirror = [mirror] if (mirror := os.environ.get("DEBOOTSTRAP_MIRROR")) else []
    call(["debootstrap", "--variant=minbase", SUITES[number], str(temporary), *mirror], log)
    temporary.rename(folder)
    return True


def copy(base, folder):
    """A root of its own, as a copy of a bare one."""
    if folder.exists():
        shutil.rmtree(folder)
    subprocess.run(["cp", "--archive", "--reflink=auto", str(base), str(folder)], check=True)
    policy = folder / "usr" / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")  # packages start no servers
    policy.chmod(0o755)


def mount(source, target, *, writable=True):
    """Mount a folder or a file of this machine in another place."""
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    subprocess.run(["mount", "--bind", str(source), str(target)], check=True)
    if not writable:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(target)], check=True)


def mount_root(source, target):
    """Mount a root read-only in another place.

    Args:
        source: The root. Of "/", this machine's own, the folders with programs, settings and users' files are mounted.
        target: Where.
    """
    if source != OWN:
        mount(source, target, writable=False)
        return
    for path in OWN.iterdir():
        if path.is_symlink():
            (target / path.name).symlink_to(path.readlink())
        elif path.is_dir() and path.name not in NOT_FILES:
            mount(path, target / path.name, writable=False)
    for name in ("proc", "sys", "dev/shm", "work"):
        (target / name).mkdir(parents=True)
    for name in ("null", "urandom"):
        mount(f"/dev/{name}", target / "dev" / name)


def mount_system(root):
    """What a running system has: /proc, /sys, and shared memory that everyone may use. Devices are there."""
    subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
    mount("/sys", root / "sys", writable=False)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(root / "dev" / "shm")], check=True)


def package_settings(root):
    """Settings of pip of this machine for a root, as variables; folders that they name are mounted there.

    Certificates go elsewhere, since the root installs its own.
    """
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    variables = {}
    for line in listed.stdout.splitlines():
        name, _, quoted = line.partition("=")
        section, _, option = name.partition(".")
        if section not in ("global", ":env:") or option in ("constraint", "disable-pip-version-check"):
            continue
        value = str(shlex.split(quoted)[0]).replace(CERTIFICATES, CARRIED_CERTIFICATES)
        variables[f"PIP_{option.upper().replace('-', '_')}"] = value
        for word in value.split():
            path = Path(word.removeprefix("file://"))
            if path.is_absolute() and path.is_dir():
                folder = path.parent if word.startswith("file://") else path
                mount(folder, root / folder.relative_to("/"), writable=False)
    if Path(CERTIFICATES).exists():
        mount(CERTIFICATES, root / CARRIED_CERTIFICATES[1:], writable=False)
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    return {**variables, **proxies}


def enter_to_install(root):
    """Mount what installing in a root needs; variables for its commands."""
    mount_system(root)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", root / "etc" / name)
    return {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", **package_settings(root)}


def in_root(root, command, user=""):
    """A command as it is run in a root, with the variables of the caller."""
    return ["/usr/sbin/chroot", *([f"--userspec={user}"] if user else []), str(root), *command]
