"""What a terminal shows of a process."""

import os


def read_terminal(master):
    """The text that is written to a pseudo-terminal, until no process has it open any more."""
    written = b""
    while True:
        try:
            data = os.read(master, 4096)
        except OSError:  # how a terminal ends
            return written.decode()
        if not data:
            return written.decode()
        written += data
