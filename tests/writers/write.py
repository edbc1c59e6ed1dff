"""Write one set of labels with other tools. Runs in an environment of its own, without nasflow.

``python write.py FOLDER``: ``FOLDER/labels.json`` has the images with their boxes, ``FOLDER/images/SPLIT`` the files.
Each export goes into ``FOLDER/exports/TOOL FORMAT``.
"""

import json
import shutil
import sys
from pathlib import Path

import datumaro
import globox
import numpy as np
import supervision
from datumaro.components.media import Image
from label_studio_sdk.converter import Converter

LABELLING_PAGE = """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">{}
</RectangleLabels></View>"""


def main(folder: Path) -> None:
    """Write all exports."""
    content = json.loads((folder / "labels.json").read_text())
    classes, (width, height) = content["classes"], content["size"]
    splits = {split: {name: [tuple(box) for box in boxes] for name, boxes in images.items()}
              for split, images in content["splits"].items()}  # fmt: skip
    images, out = folder / "images", folder / "exports"
    with_datumaro(splits, classes, images, out)
    with_supervision(splits, classes, images, out)
    with_globox(splits, classes, (width, height), images, out)
    with_label_studio(splits, classes, (width, height), images, out)


def with_datumaro(splits, classes, images, out):
    """Datumaro writes all splits at once, and the images."""
    items = [
        datumaro.DatasetItem(
            id=Path(name).stem, subset="val" if split == "valid" else split,
            media=Image.from_file(path=str(images / split / name)),
            annotations=[
                datumaro.Bbox(x1, y1, x2 - x1, y2 - y1, label=classes.index(label), id=number, group=number)
                for number, (label, x1, y1, x2, y2) in enumerate(boxes)
            ],
        )
        for split, of_split in splits.items()
        for name, boxes in of_split.items()
    ]  # fmt: skip
    dataset = datumaro.Dataset.from_iterable(items, categories=classes)
    for kind in ("coco_instances", "voc_detection", "yolo", "yolo_ultralytics", "cvat"):
        dataset.export(str(out / f"datumaro {kind}"), kind, save_media=True)


def with_supervision(splits, classes, images, out):
    """Supervision writes a split at a time, and the images."""
    for split, of_split in splits.items():
        paths = {str(images / split / name): boxes for name, boxes in of_split.items()}
        annotations = {
            path: supervision.Detections(
                xyxy=np.array([box[1:] for box in boxes], float).reshape(-1, 4),
                class_id=np.array([classes.index(box[0]) for box in boxes], int),
            )
            for path, boxes in paths.items()
        }
        dataset = supervision.DetectionDataset(classes=classes, images=list(paths), annotations=annotations)
        coco, yolo, voc = (out / f"supervision {kind}" for kind in ("coco", "yolo", "voc"))
        dataset.as_coco(str(coco / split), str(coco / split / "_annotations.coco.json"))
        dataset.as_yolo(str(yolo / split / "images"), str(yolo / split / "labels"), str(yolo / "data.yaml"))
        dataset.as_pascal_voc(str(voc / split), str(voc / split))


def with_globox(splits, classes, size, images, out):
    """Globox writes the labels of a split; images and the class list of YOLO are the user's."""
    ids = {label: number for number, label in enumerate(classes)}
    for split, of_split in splits.items():
        labels = globox.AnnotationSet(annotations=[
            globox.Annotation(image_id=name, image_size=size, boxes=[
                globox.BoundingBox(label=label, xmin=x1, ymin=y1, xmax=x2, ymax=y2) for label, x1, y1, x2, y2 in boxes
            ])
            for name, boxes in of_split.items()
        ])  # fmt: skip
        folders = {kind: out / f"globox {kind}" / split for kind in ("coco", "yolo", "voc", "cvat")}
        for kind, folder in folders.items():
            shutil.copytree(images / split, folder / "images" if kind == "yolo" else folder)
        labels.save_coco(folders["coco"] / "_annotations.coco.json", auto_ids=True)
        (folders["yolo"] / "labels").mkdir()
        labels.save_yolo_darknet(folders["yolo"] / "labels", label_to_id=ids)
        (folders["yolo"].parent / "data.yaml").write_text(json.dumps({"names": classes}))
        labels.save_pascal_voc(folders["voc"])
        labels.save_cvat(folders["cvat"] / "annotations.xml")


def with_label_studio(splits, classes, size, images, out):
    """Label Studio knows no splits: an export a split, and the images are brought beside."""
    page = LABELLING_PAGE.format("".join(f'<Label value="{label}"/>' for label in classes))
    for split, of_split in splits.items():
        tasks = [_task(number, name, boxes, size) for number, (name, boxes) in enumerate(of_split.items())]
        source = out.parent / f"tasks-{split}.json"
        source.write_text(json.dumps(tasks))
        for kind in ("coco", "yolo", "voc"):
            folder = out / f"label-studio {kind}" / split
            shutil.copytree(images / split, folder / "images")
            converter = Converter(page, str(out.parent), upload_dir=str(images / split), download_resources=False)
            write = getattr(converter, f"convert_to_{kind}")
            write(str(source), str(folder), output_image_dir=str(folder / "images"), is_dir=False)


def _task(number, name, boxes, size):
    width, height = size
    return {
        "id": number, "data": {"image": f"/data/upload/1/{name}"},
        "annotations": [{"id": number, "completed_by": {"id": 1, "email": "ann@example.org"}, "result": [
            {
                "id": f"box{at}", "type": "rectanglelabels", "from_name": "label", "to_name": "image",
                "original_width": width, "original_height": height, "image_rotation": 0,
                "value": {
                    "x": 100 * x1 / width, "y": 100 * y1 / height, "width": 100 * (x2 - x1) / width,
                    "height": 100 * (y2 - y1) / height, "rotation": 0, "rectanglelabels": [label],
                },
            }
            for at, (label, x1, y1, x2, y2) in enumerate(boxes)
        ]}],
    }  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
