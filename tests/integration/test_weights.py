"""Loading weights files into real networks: ours, super-gradients' and others that have to be refused."""

import json
import os
import pickle
import shlex
import shutil
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

CLASSES = ("cat", "dog", "bird")
TENSORS = 921
"""Tensors of yolo_nas_s. Six of them have one row per class."""
HEADS = [f"heads.head{number}.cls_pred.{part}" for number in (1, 2, 3) for part in ("bias", "weight")]
LOADER = """
import dataclasses, json, sys, torch
from pathlib import Path
from tasks.training.worker.runtime.process import heavy_imports, quiet_libraries
quiet_libraries(Path(sys.argv[1]))
from tasks.errors import NasflowError
from tasks.records import BestEpoch, TrainingSpec
with heavy_imports():
    from tasks.training.worker.model.network import build_network
    from tasks.training.worker.model.warm_start import load_matching
    from tasks.training.worker.model.weights_writer import write_weights

def write(classes, variant, path):
    spec = TrainingSpec(snapshot_digest="0" * 64, classes=classes, variant=variant, epochs=1, image_size=64,
                        batch_size=2, learning_rate=1e-3, patience=1, seed=0)
    network = build_network(variant, len(classes))
    for parameter in network.state_dict().values():
        if parameter.is_floating_point():
            parameter.normal_()  # the biases of the class heads start equal
    write_weights(Path(path), network.state_dict(), spec, BestEpoch(epoch=1, map=0.5, valid_loss=1))
    return {}

def load(classes, variant, path, before, after):
    network = build_network(variant, len(classes))
    torch.save(network.state_dict(), before)
    try:
        loaded = load_matching(network, Path(path), classes)
    except NasflowError as error:
        return {"kind": type(error).__name__, "message": str(error)}
    finally:
        torch.save(network.state_dict(), after)
    return dataclasses.asdict(loaded) | {"sentence": loaded.sentence()}

for number, line in enumerate(sys.stdin):
    torch.manual_seed(number)
    job = json.loads(line)
    print(json.dumps({"write": write, "load": load}[job.pop("do")](**job)), flush=True)
"""


class Outcome(NamedTuple):
    """What loading reported, and the network's tensors before and after."""

    report: dict
    before: dict[str, Tensor]
    after: dict[str, Tensor]


class Loader:
    """A process that builds networks and loads weights into them, so that the tests' own has no super-gradients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stderr = (folder / "stderr.txt").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOADER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
            env={**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"}, text=True,
        )  # fmt: skip

    def __enter__(self) -> "Loader":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self._stderr.close()

    def ask(self, **job: object) -> dict:
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("{"):  # super-gradients prints as well
                return json.loads(line)
        raise AssertionError((self.folder / "stderr.txt").read_text()[-2000:])

    def write(self, path: Path, classes: Sequence[str] = CLASSES, variant: str = "s") -> Path:
        """Write a file of ours with random weights."""
        self.ask(do="write", classes=list(classes), variant=variant, path=str(path))
        return path

    def load(self, path: Path, classes: Sequence[str] = CLASSES, variant: str = "s") -> Outcome:
        """Load a file into a new network for ``classes``."""
        files = {name: self.folder / f"{name}.pth" for name in ("before", "after")}
        report = self.ask(
            do="load", classes=list(classes), variant=variant, path=str(path),
            **{name: str(file) for name, file in files.items()},
        )  # fmt: skip
        return Outcome(report, *(torch.load(file, weights_only=True) for file in files.values()))


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    folder = tmp_path_factory.mktemp("loader")
    with Loader(folder) as loader:
        yield loader
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _delete_files(tmp_path: Path) -> Iterator[None]:
    """pytest keeps what its last sessions wrote, and these tests write 2 GB."""
    yield
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def our_file(loader: Loader) -> Path:
    """A weights file of ours for CLASSES."""
    return loader.write(loader.folder / "best.safetensors")


@pytest.fixture(scope="module")
def tensors(our_file: Path) -> dict[str, Tensor]:
    """The tensors of that file."""
    return load_file(our_file)


def assert_body_is_of(tensors: dict[str, Tensor], outcome: Outcome) -> None:
    """All tensors except class heads are the file's, and were not before."""
    body = outcome.after.keys() - set(HEADS)
    assert len(body) == TENSORS - len(HEADS)
    assert all(torch.equal(outcome.after[name], tensors[name]) for name in body)
    assert not torch.equal(outcome.before["heads.head1.reg_pred.weight"], tensors["heads.head1.reg_pred.weight"])


def assert_refused(outcome: Outcome, *words: str) -> None:
    """Loading fails with one line, and the network is unchanged."""
    assert outcome.report.get("kind") == "BadWeights", outcome.report
    message = outcome.report["message"]
    assert "\n" not in message
    assert all(word in message for word in words), message
    assert all(torch.equal(outcome.before[name], outcome.after[name]) for name in outcome.before)


# Our files -----------------------------------------------------------------------------------------


