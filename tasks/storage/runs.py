"""Training runs in the store, as others see them. Who works on one: ``leases``; how far it is: ``checkpoints``."""

from tasks.records import RunState, TrainedModel
from tasks.storage import keys
from tasks.storage.documents import find_record
from tasks.storage.s3 import Store


def find_model(store: Store, run_key: str) -> TrainedModel | None:
    """The model of a finished run, or None if the run is not finished.

    Raises:
        CorruptObject: the record is damaged.
    """
    state = find_record(store, keys.run_state(run_key), RunState)
    return state.model if state else None
