"""Why a weights file cannot be read, in one line with a remedy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from tasks.errors import BadWeights

GIVE_ANOTHER = "give a .safetensors file, or a torch file of tensors alone"
SAVE_AGAIN = (
    "if you trust it, keep its tensors alone (this runs what is in it): "
    """python -c "import torch; c = torch.load({path!r}, map_location='cpu', weights_only=False); """
    """torch.save(c.get('ema_net') or c['net'], {to!r})", and give that file"""
)
"""The remedy for torch files of super-gradients with numpy's numbers beside the network."""


@contextmanager
def unreadable_refused(path: Path) -> Iterator[None]:
    """Turn whatever reading a weights file raises into one line with a remedy.

    Raises:
        BadWeights: For any error.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001, a damaged file fails in many ways
        raise BadWeights(f"weights {path}: {refusal(path, str(error) or type(error).__name__)}") from None


def refusal(path: Path, message: str) -> str:
    """Say why a file is not read, from a library's message, and what to do.

    torch's own advice is never passed on: it is to run the code in the file.
    """
    if asked := re.search(r"nsupported (?:global: )?GLOBAL (\S+)", message):
        again = SAVE_AGAIN.format(path=str(path), to=f"{path.stem}.weights.pth")
        remedy = again if needs_numpy_alone(path) else GIVE_ANOTHER
        return f"cannot be read as data alone, it asks for {asked[1]}; {remedy}"
    if "TorchScript" in message:
        return f"is a program, of TorchScript; {GIVE_ANOTHER}"
    reason = message.partition("WeightsUnpickler error: ")[2] or message
    return f"cannot be read ({reason.strip().splitlines()[0][:200]}); if it is damaged, fetch it again; {GIVE_ANOTHER}"


def needs_numpy_alone(path: Path) -> bool:
    """Whether numpy is all that a torch file needs besides data; runs no code of the file."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # noqa: BLE001, files of before torch 1.6, and malicious ones
        return False
    return all(name.startswith("numpy.") for name in names)
