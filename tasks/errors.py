"""All errors that nasflow raises on purpose, as one tree. Every message says what, where, got and remedy.

::

    NasflowError                exit 1
    ├── TransientError          the only branch that is waited for or retried
    │   ├── StoreUnavailable    the object store does not answer, or answers 5xx
    │   ├── RoboflowUnavailable Roboflow does not answer, limits the rate, or sends half a zip
    │   ├── ServerUnavailable   the Prefect server does not answer
    │   ├── DiskFull            no room on this machine's disk
    │   ├── WorkerLost          a child flow run or a trainer was killed, or a lease was lost
    │   │   └── ProcessCrashed  a trainer ended itself by a signal
    │   ├── LeaseHeld           another flow run works on this training run
    │   └── WeightsUnavailable  the server of published weights does not answer, or broke off
    ├── StillUnavailable        one of the first four lasted as long as a step waits
    ├── BadInput                exit 2: a person has to change something
    │   ├── BadSettings         the environment
    │   ├── BadRequest          a request or an option
    │   ├── BadExport           the labels
    │   ├── BadSpec             the spec or the dataset folder of a trainer
    │   │   └── BadCheckpoint   the checkpoint that it should go on from
    │   │       └── DamagedCheckpoint   it cannot be read; the previous one may be whole
    │   └── BadWeights          a weights file
    ├── StoreError              the store answers, and the answer is no
    │   ├── NotInStore          no such key
    │   ├── LostRace            a conditional write found another writer's object
    │   └── CorruptObject       content and SHA-256 disagree
    ├── RoboflowRefused         bad key, no such workspace, project or version
    │   └── RoboflowNotFound    it does not exist, or the key may not see it
    ├── TrainingFailed          the trainer ended without a model
    │   ├── OutOfMemory         the machine or its GPU has too little memory for this spec
    │   ├── NotLearning         the loss is no finite number any more
    │   └── TrainingStopped     stopped on request, with a checkpoint written
    ├── AttemptReplaced         a newer attempt of the same flow run has taken this one's place
    ├── IncomparableReports     two reports measured on different images
    └── ServerProblem           the Prefect server, a worker or a local server is missing

A message is one positional argument, since Prefect rebuilds exceptions that way.
"""


class NasflowError(Exception):
    """Root of all errors that nasflow raises on purpose."""

    exit_code = 1


class TransientError(NasflowError):
    """May be gone when tried again."""


class StoreUnavailable(TransientError):
    """The object store does not answer, or answers with a server error."""


class RoboflowUnavailable(TransientError):
    """Roboflow does not answer, limits the rate, or sent a broken file."""


class ServerUnavailable(TransientError):
    """The Prefect server does not answer."""


class DiskFull(TransientError):
    """The disk of this machine is full; what was written before is whole."""


class WorkerLost(TransientError):
    """A child flow run crashed, a trainer was killed, or a lease was lost."""


class ProcessCrashed(WorkerLost):
    """A trainer ended itself by a signal, such as a segmentation fault, and nobody killed it."""

    def __init__(self, message: str, signal_name: str) -> None:
        super().__init__(message)
        self.signal_name = signal_name


class LeaseHeld(TransientError):
    """Another flow run works on this training run."""


class WeightsUnavailable(TransientError):
    """The server of published weights does not answer, or broke off."""


class StillUnavailable(NasflowError):
    """A service did not come back, or the disk stayed full, while a step waited."""


class BadInput(NasflowError):
    """A person has to change something first."""

    exit_code = 2


class BadSettings(BadInput):
    """The environment lacks something or contradicts itself."""


class BadRequest(BadInput):
    """A request or an option makes no sense."""


class BadExport(BadInput):
    """The labels cannot be used as they are."""


class BadSpec(BadInput):
    """The trainer cannot use its spec or its dataset folder."""


class BadCheckpoint(BadSpec):
    """The checkpoint in a run's folder is damaged, or belongs to another run."""


class DamagedCheckpoint(BadCheckpoint):
    """A checkpoint cannot be read."""


class BadWeights(BadInput):
    """A weights file is missing, damaged or of another kind."""


class StoreError(NasflowError):
    """The store answers, and the answer is no."""


class NotInStore(StoreError):
    """There is no object under this key."""


class LostRace(StoreError):
    """A conditional write failed because another writer was first."""


class CorruptObject(StoreError):
    """An object's content does not have the SHA-256 that was recorded for it."""


class RoboflowRefused(NasflowError):
    """Roboflow answered no: bad key, or no such workspace, project or version."""

    exit_code = 2


class RoboflowNotFound(RoboflowRefused):
    """Roboflow knows no such thing, or the key may not see it: it answers both alike."""


class TrainingFailed(NasflowError):
    """The trainer ended without a model."""


class OutOfMemory(TrainingFailed):
    """The machine or its GPU has too little memory for this spec."""


class NotLearning(TrainingFailed):
    """The loss is no finite number any more."""


class TrainingStopped(TrainingFailed):
    """The trainer was asked to stop, and wrote a checkpoint first."""


class AttemptReplaced(NasflowError):
    """A newer attempt of the same flow run has taken this one's place."""


class IncomparableReports(NasflowError):
    """Two reports were measured on different images."""


class ServerProblem(NasflowError):
    """The Prefect server, a worker or a local server is missing."""
