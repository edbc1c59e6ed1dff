"""Weights that others trained and published. Plain data."""

from pydantic import Field

from tasks.records.base import Record, StoredFile

COCO_LICENCE = (
    "YOLO-NAS License of Deci.AI, no commercial or production use, "
    "https://github.com/Deci-AI/super-gradients/blob/master/LICENSE.YOLONAS.md"
)
"""Licence of super-gradients' COCO weights of YOLO-NAS s, m and l."""


class PretrainedWeights(Record):
    """Weights that were fetched into the store; its presence means that they are whole."""

    file: StoredFile = Field(description="The file, as it was published.")
    source: str = Field(description="Address that it was fetched from.")
    licence: str = Field(description="Licence, with its address.")
