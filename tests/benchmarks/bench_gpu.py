"""Training on a GPU: what ``make gpu`` measures after its tests. Without a GPU it says so, and ends.

Run it with ``python -m tests.benchmarks.bench_gpu``. Drawn images as large as the network's input, YOLO-NAS-S from
random weights, the standard augmentation. Each part is a process of its own:

- whole trainers by turns: ours in bf16, super-gradients' ``Trainer`` in fp16, which is its only mixed precision, and
  Ultralytics' yolo11s. All have as many loader processes as ours takes. Training images per second count from the
  start of an epoch to the end of its last step, so the start of loaders counts, and validation does not. The first
  epoch is left out;
- our step on one batch that stays on the GPU, beside a bare step: the same network, loss and optimizer in a plain loop
  with autocast. Each with deterministic kernels, which ours has, and without;
- our step with torch.compile and without;
- our loader alone;
- the micro-batch that is fitted to a batch too large for the GPU, and the memory that a step with it takes;
- what saving a checkpoint and new best weights costs training.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.benchmarks.peers import contestants
from tests.benchmarks.peers.images import write_discs
from tests.benchmarks.peers.jobs import Job

OURS, REFERENCE, ULTRALYTICS = "nasflow", "super-gradients", "ultralytics yolo11s"
TRAINERS: dict[str, contestants.Contestant] = {
    REFERENCE: contestants.SUPER_GRADIENTS,
    OURS: contestants.NASFLOW,
    ULTRALYTICS: contestants.Peer("ultralytics_trainer", "yolo11s"),
}
FIRST_ROUND_ONLY = (ULTRALYTICS,)
PARTS = ("steps", "loader", "fit", "saving", "compiled")
MIN_SPEEDUP, MIN_SHARE = 1.5, 0.9
"""Targets: our whole trainer compared with super-gradients', and compared with the bare step."""
SAVE_SECONDS = 60.0
"""Ours saves once in so many seconds at the ends of epochs."""
MAX_LOADERS = 8

Row = tuple[str, str]


def main() -> None:
    options = parse_options()
    machine = describe_gpu()
    if machine is None and not options.without_gpu:
        print("no GPU here: the benchmark of training on a GPU is left out")
        return
    machine = machine or {"gpu": "no GPU", "device": "cpu"}
    print(f"{machine['gpu']}; {contestants.machine()}")
    print(
        f"{options.images} + {options.valid} images of {options.size} px, batch {options.batch}, {options.epochs} "
        f"epochs, {options.rounds} rounds",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        write_discs(Path(name), options.images, options.valid, options.size)
        job = Job(
            name, name, "yolo_nas_s", options.size, options.batch, options.epochs, 5e-4, device=machine["device"],
            loaders=min(MAX_LOADERS, max(1, (os.cpu_count() or 1) - 1)),
        )  # fmt: skip
        parts = {part: run_part(part, job, options) for part in options.parts}
        trainers = run_trainers(job, options)
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    results = {"machine": machine, "date": date, "parts": parts, "trainers": trainers}
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    print_table([*trainer_rows(trainers), *part_rows(parts)])
    print_targets(trainers, parts)


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"rounds": 2, "epochs": 4, "images": 1024, "valid": 64, "size": 640, "batch": 16, "fit-batch": 1024}
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="only these parts of training")
    parser.add_argument("--trainers", nargs="*", choices=list(TRAINERS), default=list(TRAINERS), help="only these")
    parser.add_argument("--json", type=Path, help="file for all measurements")
    parser.add_argument("--without-gpu", action="store_true", help="measure the CPU, to try the benchmark itself")
    return parser.parse_args()


