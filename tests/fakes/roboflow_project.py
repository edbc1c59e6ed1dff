"""The project of the fake of Roboflow: what its versions record, and which requests for new ones it takes.

A request is taken only as Roboflow documents it. A record differs from it, as recorded answers do: each step has
``enabled``, sizes are texts, and a crop has ``percent`` for ``max``.
"""

import time

from tests.fakes.roboflow_misbehaviour import Misbehaviour

WORKSPACE, PROJECT = "acme", "pets"
NUMBERS = {
    "width", "height", "x_min", "x_max", "y_min", "y_max", "rows", "columns", "pixels", "percent", "min", "max",
    "degrees", "count", "versions",
}  # fmt: skip
FLAGS = {"brighten", "darken", "clockwise", "counter-clockwise", "upside-down"}
TEXTS = {"format", "type"}
SWITCHES = {"auto-orient", "grayscale", "isolate", "mosaic"}
STEPS = {
    "preprocessing": {
        "auto-orient", "contrast", "filter-null", "grayscale", "isolate", "remap", "resize", "static-crop", "tile",
    },
    "augmentation": {
        "bbblur", "bbbrightness", "bbcrop", "bbexposure", "bbflip", "bbnoise", "bbninety", "bbrotate", "bbshear",
        "blur", "brightness", "crop", "cutout", "exposure", "flip", "hue", "image", "mosaic", "ninety", "noise",
        "rgrayscale", "rotate", "saturation", "shear",
    },
}  # fmt: skip


def complaint(settings: object) -> str | None:
    """What is wrong with a request for a version."""
    if not isinstance(settings, dict) or settings.keys() != STEPS.keys():
        return "augmentation and preprocessing are required"
    for kind, steps in settings.items():
        for name, step in steps.items():
            if name not in STEPS[kind] or (step is not True if name in SWITCHES else not _is_right(name, step)):
                return f"{kind} {name} cannot be {step}"
    return None


def _is_right(name: str, step: object) -> bool:
    if not isinstance(step, dict) or not step:
        return False
    if name == "remap":
        return all(isinstance(value, str) for value in step.values())
    if name in ("crop", "bbcrop") and step.keys() != {"min", "max"}:
        return False
    return all(_is_value(name, field, value) for field, value in step.items())


def _is_value(name: str, field: str, value: object) -> bool:
    if field in ("horizontal", "vertical"):
        return isinstance(value, bool) == name.endswith("flip") and isinstance(value, int | float)
    return (
        (field in NUMBERS and isinstance(value, int | float) and not isinstance(value, bool))
        or (field in FLAGS and isinstance(value, bool))
        or (field in TEXTS and isinstance(value, str))
    )


def recorded(steps: dict) -> dict:
    """What a version records of the steps of a request."""
    record = {}
    for name, step in steps.items():
        fields = dict(step) if isinstance(step, dict) else {}
        if name in ("crop", "bbcrop"):
            fields = {"percent": fields["max"], "min": fields["min"]}
        if name == "resize":
            fields |= {side: str(fields[side]) for side in ("width", "height")}
        record[name] = {"enabled": True, **fields}
    return record


class ProjectState:
    """A project with versions 2, 9 and 10, which generates further ones of all its images, labelled or not."""

    def __init__(self, trouble: Misbehaviour) -> None:
        self.trouble = trouble
        self.images, self.unannotated, self.empty = 6, 0, 0
        """All images; those nobody labelled; those labelled as having nothing on them."""
        self.settings: dict[int, dict] = {} if trouble.no_versions else {9: {}, 10: {}, 2: {}}
        self.created = dict.fromkeys(self.settings, None if trouble.age is None else time.time() - trouble.age)
        self.generated: list[int] = []
        self.requested: list[dict] = []
        """Requests for new versions that were taken."""

    def project(self, *, is_fresh: bool) -> dict:
        """The answer about the project; one that is not asked for afresh is a day old."""
        known = [number for number in self.settings if is_fresh or number not in self.generated]
        versions = [{"id": f"{WORKSPACE}/{PROJECT}/{number}"} | self._time(number) for number in known]
        counts = {"id": f"{WORKSPACE}/{PROJECT}", "images": self.images, "unannotated": self.unannotated}
        if self.trouble.nested_versions:
            return {"workspace": {"url": WORKSPACE}, "project": counts | {"versions": versions}}
        return {"workspace": {"url": WORKSPACE}, "project": counts, "versions": versions}

    def health(self) -> dict:
        """Counts of the images, computed now."""
        labelled = self.images - self.unannotated - self.empty
        if self.trouble.health == "documented":
            counts = {"numImages": self.images, "missingAnnotations": self.unannotated, "nullAnnotations": self.empty}
            return {"health": True, "stats": counts}
        counts = {"annotated": labelled, "unannotated": self.unannotated, "empty": self.empty, "images": self.images}
        return {"generated": int(time.time() * 1000), "version": 3, "stats": counts}

    def version(self, number: int) -> tuple[int, dict]:
        """Status and answer about a version."""
        trouble, is_ours = self.trouble, number in self.generated or self.trouble.age == 0
        if is_ours and trouble.not_found > 0:
            trouble.not_found -= 1
            return 404, {"error": "Version not found"}
        generating = trouble.generating_polls > 0
        trouble.generating_polls -= generating
        if not_begun := is_ours and trouble.slow_start > 0:
            trouble.slow_start -= 1
        images = {} if trouble.images is None else {"images": 0 if generating or not_begun else trouble.images}
        version = {"id": f"{WORKSPACE}/{PROJECT}/{number}", "generating": generating} | images | self._time(number)
        if trouble.failed_version:
            version["status"] = "failed"
        version |= {"preprocessing": {}, "augmentation": {}} | self.settings[number]
        return 200, {"version": version | {"progress": trouble.progress if generating else 1, "exports": ["coco"]}}

    def generate(self, settings: object) -> tuple[int, object]:
        """Status and answer to a request for a version."""
        trouble = self.trouble
        if trouble.generate_status != 200:
            return trouble.generate_status, trouble.refusal or {"error": f"no: {settings}"}
        words = complaint(settings)
        if words or not isinstance(settings, dict):
            return 400, {"error": words}
        number = max(self.settings, default=0) + 1
        self.settings[number] = {kind: recorded(steps) for kind, steps in settings.items()}
        self.created[number] = time.time()
        self.generated.append(number)
        self.requested.append(settings)
        if trouble.lost_answers > 0:
            trouble.lost_answers -= 1
            return 502, {"error": "bad gateway"}
        return 200, {"message": "Generating version", "version": str(number) if number % 2 else number}

    def _time(self, number: int) -> dict:
        """When it was created: recorded in seconds, or in milliseconds."""
        created = self.created[number]
        return {} if created is None else {"created": created if number % 2 else created * 1000}
