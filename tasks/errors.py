"""What can go wrong, as one tree. Every error is raised with one message: what, where, got, remedy.

::

    NasflowError                exit 1
    ├── TransientError          the only branch that is retried
    │   ├── StoreUnavailable    the object store does not answer, or answers 5xx
    │   ├── RoboflowUnavailable Roboflow does not answer, limits the rate, or sends half a zip
    │   ├── ServerUnavailable   the Prefect server does not answer
    │   ├── WorkerLost          a child run crashed, or its lease ran out
    │   └── LeaseHeld           another flow run works on this training run
    ├── BadInput                exit 2: a person has to change something
    │   ├── BadSettings         the environment
    │   ├── BadRequest          a request or an option
    │   ├── BadExport           the labels
    │   ├── BadSpec             what the trainer was given
    │   │   └── BadCheckpoint   what it should go on from
    │   │       └── DamagedCheckpoint   it cannot be read; the one before it may do
    │   └── BadWeights          a weights file
    ├── StoreError              the store answers, and the answer is no
    │   ├── NotInStore          no such key
    │   ├── LostRace            a conditional write found another writer's object
    │   └── CorruptObject       content and SHA-256 disagree
    ├── RoboflowRefused         bad key, no such workspace, project or version
    ├── TrainingFailed          the trainer ended without a model
    │   ├── OutOfMemory         the processor or GPU has too little memory for this spec
    │   ├── NotLearning         the loss stopped being a number
    │   ├── DiskFull            no room for the next checkpoint
    │   └── TrainingStopped     stopped on request, with a checkpoint written
    ├── IncomparableReports     two reports measured on different images
    └── ServerProblem           the Prefect server, a worker or a local server is not there

A message is one positional argument, since Prefect rebuilds exceptions that way.
"""


class NasflowError(Exception):
    """Root of all errors that nasflow raises on purpose."""

    exit_code = 1


class TransientError(NasflowError):
    """Gone when tried again."""


class StoreUnavailable(TransientError):
    """The object store does not answer, or answers with a server error."""


class RoboflowUnavailable(TransientError):
    """Roboflow does not answer, limits the rate, or sent a broken file."""


class ServerUnavailable(TransientError):
    """The Prefect server does not answer."""


class WorkerLost(TransientError):
    """A child run ended without a word: crashed, or its lease ran out."""


class LeaseHeld(TransientError):
    """Another flow run works on this training run, until it ends or its lease runs out."""


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
    """The trainer was given a spec or a dataset folder it cannot use."""


class BadCheckpoint(BadSpec):
    """The files of a run in its folder are damaged or do not belong together."""


class DamagedCheckpoint(BadCheckpoint):
    """A checkpoint cannot be read."""


class BadWeights(BadInput):
    """A weights file is missing, damaged or of another kind."""


class StoreError(NasflowError):
    """The store answers, and the answer is no."""


class NotInStore(StoreError):
    """There is no object under this key."""


class LostRace(StoreError):
    """A conditional write found that another writer was first."""


class CorruptObject(StoreError):
    """An object's content does not have the SHA-256 that was recorded for it."""


class RoboflowRefused(NasflowError):
    """Roboflow answered no: bad key, or no such workspace, project or version."""

    exit_code = 2


class TrainingFailed(NasflowError):
    """The trainer ended without a model."""


class OutOfMemory(TrainingFailed):
    """The device has too little memory for this spec."""


class NotLearning(TrainingFailed):
    """The loss is not a finite number any more."""


class DiskFull(TrainingFailed):
    """There is no room for what a run writes; what it wrote before is whole."""


class TrainingStopped(TrainingFailed):
    """The trainer was asked to stop, and wrote a checkpoint first."""


class IncomparableReports(NasflowError):
    """Two reports were measured on different images."""


class ServerProblem(NasflowError):
    """The Prefect server, a worker or a local server is not there."""
