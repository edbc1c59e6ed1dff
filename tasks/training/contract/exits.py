"""Exit codes of the trainer: one table, by which the trainer ends and its parent tells why."""

from tasks.errors import (
    BadCheckpoint,
    BadInput,
    BadSpec,
    BadWeights,
    DamagedCheckpoint,
    DiskFull,
    NasflowError,
    NotLearning,
    OutOfMemory,
    TrainingStopped,
)

EXITS: dict[int, tuple[type[NasflowError], ...]] = {
    1: (NasflowError, DiskFull),
    2: (BadSpec, BadWeights, BadCheckpoint, DamagedCheckpoint),
    3: (OutOfMemory,),
    4: (TrainingStopped,),
    5: (NotLearning,),
}
"""The errors that a code stands for. The first one is meant where the trainer could not name another."""


def exit_code(error: NasflowError) -> int:
    """The code that a trainer ends with after an error; an error that the table lacks is bad input, or any other."""
    named = next((code for code, kinds in EXITS.items() if type(error) in kinds), None)
    return named or (2 if isinstance(error, BadInput) else 1)


def error_class(code: int, name: str | None = None) -> type[NasflowError]:
    """The error that a code stands for.

    Args:
        code: Exit code of a trainer.
        name: Name of the error's class, if the trainer could tell it.

    Returns:
        The class with that name among the code's errors, else the code's first one.
    """
    kinds = EXITS.get(code, (NasflowError,))
    return next((kind for kind in kinds if kind.__name__ == name), kinds[0])