def test_with_the_same_classes_every_tensor_is_loaded(
    loader: Loader, our_file: Path, tensors: dict[str, Tensor]
) -> None:
    outcome = loader.load(our_file)
    assert outcome.after.keys() == tensors.keys()
    assert all(torch.equal(outcome.after[name], tensors[name]) for name in tensors)
    assert outcome.report["sentence"] == "921 of 921 tensors kept; class rows: 3 of 3 by name (cat, dog, bird)"
    assert (outcome.report["left_out"], outcome.report["licence"]) == ([], None)


def test_reordered_classes_keep_their_rows(loader: Loader, our_file: Path, tensors: dict[str, Tensor]) -> None:
    outcome = loader.load(our_file, ("bird", "cat", "dog"))
    assert_body_is_of(tensors, outcome)
    for name in HEADS:
        assert torch.equal(outcome.after[name], tensors[name][[2, 0, 1]])
        assert not torch.equal(outcome.after[name], tensors[name])
    assert outcome.report["sentence"] == "921 of 921 tensors kept; class rows: 3 of 3 by name (bird, cat, dog)"


@pytest.mark.parametrize(
    ("classes", "rows", "sentence"),
    [
        pytest.param(
            ("dog", "horse", "cat"), [1, None, 0],
            "915 of 921 tensors kept; class rows: 2 of 3 by name (dog, cat), new: horse, gone: bird", id="replaced",
        ),
        pytest.param(
            ("ant", "bird", "cat", "dog"), [None, 2, 0, 1],
            "915 of 921 tensors kept; class rows: 3 of 4 by name (bird, cat, dog), new: ant", id="added",
        ),
        pytest.param(
            ("bird", "cat"), [2, 0],
            "921 of 921 tensors kept; class rows: 2 of 2 by name (bird, cat), gone: dog", id="removed",
        ),
        pytest.param(
            ("x", "y", "z"), [None, None, None],
            "915 of 921 tensors kept; class rows: 0 of 3 by name, new: x, y, z, gone: cat, dog, bird", id="none kept",
        ),
    ],
)  # fmt: skip
def test_rows_of_changed_classes_go_by_name(
    loader: Loader, our_file: Path, tensors: dict[str, Tensor], classes: tuple, rows: list, sentence: str
) -> None:
    """Classes of the file get its rows, new ones keep their random rows."""
    outcome = loader.load(our_file, classes)
    assert_body_is_of(tensors, outcome)
    for name in HEADS:
        assert len(outcome.after[name]) == len(classes)
        for row, file_row in enumerate(rows):
            expected = outcome.before[name][row] if file_row is None else tensors[name][file_row]
            assert torch.equal(outcome.after[name][row], expected)
    assert outcome.report["sentence"] == sentence
    assert outcome.report["left_out"] == (HEADS if None in rows else [])


def test_of_many_classes_the_rest_is_counted(loader: Loader, our_file: Path) -> None:
    outcome = loader.load(our_file, [f"c{number}" for number in range(80)])
    assert "0 of 80 by name, new: c0, c1, c2, c3, c4, c5 and 74 more, gone: cat" in outcome.report["sentence"]


