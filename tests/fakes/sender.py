"""``python -m tests.fakes.sender OUT``: sends the images of OUT/images to the project of the fake Roboflow.

Each has a box of class dog, and one below the threshold. The environment has Roboflow's address and the key.
"""

import hashlib
import json
import sys
from pathlib import Path

from deployments.offline.send import open_sending, send_all
from tasks.records import Candidate, Choice, DetectedObject, Suggestion
from tests.fakes.roboflow_project import PROJECT, WORKSPACE

THRESHOLD, BATCH = 0.4, "nasflow-pets #3"
OBJECTS = tuple(DetectedObject(class_name="dog", score=score, bbox=(1, 2, 3, 4)) for score in (0.6, 0.3))


def suggestion_of(path: Path, objects: tuple[DetectedObject, ...], rotated: bool) -> Suggestion:
    candidate = Candidate(
        position=0, image=f"day #1/{path.name}", sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        difference_hash=7, width=8, height=8, rotated=rotated, objects=objects,
    )  # fmt: skip
    return Suggestion(candidate=candidate, score=0, uncertainty=0, unlikeness=0, rarity=0, reasons=("made up",))


def send(out, store=None, upload=f"{WORKSPACE}/{PROJECT}", objects=OBJECTS, rotated=False):
    """Send what was not sent before; gives the document."""
    sending = open_sending(upload, store, out)
    before = {one.sha256 for one in sending.seen}
    paths = sorted((out / "images").iterdir())
    suggestions = [
        one for path in paths if (one := suggestion_of(path, objects, rotated)).candidate.sha256 not in before
    ]
    choice = Choice(suggestions=tuple(suggestions), left_out=())
    files = [Path(one.candidate.image).name for one in suggestions]
    return send_all(sending, choice, THRESHOLD, out / "images", files, BATCH)


if __name__ == "__main__":
    print(json.dumps(send(Path(sys.argv[1]))), flush=True)
