"""The processes of a local stack, by what they do, and what is done to them."""

import signal
import time

import psutil

from tasks.settings import TRAINER

STACK = {
    "server": ["uvicorn", "deployments.local_stack.prefect_app:create_app"],
    "store": ["mini"],
    "default worker": ["worker", "start", "--pool", "default"],
    "gpu worker": ["worker", "start", "--pool", "gpu"],
}
"""Words in the command of each process that the local stack starts by itself."""


class Machinery:
    """Finds the processes of one stack.

    Args:
        stack: The running stack.
    """

    def __init__(self, stack):
        self._stack = stack

    def all(self):
        """Every process of the stack, apart from ``nasflow up`` itself."""
        return psutil.Process(self._stack.process.pid).children(recursive=True)

    def find(self, name, run=None):
        """A process by its name, or None.

        Args:
            name: One of STACK, or "trainer" (also one that detects or exports), "retrain", or "child" (the flow run
                round the trainer).
            run: Flow run id, for "retrain".
        """
        if name in STACK:
            return self._find(lambda command, _: all(word in command for word in STACK[name]))
        trainer = self._find(lambda command, _: TRAINER in command)
        if name == "trainer":
            return trainer
        if name == "child":
            return trainer and trainer.parent()
        return self._find(
            lambda command, environment: (
                "prefect.engine" in command and environment().get("PREFECT__FLOW_RUN_ID") == run
            )
        )

    def gpu_machine(self):
        """Worker, flow run and trainer of the gpu pool: what ends when their machine does."""
        names = ("gpu worker", "child", "trainer")
        return [process for process in map(self.find, names) if process is not None]

    def _find(self, is_it):
        for process in self.all():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and is_it(process.cmdline(), process.environ):
                    return process
            except psutil.Error:
                continue
        return None


def kill(processes):
    """End processes without warning."""
    for process in processes:
        process.kill()


def terminate(processes):
    """Ask processes to end, as a machine that shuts down does."""
    for process in processes:
        process.send_signal(signal.SIGTERM)


def sleep(processes, seconds):
    """Stop processes for a while, as a laptop that sleeps does."""
    stopped = []
    for process in processes:
        try:
            process.suspend()
            stopped.append(process)
        except psutil.NoSuchProcess:
            continue
    try:
        time.sleep(seconds)
    finally:
        for process in stopped:
            try:
                process.resume()
            except psutil.NoSuchProcess:
                continue
