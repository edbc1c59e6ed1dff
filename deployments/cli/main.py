"""The ``nasflow`` command: verbs, options, and how errors end. The work is in the modules beside it.

Exit codes: 0 done, 1 failed, 2 bad input, 130 stopped on request. An error is one line; ``nasflow --debug VERB`` adds
the traceback.
"""

import re
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import typer

from tasks.errors import BadRequest, NasflowError, TrainingStopped

app = typer.Typer(
    help="Labels in, a judged and published YOLO-NAS detector out.",
    no_args_is_help=True,
    add_completion=False,
    suggest_commands=False,  # click does
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
models = typer.Typer(help="The registry of published models.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(models, name="models")

STOPPED = 130
"""As shells tell the end by SIGINT."""

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Export = Annotated[Path, typer.Argument(help="A labelled export, its folder or zip: COCO, YOLO, VOC or CSV.")]
ClassMap = Annotated[
    list[str] | None,
    typer.Option(
        "--class-map", metavar="OLD=NEW",
        help="Another name for a class; equal names merge, an empty one drops; '#2=cat' names id 2. May be repeated.",
    ),
]  # fmt: skip
OnUnreadableImage = Annotated[
    Literal["fail", "skip"], typer.Option(help="What to do with images that are missing or cannot be decoded.")
]
MaxUnreadableImages = Annotated[
    float, typer.Option(min=0, max=1, help="Share of those that may be skipped, a fraction.")
]
Variant = Annotated[Literal["s", "m", "l"], typer.Option(help="YOLO-NAS size.")]
Epochs = Annotated[int, typer.Option(help="Most passes over the training images.")]
ImageSize = Annotated[int, typer.Option(help="Side of the square network input in pixels, a multiple of 32.")]
BatchSize = Annotated[str, typer.Option(help="Images per optimiser step; auto goes by how many there are.")]
LearningRate = Annotated[str, typer.Option(help="Peak learning rate of AdamW; auto goes by the starting weights.")]
Patience = Annotated[
    str, typer.Option(help="Stop after this many epochs without a better mAP; auto goes by how many there are at most.")
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Augment = Annotated[
    Literal["none", "light", "standard", "strong"], typer.Option(help="Random changes of training images.")
]
Devices = Annotated[int | None, typer.Option(min=1, help="GPUs that share each batch; default: NASFLOW_DEVICES, or 1.")]
Precision = Annotated[
    Literal["bf16", "fp16", "fp32"] | None, typer.Option(help="Number format; default: what the device does fastest.")
]
CheckpointMinutes = Annotated[
    float | None,
    typer.Option(
        "--checkpoint-every-minutes", help="Longest time between checkpoints; default: 10. Short epochs: one a minute."
    ),
]
Compile = Annotated[
    bool | None, typer.Option(help="torch.compile the network, which takes minutes at the start; try whether it pays.")
]
ThresholdFor = Annotated[
    Literal["balance", "precision", "recall"],
    typer.Option(help="What the confidence threshold is chosen for: F1, F0.5 (few false boxes), F2 (few missed)."),
]
Weights = Annotated[str, typer.Option(help="Weights to start from: a file, or none.")]
Licence = Annotated[str | None, typer.Option(help="Licence of those weights; it stays with the model.")]
Project = Annotated[str | None, typer.Option(help="Line of models; with --workspace, the Roboflow project.")]
Workspace = Annotated[str | None, typer.Option(help="Roboflow workspace.")]
RoboflowVersion = Annotated[int | None, typer.Option(help="Roboflow version; left out, the latest.")]
GenerateAfter = Annotated[
    int | None, typer.Option(help="Generate a version first if so many images were labelled since the last.")
]
SentExport = Annotated[Path | None, typer.Option(help="Instead of Roboflow: an export on this machine.")]
StartFrom = Annotated[str, typer.Option(help="none, champion, a file on the worker, or store://KEY.")]
WeightsSha256 = Annotated[str | None, typer.Option(help="SHA-256 of that file.")]
Wait = Annotated[bool, typer.Option(help="Follow the run to its end.")]


@app.callback()
def _options(context: typer.Context, debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False) -> None:
    context.obj = {"debug": debug}


@app.command()
def demo(
    directory: Annotated[Path, typer.Option("--dir", help="Folder that keeps everything.")] = Path("nasflow-demo"),
    seed: Seed = 0,
    keep: Annotated[bool, typer.Option(help="Leave the stack running until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Run the whole chain on drawn images: servers, labels, training, report, promotion."""
    from deployments.demo.demo import demo as run

    _stop_like_ctrl_c()
    document = run(directory, seed, keep=keep)
    _show(document, as_json, _show_outcome)


@app.command()
def up(
    directory: Annotated[Path, typer.Option("--dir", help="Folder that keeps everything.")] = Path("nasflow-local"),
    as_json: Json = False,
) -> None:
    """Run the local stack in the foreground: Prefect, an object store, a worker for each pool."""
    from deployments.demo.demo import up as run

    _stop_like_ctrl_c()
    run(directory, as_json=as_json)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Tell what is wrong with this machine, the store and the server, with a remedy each."""
    from deployments.doctor import doctor as run
    from deployments.terminal.console import table

    document = run()
    rows = [[check["status"], check["name"], check["message"], check["remedy"]] for check in document["checks"]]
    _show(document, as_json, lambda _: table(["", "what", "found", "remedy"], rows))
    raise typer.Exit(0 if document["ok"] else 1)


@app.command()
def check(
    export: Export,
    class_map: ClassMap = None,
    on_unreadable_image: OnUnreadableImage = "fail",
    max_unreadable_images: MaxUnreadableImages = 0.1,
    report: Annotated[Path | None, typer.Option(help="Write a page to look at, with images: page.html.")] = None,
    as_json: Json = False,
) -> None:
    """Read a labelled export, and tell what it is and what is wrong with it."""
    from deployments.offline.local import check as run

    document = run(export, _rules(class_map, on_unreadable_image, max_unreadable_images), report)
    _show(document, as_json, _show_check)
    raise typer.Exit(0 if document["ok"] else 2)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="An export, PROJECT/VERSION of a model, or a snapshot's digest.")],
    after: Annotated[str, typer.Argument(help="The same, to compare with it.")],
    class_map: ClassMap = None,
    on_unreadable_image: OnUnreadableImage = "fail",
    max_unreadable_images: MaxUnreadableImages = 0.1,
    as_json: Json = False,
) -> None:
    """Tell what changed from one state of the labels to another."""
    from deployments.offline.diff import diff as run
    from deployments.offline.diff import show

    document = run(before, after, _rules(class_map, on_unreadable_image, max_unreadable_images))
    _show(document, as_json, show)


@app.command()
def train(
    export: Export,
    out: Annotated[Path, typer.Option(help="Folder for what the run writes; the same again resumes.")],
    class_map: ClassMap = None,
    on_unreadable_image: OnUnreadableImage = "fail",
    max_unreadable_images: MaxUnreadableImages = 0.1,
    variant: Variant = "s",
    epochs: Epochs = 100,
    image_size: ImageSize = 640,
    batch_size: BatchSize = "auto",
    learning_rate: LearningRate = "auto",
    patience: Patience = "auto",
    augmentation: Augment = "standard",
    seed: Seed = 0,
    weights: Weights = "none",
    weights_licence: Licence = None,
    devices: Devices = None,
    precision: Precision = None,
    checkpoint_minutes: CheckpointMinutes = None,
    compile: Compile = None,  # noqa: A002, the option's name
    as_json: Json = False,
) -> None:
    """Train without Prefect or a store. The same command again goes on where it was."""
    from deployments.offline.local import train as run

    _stop_like_ctrl_c()
    request = _request(
        project="local", export=str(export), class_map=_class_map(class_map), on_unreadable_image=on_unreadable_image,
        max_unreadable_images=max_unreadable_images,
        variant=variant, epochs=epochs, image_size=image_size,
        batch_size=batch_size, learning_rate=learning_rate, patience=patience, augmentation=augmentation, seed=seed,
        weights=weights, weights_licence=weights_licence,
    )  # fmt: skip
    settings = _work_settings(
        devices=devices, precision=precision, checkpoint_every_minutes=checkpoint_minutes, compile=compile
    )
    _show(run(export, out, request, settings), as_json, _show_training)


@app.command()
def score(
    truth: Annotated[Path, typer.Option(help="COCO JSON with the labels.")],
    detections: Annotated[Path, typer.Option(help="COCO results JSON.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html, report.json and suspected_errors.csv.")],
    threshold_for: ThresholdFor = "balance",
    as_json: Json = False,
) -> None:
    """Score detections in COCO format, from anywhere, and write the report page."""
    from deployments.offline.local import score as run

    _show(run(truth, detections, out, threshold_for), as_json, _show_scores)


@app.command()
def retrain(
    project: Project = None,
    workspace: Workspace = None,
    version: RoboflowVersion = None,
    generate_after: GenerateAfter = None,
    export: SentExport = None,
    class_map: ClassMap = None,
    on_unreadable_image: OnUnreadableImage = "fail",
    max_unreadable_images: MaxUnreadableImages = 0.1,
    variant: Variant = "s",
    epochs: Epochs = 100,
    image_size: ImageSize = 640,
    batch_size: BatchSize = "auto",
    learning_rate: LearningRate = "auto",
    patience: Patience = "auto",
    augmentation: Augment = "standard",
    seed: Seed = 0,
    weights: StartFrom = "none",
    weights_sha256: WeightsSha256 = None,
    weights_licence: Licence = None,
    threshold_for: ThresholdFor = "balance",
    min_gain: Annotated[float, typer.Option(help="Rise of mAP that the whole interval has to lie above.")] = 0.0,
    confidence_level: Annotated[float, typer.Option(help="Confidence level of that interval, a fraction.")] = 0.95,
    min_images: Annotated[int, typer.Option(help="Source images that a comparison needs.")] = 8,
    min_ap: Annotated[
        list[str] | None, typer.Option(metavar="CLASS=AP", help="AP that a class must reach. May be repeated.")
    ] = None,
    max_latency_ms: Annotated[float | None, typer.Option(help="Longest time of one image, milliseconds.")] = None,
    max_file_mb: Annotated[float | None, typer.Option(help="Largest weights file, megabytes.")] = None,
    promote_anyway: Annotated[str | None, typer.Option(help="Promote whatever the gate says; say why.")] = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Ask the retrain deployment for a run, and follow it."""
    from deployments.remote import requests

    request = _request(
        project=_project("retrain", project, workspace, export), workspace=workspace, version=version,
        generate_after=generate_after,
        class_map=_class_map(class_map), on_unreadable_image=on_unreadable_image,
        max_unreadable_images=max_unreadable_images, variant=variant, epochs=epochs,
        image_size=image_size, batch_size=batch_size, learning_rate=learning_rate,
        patience=patience, augmentation=augmentation, seed=seed, weights=weights, weights_sha256=weights_sha256,
        weights_licence=weights_licence, threshold_for=threshold_for, promote_anyway=promote_anyway,
        gate={
            "min_gain": min_gain, "confidence_level": confidence_level, "min_images": min_images,
            "min_ap": _min_ap(min_ap), "max_latency_ms": max_latency_ms, "max_file_mb": max_file_mb,
        },
    )  # fmt: skip
    _show(requests.retrain(request, export, wait=wait), as_json, _show_outcome)


@app.command()
def study(
    project: Project = None,
    workspace: Workspace = None,
    version: RoboflowVersion = None,
    generate_after: GenerateAfter = None,
    export: SentExport = None,
    class_map: ClassMap = None,
    on_unreadable_image: OnUnreadableImage = "fail",
    max_unreadable_images: MaxUnreadableImages = 0.1,
    variant: Variant = "s",
    epochs: Epochs = 100,
    image_size: ImageSize = 640,
    batch_size: BatchSize = "auto",
    learning_rate: LearningRate = "auto",
    patience: Patience = "auto",
    augmentation: Augment = "standard",
    seed: Seed = 0,
    weights: StartFrom = "none",
    weights_sha256: WeightsSha256 = None,
    weights_licence: Licence = None,
    threshold_for: ThresholdFor = "balance",
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Train on parts of the labels, and tell whether more of them would help; publishes nothing."""
    from deployments.remote import requests

    request = _request(
        project=_project("study", project, workspace, export), workspace=workspace, version=version,
        generate_after=generate_after, class_map=_class_map(class_map), on_unreadable_image=on_unreadable_image,
        max_unreadable_images=max_unreadable_images, variant=variant, epochs=epochs,
        image_size=image_size, batch_size=batch_size, learning_rate=learning_rate,
        patience=patience, augmentation=augmentation, seed=seed, weights=weights, weights_sha256=weights_sha256,
        weights_licence=weights_licence, threshold_for=threshold_for,
    )  # fmt: skip
    _show(requests.study(request, export, wait=wait), as_json, _show_study)


@app.command()
def deploy(as_json: Json = False) -> None:
    """Register work pools and deployments on the server that PREFECT_API_URL names."""
    from deployments.remote.register import register
    from deployments.terminal.console import say

    names = register()
    _show({"ok": True, "deployments": names}, as_json, lambda _: say(f"registered {', '.join(names)}"))


@app.command()
def report(
    project: Annotated[str, typer.Argument(help="Line of models.")],
    which: Annotated[str, typer.Argument(help="Version number or alias.")] = "champion",
    days: Annotated[float, typer.Option(help="How long the link works, at most 7.", min=0.001, max=7)] = 7,
    out: Annotated[Path | None, typer.Option(help="Folder to copy the page to as report.html.")] = None,
    as_json: Json = False,
) -> None:
    """Give a new link to the report page of a published model, or a copy of the page."""
    from deployments.remote.requests import find_report
    from deployments.terminal.console import say
    from tasks.storage.s3 import Store

    document = find_report(Store.from_environment(), project, which, days, out)
    _show(document, as_json, lambda _: say(document["link"] if out is None else f"report: {document['report']}"))


@models.command("list")
def models_list(
    project: Annotated[str | None, typer.Option(help="One line of models only.")] = None, as_json: Json = False
) -> None:
    """List the published models."""
    from deployments.remote.requests import list_models
    from deployments.terminal.console import table
    from tasks.storage.s3 import Store

    lines = list_models(Store.from_environment(), project)
    names = ["project", "version", "alias", "map", "map50", "split", "created_at"]
    rows = [[line[name] for name in names] for line in lines]
    _show({"ok": True, "models": lines}, as_json, lambda _: table(names, rows))


@models.command("show")
def models_show(
    project: Annotated[str, typer.Argument(help="Line of models.")],
    which: Annotated[str, typer.Argument(help="Version number or alias.")] = "champion",
    as_json: Json = False,
) -> None:
    """Show one published model: its scores, what it was trained on, and where its files are."""
    from deployments.remote.requests import show_model
    from deployments.terminal.console import table
    from tasks.storage.s3 import Store

    card = show_model(Store.from_environment(), project, which)
    rows = [[name, value] for name, value in card.items() if not isinstance(value, dict | list)]
    rows += [[name, card["scores"][name]] for name in ("map", "map50", "map75", "precision", "recall", "threshold")]
    _show(card, as_json, lambda _: table(["what", "value"], [[name, str(value)] for name, value in rows]))


# Showing -----------------------------------------------------------------------------------------


def _show(document: dict[str, Any], as_json: bool, show: Any) -> None:
    from deployments.terminal import console

    if as_json:
        console.document(document)
    else:
        show(document)


def _show_check(document: dict[str, Any]) -> None:
    from deployments.terminal.console import say, table

    rows = [[split, *counts.values()] for split, counts in document["splits"].items()]
    title = f"{document['format']}, classes: {', '.join(document['classes'])}"
    table(["split", "images", "boxes", "background"], rows, title)
    for finding in document["findings"]:
        examples = f" ({', '.join(finding['examples'][:3])})" if finding["examples"] else ""
        say(f"{finding['severity']}: {finding['message']}{examples}")
    say(f"ok, snapshot {document['digest'][:12]}" if document["ok"] else "this export cannot be trained on as it is")


def _show_training(document: dict[str, Any]) -> None:
    from deployments.terminal.console import table

    table(["what", "value"], [[name, str(value)] for name, value in document.items()])


def _show_scores(document: dict[str, Any]) -> None:
    from deployments.terminal.console import say, table

    columns = ["truths", "ap", "ap50", "precision", "recall", "threshold"]
    rows = [[name, *(values[column] for column in columns)] for name, values in document["per_class"].items()]
    title = f"mAP {document['map']:.3f}, mAP50 {document['map50']:.3f}, mAP75 {document['map75']:.3f}"
    table(["class", *columns], rows, title)
    say(f"report: {document['report']}")


def _show_outcome(document: dict[str, Any]) -> None:
    from deployments.terminal.console import say, table

    if "evaluation" not in document:
        say(f"flow run {document['flow_run']} asked for")
        return
    evaluation, model = document["evaluation"], document["model"]
    rows = [[name, f"{seconds:.1f}"] for name, seconds in document["steps"].items()]
    table(["step", "seconds"], rows)
    if document["reused"]:
        say(f"used again from an earlier run with the same labels and settings: {', '.join(document['reused'])}")
    say(f"{model['project']} version {model['version']}: {document['decision']['reason']}")
    say(f"mAP {evaluation['map']:.3f}, mAP50 {evaluation['map50']:.3f} on the {evaluation['split']} split")
    say(f"report: {document['report']}")
    say(f"model: {model.get('file', model['weights'])}")
    say(f"ok, flow run {document['flow_run_state']}: {document['url']}")
    if "ui" in document:
        say(f"Prefect's UI: {document['ui']}, while `nasflow up` runs with the same --dir")


def _show_study(document: dict[str, Any]) -> None:
    from deployments.terminal.console import say, table

    if "points" not in document:
        say(f"flow run {document['flow_run']} asked for")
        return
    points = [(point, point["map"], point["map"]["ci95"] or (None, None)) for point in document["points"]]
    rows = [[f"{100 * point['share']:.0f} %", point["images"], mean["value"], *ends] for point, mean, ends in points]
    table(["share", "training images", "mAP", "low", "high"], rows)
    for text in (document["sentence"], *document["caveats"]):
        say(text)
    say(f"report: {document['link']}")
    say(f"ok, flow run {document['flow_run_state']}: {document['url']}")


# Input and errors --------------------------------------------------------------------------------


def _project(verb: str, project: str | None, workspace: str | None, export: Path | None) -> str:
    """The line of models that labels from Roboflow or from an export belong to."""
    from deployments.remote.requests import project_from

    if (workspace is None) == (export is None):
        raise BadRequest(f"{verb}: give either --workspace with --project, or --export")
    if export is None and project is None:
        raise BadRequest(f"{verb}: --workspace needs --project, the Roboflow project")
    return project or project_from(export or Path())


def _request(**values: Any) -> Any:
    """A RetrainRequest from options; what does not fit is one line that names the option."""
    from pydantic import ValidationError

    from tasks.records import RetrainRequest

    try:
        return RetrainRequest(**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = [part for part in first["loc"] if part != "gate"]
        option = "--" + str(place[0]).replace("_", "-")
        raise BadRequest(f"{option}: {first['msg']}, got {first['input']}") from None


def _rules(
    class_map: list[str] | None, on_unreadable_image: Literal["fail", "skip"], max_unreadable_images: float
) -> Any:
    """How labels are read."""
    from tasks.records import LabelRules

    return LabelRules(
        class_map=_class_map(class_map),
        on_unreadable_image=on_unreadable_image,
        max_unreadable_images=max_unreadable_images,
    )


def _class_map(pairs: list[str] | None) -> dict[str, str]:
    """The class map of options such as ``Cat=cat``."""
    wrong = [pair for pair in pairs or [] if not pair.partition("=")[0] or "=" not in pair]
    if wrong:
        raise BadRequest(f"--class-map {wrong[0]!r}: no OLD=NEW; write the old name, =, and the new one or nothing")
    return {old: new for old, _, new in (pair.partition("=") for pair in pairs or [])}


def _min_ap(pairs: list[str] | None) -> dict[str, str]:
    """Floors of classes from options such as ``cat=0.5``."""
    wrong = [pair for pair in pairs or [] if not re.fullmatch(r".+=\d*\.?\d+", pair)]
    if wrong:
        raise BadRequest(f"--min-ap {wrong[0]!r}: no CLASS=AP; write the class, =, and a fraction such as 0.5")
    return {name: value for name, _, value in (pair.rpartition("=") for pair in pairs or [])}


def _work_settings(**options: Any) -> Any:
    """This machine's settings from the environment, with the options that were given in their place."""
    from pydantic import ValidationError

    from tasks.settings import WorkSettings, from_environment

    given = {name: value for name, value in options.items() if value is not None}
    try:
        return WorkSettings.model_validate({**from_environment(WorkSettings).model_dump(), **given})
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise BadRequest(f"{option}: {first['msg']}, got {first['input']}") from None


def _stop_like_ctrl_c() -> None:
    """Let SIGTERM stop servers in order, as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def main() -> None:
    """Run the command, and end with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command, and give its exit code."""
    from deployments.terminal import console

    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="nasflow", standalone_mode=False)
    except TrainingStopped as error:
        return _failed(str(error), STOPPED, arguments)
    except NasflowError as error:
        return _failed(str(error), error.exit_code, arguments)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        console.say(error.format_message())
        return 2
    except click.ClickException as error:
        return _failed(error.format_message(), 2, arguments)
    except (KeyboardInterrupt, click.Abort):
        code = STOPPED
    except Exception as error:  # noqa: BLE001, a fault of ours is one line too, until somebody asks for more
        first = (str(error).splitlines() or [""])[0]
        return _failed(f"{type(error).__name__}: {first}; `nasflow --debug` tells where", 1, arguments)
    if code == STOPPED:  # which typer makes of Ctrl-C
        return _failed("stopped", STOPPED, arguments)
    return code if isinstance(code, int) else 0


def _failed(message: str, code: int, arguments: list[str]) -> int:
    """One line on stderr, and for programs a document; with --debug the traceback before it."""
    from deployments.terminal import console

    if "--debug" in arguments:
        console.err.print_exception()
    line = " ".join(message.split())
    if "--json" in arguments:
        console.document({"ok": False, "error": line})
    console.say(f"error: {line}")
    return code
