"""Stopping in order: SIGTERM does what Ctrl-C does."""

import signal


def stop_like_ctrl_c() -> None:
    """Have SIGTERM raise KeyboardInterrupt, so that servers and trainers are stopped in order."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