def describe_gpu() -> dict[str, str] | None:
    """Name the GPU and torch's version, in a process of its own, which gives the GPU's memory back; None without."""
    code = (
        "import torch, json; there = torch.cuda.is_available();"
        "print(json.dumps({'gpu': torch.cuda.get_device_name(), 'torch': torch.__version__, 'device': 'cuda',"
        " 'cudnn': torch.backends.cudnn.version()} if there else None))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    described: dict[str, str] | None = json.loads(done.stdout.splitlines()[-1])
    return described


def run_part(part: str, job: Job, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one part of training; what failed is told by ``error``."""
    job = replace(job, out=f"{job.images}/part-{part}", batch=options.fit_batch if part == "fit" else job.batch)
    job.folder.mkdir()
    try:
        if part == "fit" and job.device != "cuda":
            raise contestants.Failed("only a GPU is tried")
        contestants.measure(job, "tests.benchmarks.peers.gpu_steps", part, job.as_argument())
    except contestants.Failed as error:
        print(f"  {part}: {error}", flush=True)
        return {"error": str(error)}
    result: dict[str, Any] = json.loads((job.folder / f"{part}.json").read_text())
    print(f"  {part}: {result}", flush=True)
    return result


def run_trainers(job: Job, options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Train with all, in turn; a contestant that failed does not run again."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in options.trainers}
    for number in range(1, options.rounds + 1):
        for place, (name, rounds) in enumerate(results.items()):
            if (number > 1 and name in FIRST_ROUND_ONLY) or any("error" in earlier for earlier in rounds):
                continue
            trainer = TRAINERS[name]
            out = f"{job.images}/{number}-{place}"
            try:
                run = trainer.train(replace(job, out=out, network=trainer.network, seed=number))
            except contestants.Failed as error:
                rounds.append({"error": str(error)})
            else:
                rounds.append(measured(Path(out), job, run))
            print(f"  round {number}  {name:20} {rounds[-1]}", flush=True)
    return results


def measured(folder: Path, job: Job, run: contestants.Run) -> dict[str, Any]:
    """Give what a trainer's run measured."""
    report = run.report
    rate = report.get("later_images_per_second") or later_rate(folder / "events.jsonl", job.epochs)
    kept: dict[str, Any] = {key: report[key] for key in ("save_seconds", "epoch_seconds", "device") if key in report}
    return {
        "images_per_second": rate, "seconds": run.seconds, "peak_memory_bytes": report.get("peak_memory_bytes"), **kept,
    }  # fmt: skip


def later_rate(path: Path, epochs: int) -> float:
    """Our training images per second after the first epoch, by the times of our events."""
    began, ended, images = {}, {}, 0.0
    events = [json.loads(line) for line in path.read_text().splitlines()]
    size = next(event["batch_size"] for event in events if event["event"] == "plan")
    for event in events:
        if event["event"] in ("started", "epoch"):
            began[event.get("epoch", 0) + 1] = event["time"]
        elif event["event"] == "step":
            ended[event["epoch"]], images = event["time"], event["steps"] * size
    counted = range(2 if epochs > 1 else 1, epochs + 1)
    return images * len(counted) / sum(ended[epoch] - began[epoch] for epoch in counted)


def median_of(values: Sequence[float] | None) -> float:
    return statistics.median(values) if values else float("nan")


def rate_of(trainers: dict[str, list[dict[str, Any]]], name: str) -> float:
    """Median images per second of a trainer; not a number without a run."""
    return median_of([run["images_per_second"] for run in trainers.get(name, []) if "error" not in run])


def trainer_rows(trainers: dict[str, list[dict[str, Any]]]) -> list[Row]:
    """Rows of the table about whole trainers."""
    rows = []
    for name, rounds in trainers.items():
        if not rounds or "error" in rounds[0]:
            rows.append((f"{name}, whole trainer", f"not available: {rounds[0]['error'] if rounds else 'not run'}"))
            continue
        rate = rate_of(trainers, name)
        memory = max(run["peak_memory_bytes"] or 0 for run in rounds) / 1e9
        text = f"{rate:.0f} images/s, {rate / rate_of(trainers, REFERENCE):.2f} x super-gradients', {memory:.1f} GB"
        if "save_seconds" in rounds[0]:
            text += f", saving {rounds[0]['save_seconds'] / rounds[0]['epoch_seconds']:.1%} of its epochs"
        rows.append((f"{name}, whole trainer", text))
    return rows


def part_rows(parts: dict[str, dict[str, Any]]) -> list[Row]:
    """Rows of the table about parts of training."""
    rows = []
    for part, result in parts.items():
        if "error" in result:
            rows.append((part, f"not available: {result['error']}"))
            continue
        for name, rates in result.get("images_per_second", {}).items():
            rows.append((f"{part}: {name}", f"{median_of(rates):.0f} images/s ({min(rates):.0f} to {max(rates):.0f})"))
        if part == "compiled":
            rows.append(("compiled: first step", f"{result['first_step_seconds']:.0f} s"))
        if part == "fit":
            used, there = result["peak_memory_bytes"] / 1e9, result["memory_bytes"] / 1e9
            text = f"{result['micro_batch']} of {result['batch']} images at a time, {used:.1f} of {there:.1f} GB"
            rows.append(("fit", f"{text}, found in {result['seconds']:.1f} s"))
        if part == "saving":
            wait, lost = median_of(result["wait_seconds"]), median_of(result["lost_seconds"])
            text = f"training waits {wait:.2f} s and loses {lost:.2f} s, {lost / SAVE_SECONDS:.2%} of the time at most"
            rows.append(("saving", text))
    return rows


def print_table(rows: Sequence[Row]) -> None:
    for name, text in rows:
        print(f"{name:36} {text}")


def print_targets(trainers: dict[str, list[dict[str, Any]]], parts: dict[str, dict[str, Any]]) -> None:
    """Print whether the targets are met."""
    ours = rate_of(trainers, OURS)
    bare = median_of(parts.get("steps", {}).get("images_per_second", {}).get("bare"))
    loader = median_of(parts.get("loader", {}).get("images_per_second", {}).get("standard"))
    step = median_of(parts.get("steps", {}).get("images_per_second", {}).get("ours"))
    print_target(f"whole trainer at least {MIN_SPEEDUP} x super-gradients'", ours / rate_of(trainers, REFERENCE),
                 MIN_SPEEDUP)  # fmt: skip
    print_target(f"whole trainer at least {MIN_SHARE} of the bare step", ours / bare, MIN_SHARE)
    print_target("the loader gives more than a step takes", loader / step, 1.0)


def print_target(what: str, ratio: float, target: float) -> None:
    verdict = "not measured" if ratio != ratio else "met" if ratio >= target else "MISSED"
    print(f"target: {what}: {ratio:.2f}, {verdict}")


if __name__ == "__main__":
    main()