def test_the_licence_is_read_from_the_metadata(loader: Loader, tensors: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(tensors, path, metadata={"classes": json.dumps(CLASSES), "licence": "CC-BY-4.0"})
    assert loader.load(path).report["licence"] == "CC-BY-4.0"


# Files of super-gradients --------------------------------------------------------------------------


def with_module_prefix(tensors: dict[str, Tensor]) -> OrderedDict[str, Tensor]:
    """Name tensors as DistributedDataParallel does."""
    return OrderedDict((f"module.{name}", value) for name, value in tensors.items())


def test_the_ema_of_super_gradients_is_loaded(loader: Loader, tensors: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "ckpt_best.pth"
    plain = {name: torch.zeros_like(value) for name, value in tensors.items()}
    torch.save({"net": plain, "ema_net": with_module_prefix(tensors), "epoch": 3, "acc": 0.5}, path)
    outcome = loader.load(path, ("one", "two", "three"))
    assert all(torch.equal(outcome.after[name], tensors[name]) for name in tensors)
    assert outcome.report["sentence"] == "921 of 921 tensors kept; class names unknown; heads kept in their order"
    assert outcome.report["licence"] is None


@pytest.mark.parametrize("part", ["net", None])
def test_with_another_number_of_unnamed_classes_heads_stay_random(
    loader: Loader, tensors: dict[str, Tensor], tmp_path: Path, part: str | None
) -> None:
    path = tmp_path / "ckpt_best.pth"
    torch.save({part: tensors} if part else with_module_prefix(tensors), path)
    outcome = loader.load(path, ("cat", "dog"))
    assert_body_is_of(tensors, outcome)
    assert all(torch.equal(outcome.after[name], outcome.before[name]) for name in HEADS)
    assert outcome.report["sentence"] == (
        "915 of 921 tensors kept; class names unknown; heads random, the file has none for as many classes"
    )


def test_a_file_with_numpy_numbers_is_refused_with_a_remedy_that_works(
    loader: Loader, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "ckpt_best.pth"
    torch.save({"net": OrderedDict(tensors), "acc": numpy.float64(0.5)}, path)
    outcome = loader.load(path)
    assert_refused(outcome, "as data alone, it asks for numpy.", "if you trust it", "runs what is in it")
    line = outcome.report["message"].partition("in it): ")[2].rpartition(", and give")[0]
    command = shlex.split(line)
    assert command[:2] == ["python", "-c"]
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, check=True)
    assert loader.load(tmp_path / "ckpt_best.weights.pth").report["matched"] == TENSORS


# Refused -------------------------------------------------------------------------------------------


class Code:
    """An object that creates the file ``trace`` when it is unpickled."""

    def __init__(self, trace: Path, *, blocked: bool) -> None:
        self.trace, self.blocked = trace, blocked

    def __reduce__(self) -> tuple:
        """torch blocks some modules by name; others are only unknown to it."""
        return (os.system, (f"touch {self.trace}",)) if self.blocked else (Path.touch, (self.trace,))


def write_code(kind: str, trace: Path, path: Path) -> None:
    if kind == "plain pickle":
        path.write_bytes(pickle.dumps({"epoch": Code(trace, blocked=True)}, protocol=2))
        return
    content = {"net": {"tensor": torch.zeros(3)}, "acc": Code(trace, blocked=kind == "blocked")}
    torch.save({"best": numpy.float64(0.5), **content} if kind == "after numpy" else content, path)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("blocked", "posix.system"),
        ("unknown", "getattr"),
        ("after numpy", "numpy."),
        ("plain pickle", "posix.system"),
    ],
)
def test_code_in_a_file_is_refused_and_not_run(loader: Loader, tmp_path: Path, kind: str, name: str) -> None:
    path, trace = tmp_path / "ckpt_best.pth", tmp_path / "trace"
    write_code(kind, trace, path)
    outcome = loader.load(path)
    assert_refused(outcome, f"as data alone, it asks for {name}", "give a .safetensors file")
    assert "weights_only" not in outcome.report["message"], "no advice to run it"
    assert not trace.exists()
    # The file's code does run where that is allowed.
    pickle.loads(path.read_bytes()) if kind == "plain pickle" else torch.load(path, weights_only=False)  # noqa: S301
    assert trace.exists()


@pytest.mark.parametrize("size", [0, 100, 1_000_000])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_truncated_file_is_refused(
    loader: Loader, our_file: Path, tensors: dict[str, Tensor], tmp_path: Path, suffix: str, size: int
) -> None:
    path = tmp_path / f"whole{suffix}"
    torch.save({"net": tensors}, path) if suffix == ".pth" else path.write_bytes(our_file.read_bytes())
    with path.open("r+b") as file:
        file.truncate(size)
    assert_refused(loader.load(path), "cannot be read (", "fetch it again")


@pytest.mark.parametrize(("in_file", "of_network"), [("s", "m"), ("m", "s"), ("m", "l"), ("l", "m")])
def test_weights_of_another_variant_are_refused(loader: Loader, tmp_path: Path, in_file: str, of_network: str) -> None:
    """More than half of the tensors of m fit into l, and the other way round."""
    path = loader.write(tmp_path / "best.safetensors", variant=in_file)
    outcome = loader.load(path, variant=of_network)
    assert_refused(outcome, "another network, check the variant", f"the file says {in_file}")


@pytest.mark.parametrize("name", ["heads.head1.reg_pred.bias", "heads.head2.cls_pred.weight"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_weights_that_are_not_finite_are_refused(
    loader: Loader, tensors: dict[str, Tensor], tmp_path: Path, name: str, value: str
) -> None:
    bad = tensors[name].clone()
    bad.view(-1)[0] = float(value)
    save_file({**tensors, name: bad}, tmp_path / "bad.safetensors", metadata={"classes": json.dumps(CLASSES)})
    assert_refused(loader.load(tmp_path / "bad.safetensors", ("cat", "horse")), name, "no finite numbers")


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ('["cat", "dog"]', "names 2 classes, but heads.head1.cls_pred.weight has 3 rows"),
        ('["cat", "dog", "cat"]', "names a class twice"),
        ('{"cat": 0}', "no list of names"),
        ("[", "cannot be read"),
    ],
)
def test_class_names_that_do_not_fit_the_rows_are_refused(
    loader: Loader, tensors: dict[str, Tensor], tmp_path: Path, classes: str, words: str
) -> None:
    save_file(tensors, tmp_path / "bad.safetensors", metadata={"classes": classes})
    assert_refused(loader.load(tmp_path / "bad.safetensors"), words)


def test_a_file_without_a_network_is_refused(loader: Loader, tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    assert_refused(loader.load(tmp_path / "list.pth"), "holds no network but a list")
    torch.save({"net": None}, tmp_path / "none.pth")
    assert_refused(loader.load(tmp_path / "none.pth"), "0 of 921 tensors fit")
