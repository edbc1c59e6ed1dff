"""Arguments and options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
EXPORT_HELP = "A labelled export, its folder or zip: COCO, YOLO, Darknet, CVAT, VOC or CSV."
Export = Annotated[Path, typer.Argument(help=EXPORT_HELP)]
StackFolder = Annotated[Path, typer.Option("--dir", help="Folder that keeps everything.")]
Project = Annotated[str, typer.Argument(help="Project of the model.")]
Days = Annotated[float, typer.Option(help="How long the link works, at most 7.", min=0.001, max=7)]
VersionOrAlias = Annotated[str, typer.Argument(help="Version number or alias.")]
