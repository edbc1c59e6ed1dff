"""What goes wrong in a round, and when. Each fault is a function of the round that it disturbs."""

import random
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from tasks.storage import keys
from tests.chaos.machinery import STACK, kill, sleep, terminate
from tests.fakes.waiting import wait_for

MOMENTS = ("training", "evaluating")
"""When: once a checkpoint of the run is in the store, or once its detector works."""
STOP_SECONDS = 30
"""So long a process is stopped."""
SLEEP_SECONDS = 150
"""So long a machine sleeps: long enough for its runs to be taken for lost."""
DISK_SECONDS = 20
"""So long the disk is full."""


@dataclass(frozen=True)
class Fault:
    """One kind of round."""

    name: str
    disturb: Callable
    """Takes the round."""
    moment: str = "training"
    cancelled: bool = False
    """Whether the run is to end Cancelled; then the same request is made again."""
    on_small_disk: bool = False
    """Whether it needs the work folder on a disk of its own."""


def _signal(how, process):
    def disturb(this):
        how([wait_for(lambda: this.machinery.find(process, this.run), f"a process of {process}")])

    return disturb


def _stop(process, seconds=STOP_SECONDS):
    def disturb(this):
        sleep([wait_for(lambda: this.machinery.find(process, this.run), f"a process of {process}")], seconds)

    return disturb


def lose_machine(this):
    """Worker, flow run and trainer end at once; the stack starts a new worker."""
    kill(this.machinery.gpu_machine())


def sleep_machine(this):
    """The machine of the gpu pool sleeps, and comes back when its run was taken for lost."""
    sleep(this.machinery.gpu_machine(), SLEEP_SECONDS)


def sleep_laptop(this):
    """Everything on one laptop sleeps, and comes back."""
    sleep(this.machinery.all(), SLEEP_SECONDS)


def tear_upload(this):
    """The flow run that sends a checkpoint is killed while a part of it is under way."""
    wait_for(lambda: this.store.open_uploads(), "an open upload", pause=0.005)
    child = wait_for(lambda: this.machinery.find("child"), "the flow run that uploads", pause=0.005)
    this.disturbed_at = time.time()
    kill([child])


def fill_disk(this):
    """The disk of the work folder is full for a while."""
    ballast = this.stack.folder / "work" / "ballast"
    with ballast.open("wb") as file:
        free = shutil.disk_usage(ballast.parent).free
        while free > 0:
            try:
                file.write(bytes(min(free, 2**24)))
                file.flush()
            except OSError:
                break
            free = shutil.disk_usage(ballast.parent).free
    this.wait(DISK_SECONDS)
    ballast.unlink()


def ask_twice(this):
    """The same request once more, while the first one works."""
    this.ask_again()


def cancel(this):
    """As Prefect's UI does it."""
    this.cancel()


def cancel_after_outage(this):
    """The server is away for a while; then the run is cancelled."""
    sleep([this.machinery.find("server")], 2 * STOP_SECONDS)
    this.cancel()


def cancel_lost(this):
    """The machine is lost, and then the run is cancelled."""
    lose_machine(this)
    this.cancel()


def cancel_without_worker(this):
    """The worker alone is killed, and then the run is cancelled."""
    kill([this.machinery.find("gpu worker")])
    this.cancel()


def outage_at_publication(this):
    """The store is away when the model is to be published."""
    wait_for(lambda: any(key.endswith("/report.json") for key in this.store.list(keys.run(this.run_key))), "a report")
    this.disturbed_at = time.time()
    sleep([this.machinery.find("store")], 2 * STOP_SECONDS)


PROCESSES = (*STACK, "retrain", "child", "trainer")

FAULTS = [
    *(Fault(f"kill -9 of {name}, {moment}", _signal(kill, name), moment) for name in PROCESSES for moment in MOMENTS),
    *(Fault(f"SIGTERM of {name}", _signal(terminate, name)) for name in PROCESSES),
    *(Fault(f"SIGSTOP of {name}, {STOP_SECONDS} s", _stop(name)) for name in PROCESSES),
    *(Fault(f"machine lost, {moment}", lose_machine, moment) for moment in MOMENTS),
    Fault(f"gpu machine sleeps {SLEEP_SECONDS} s", sleep_machine),
    Fault(f"laptop sleeps {SLEEP_SECONDS} s", sleep_laptop),
    Fault("torn upload", tear_upload),
    Fault("torn upload, once more", tear_upload),
    Fault("full disk", fill_disk, on_small_disk=True),
    Fault("asked twice at once", ask_twice),
    Fault("store away at publication", outage_at_publication),
    Fault("cancelled", cancel, cancelled=True),
    Fault("cancelled, evaluating", cancel, "evaluating", cancelled=True),
    Fault("cancelled after an outage of the server", cancel_after_outage, cancelled=True),
    Fault("cancelled when its machine is lost", cancel_lost, cancelled=True),
    Fault("cancelled when its worker is killed", cancel_without_worker, cancelled=True),
]
"""All kinds of rounds."""


def shuffled(seed):
    """All faults in an order that the seed gives, so that no fault always follows the same one."""
    faults = list(FAULTS)
    random.Random(seed).shuffle(faults)
    return faults


def mount_small_disk(folder, megabytes):
    """Give a folder a disk of its own, in memory. Needs the rights of root on Linux.

    Returns:
        Whether it could be done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "nasflow-chaos", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def unmount(folder):
    """Take the disk away again."""
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
