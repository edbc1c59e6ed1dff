"""What verbs print: one JSON document for programs, tables and lines for people."""

from collections.abc import Callable
from typing import Any

from deployments.terminal import console
from deployments.terminal.console import say
from deployments.terminal.tables import table
from tasks.records import Int8Speed

Document = dict[str, Any]
MAX_NAMED = 20
"""Unreadable images that are named; the gallery and the document have all."""

EXPLAINED = {"check says": "seen", "why it matters": "why", "what to do": "remedy", "example": "example"}
"""Parts of an explanation."""


def show(document: Document, as_json: bool, show_people: Callable[[Document], None]) -> None:
    """Print what a verb came to.

    Args:
        document: The result, as JSON would have it.
        as_json: Whether a program reads it.
        show_people: Prints it for people.
    """
    if as_json:
        console.document(document)
    else:
        show_people(document)


def show_check(document: Document) -> None:
    """Print what ``check`` found in an export."""
    columns = ("images", "sources", "boxes", "background")
    rows = [
        [split, *(counts[column] for column in columns), *document["listed"][split].values()]
        for split, counts in document["splits"].items()
    ]
    title = f"{document['format']}, classes: {', '.join(document['classes'])}"
    table(["split", *columns, "images listed", "boxes listed"], rows, title)
    for finding in document["findings"]:
        examples = f" ({', '.join(finding['examples'][:3])})" if finding["examples"] else ""
        say(f"{finding['severity']}: {finding['message']}{examples}")
    say(f"ok, snapshot {document['digest'][:12]}" if document["ok"] else "this export cannot be trained on as it is")


def show_explanation(document: Document) -> None:
    """Print what a finding means, or all findings in a line each."""
    if "findings" in document:
        table(["finding", "", "what was seen"], [list(finding.values()) for finding in document["findings"]])
        return
    rows = [[name, document[key]] for name, key in EXPLAINED.items()]
    table(["", f"{document['code']} ({document['severity']}): {document['title']}"], rows)


def show_difference(document: Document) -> None:
    """Print what ``diff`` found."""
    from tasks.records import SnapshotDifference

    fields = {name: value for name, value in document.items() if name not in ("ok", "same")}
    difference = SnapshotDifference.model_validate(fields)
    if difference.is_empty:
        say("the labels are the same" + (", with classes in another order" if difference.classes_reordered else ""))
        return
    for change, names in (("added", difference.classes_added), ("removed", difference.classes_removed)):
        if names:
            say(f"classes {change}: {', '.join(names)}")
    if difference.classes_reordered:
        say("classes stand in another order")
    images = [[name, change.count, ", ".join(change.examples[:2])] for name, change in difference.changes.items()]
    table(["images", "count", "such as"], images)
    boxes = [
        [name, counts.before, counts.after, f"{counts.after - counts.before:+d}"]
        for name, counts in difference.boxes.items()
        if counts.before or counts.after
    ]
    table(["class", "boxes before", "after", "change"], boxes)


def show_training(document: Document) -> None:
    """Print what ``train`` came to."""
    table(["what", "value"], [[name, str(value)] for name, value in document.items()])


def show_scores(document: Document) -> None:
    """Print the scores of ``score``, and first whether nothing was found."""
    columns = ["truths", "ap", "ap50", "precision", "recall", "threshold"]
    rows = [[name, *(scores[column] for column in columns)] for name, scores in document["per_class"].items()]
    table(["class", *columns], rows, document["summary"])
    for note in document["notes"]:
        say(f"note: {note}")
    say(f"report: {document['report']}")


def show_outcome(document: Document) -> None:
    """Print what ``retrain`` or ``demo`` came to, or which run was asked for."""
    if "evaluation" not in document:
        say(f"flow run {document['flow_run']} asked for")
        return
    if document["skipped"]:
        say(document["skipped"])
        say(f"ok, flow run {document['flow_run_state']}: {document['url']}")
        return
    evaluation, model = document["evaluation"], document["model"]
    table(["step", "seconds"], [[name, f"{seconds:.1f}"] for name, seconds in document["steps"].items()])
    if document["reused"]:
        say(f"used again from an earlier run with the same labels and settings: {', '.join(document['reused'])}")
    say(f"{model['project']} version {model['version']}: {document['decision']['reason']}")
    say(f"mAP {evaluation['map']:.3f}, mAP50 {evaluation['map50']:.3f} on the {evaluation['split']} split")
    say(f"report: {document['report']}")
    say(f"model: {model.get('file', model['weights'])}")
    if "detected" in document:
        detected = document["detected"]
        say(f"{detected['detections']} detections on {detected['images']} new images: {detected['out']}/index.html")
    say(f"ok, flow run {document['flow_run_state']}: {document['url']}")
    if "ui" in document:
        say(f"Prefect's UI: {document['ui']}, while `nasflow up` runs with the same --dir")


def show_study(document: Document) -> None:
    """Print what ``study`` came to, or which run was asked for."""
    if "points" not in document:
        say(f"flow run {document['flow_run']} asked for")
        return
    points = [(point, point["map"], point["map"]["ci95"] or (None, None)) for point in document["points"]]
    rows = [[f"{100 * point['share']:.0f} %", point["images"], mean["value"], *ends] for point, mean, ends in points]
    table(["share", "training images", "mAP", "low", "high"], rows)
    for sentence in (document["sentence"], *document["caveats"]):
        say(sentence)
    show_link(document)
    say(f"ok, flow run {document['flow_run_state']}: {document['url']}")


def show_settings_study(document: Document) -> None:
    """Print what ``study`` of several settings came to, or which run was asked for."""
    if "models" not in document:
        say(f"flow run {document['flow_run']} asked for")
        return
    rows = []
    for model in document["models"]:
        settings, mean, behind = model["settings"], model["map"], model["behind"] or {"gain": None}
        named = [settings[name] for name in ("variant", "image_size", "epochs")]
        latency = f"{model['latency_ms']:.1f}" if model["latency_ms"] is not None else None
        rows.append([*named, mean["value"], *(mean["ci95"] or (None, None)), behind["gain"], latency])
    table(["size", "px", "epochs", "mAP", "low", "high", "behind", "ms"], rows)
    for trial in document["left_out"]:
        say(f"trial {trial['number']} {trial['status']}: {trial['why']}")
    for sentence in (document["sentence"], *document["caveats"]):
        say(sentence)
    if document["options"]:
        say(f"retrain with these settings, which uses the model again: nasflow retrain {document['options']}")
    show_page(document)
    say(f"ok, flow run {document['flow_run_state']}: {document['url']}")


def show_comparison(document: Document) -> None:
    """Print what ``models compare`` came to, or which run was asked for."""
    if "gains" not in document:
        say(f"flow run {document['flow_run']} asked for")
        return
    rows = [
        [name, gain["before"], gain["after"], gain["gain"], *gain["ci95"]] for name, gain in document["gains"].items()
    ]
    table(["AP of", f"version {document['baseline']}", f"version {document['version']}", "gain", "low", "high"], rows)
    say(document["sentence"])
    show_link(document)
    say(f"ok, flow run {document['flow_run_state']}: {document['url']}")


def show_replay(document: Document) -> None:
    """Print what ``models replay`` came to, or which run was asked for."""
    if "sentence" not in document:
        say(f"flow run {document['flow_run']} asked for")
        return
    if document["differences"]:
        rows = [[one["name"], one["before"], one["now"]] for one in document["differences"]]
        table(["what differs", "before", "now"], rows)
    say(document["sentence"])
    say(f"ok, flow run {document['flow_run_state']}: {document['url']}")


def show_link(document: Document) -> None:
    """Print a link to a report page, and how long it works."""
    say(f"report: {document['link']}")
    say(f"this link {document['link_validity']}")


def show_page(document: Document) -> None:
    """Print where the page of a project is: a link and how long it works, or a file."""
    if "link" not in document:
        say(f"page: {document['page']}")
        return
    say(f"page: {document['link']}")
    say(f"this link {document['link_validity']}")


def show_models(document: Document) -> None:
    """Print the list of published models."""
    columns = ["project", "version", "alias", "map", "map50", "split", "created_at"]
    rows = [{**model, "created_at": model["created_at"][:16].replace("T", " ")} for model in document["models"]]
    table(columns, [[row[column] for column in columns] for row in rows], optional=["split", "map50"])


def show_model_card(document: Document) -> None:
    """Print one published model."""
    rows = [[name, value] for name, value in document.items() if not isinstance(value, dict | list)]
    scores = document["scores"]
    rows += [[name, scores[name]] for name in ("map", "map50", "map75", "precision", "recall", "threshold")]
    table(["what", "value"], [[name, str(value)] for name, value in rows])
    show_files(document)
    moves = document["alias_history"]
    rows = [[move["at"][:16].replace("T", " "), move["version"], move["by"], move["reason"]] for move in moves]
    table(["champion since", "version", "by", "reason"], rows)


def show_files(document: Document) -> None:
    """Print the files of a published model, how each differs from the trained network, and why one is missing."""
    files: list[list[object]] = [["safetensors", document["weights"]["size"], None, None, None, None]]
    for one in document["formats"]:
        measured = one["agreement"]
        differences = (f"{measured[name]:.1g}" for name in ("map_difference", "box_difference", "score_difference"))
        unmatched = f"{measured['unmatched']} of {measured['detections']}"
        files.append([one["name"], one["file"]["size"], *differences, unmatched])
    table(["format", "bytes", "mAP differs", "boxes, px", "scores", "detections differ"], files)
    for one in document["formats"]:
        if one["speed"]:
            say(f"{one['name']}: {Int8Speed(**one['speed']).in_words}")
    for name, reason in document["formats_refused"].items():
        say(f"{name} is not published: {reason}")


def show_text(document: Document) -> None:
    """Print the text of a document as it is, for a file or a pager."""
    console.text(document["text"])


def show_moved(document: Document) -> None:
    """Print which version is the champion now."""
    before = document["before"]
    was = "it was it already" if before == document["version"] else f"before: {before or 'none'}"
    say(f"{document['project']}: champion is version {document['version']} now ({was})")
    if problem := document["page_problem"]:
        say(f"warning: the project's page is not up to date: {problem}")


def show_pulled(document: Document) -> None:
    """Print where a pulled model is, and how it is loaded."""
    say(f"{document['project']} version {document['version']}: {document['file']}")
    say(f"card: {document['card']}")
    say(f"confidence threshold: {document['threshold']}")
    for line in document["load"]:
        say(f"    {line}")


def show_detections(document: Document) -> None:
    """Print what ``detect`` found, and where the results are."""
    table(["class", "detections"], [[name, count] for name, count in document["per_class"].items()])
    _show_failed(document)
    say(f"{document['detections']} detections on {document['images']} images, threshold {document['threshold']:g}")
    say(f"{document['images_per_second']:.1f} images per second on {document['device']}")
    say(f"gallery: {document['out']}/index.html")


def show_suggestions(document: Document) -> None:
    """Print what ``suggest`` chose, what it sent, and where the results are."""
    if document["left_out"]:
        table(["not suggested", "images"], [[reason, count] for reason, count in document["left_out"].items()])
    _show_failed(document)
    say(f"{document['suggested']} of {document['images']} images to label next")
    if not document["labels_at_hand"]:
        say("the labels that the model was trained on are not at hand: rarity is not measured, nor what is labelled")
    if document["rotated"]:
        say(f"warning: {document['rotated']} of them were turned as their EXIF data ask, and are sent without boxes")
    if sent := document["sent"]:
        where = f"{sent['workspace']}/{sent['project']}, batch {sent['batch']}"
        say(f"{sent['sent']} sent to {where}; {sent['there_already']} were there already")
    say(f"gallery: {document['out']}/index.html")


def show_relabel(document: Document) -> None:
    """Print which labels may be wrong, which images were given back, and where the gallery is."""
    say(f"{document['chosen']} of {document['images']} images with suspected label errors, {document['model']}")
    for count, why in (("returned_before", "were given back before"), ("beyond_the_budget", "are beyond the budget")):
        if document[count]:
            say(f"{document[count]} {why}")
    if returned := document["returned"]:
        where = f"{returned['workspace']}/{returned['project']}"
        say(f"{len(returned['tagged'])} tagged in {where}, {len(returned['sent'])} sent there and tagged")
        for one in returned["not_returned"]:
            say(f"warning: not given back: {one['image']}: {one['why']}")
        say(f"find them in Roboflow by the search tag:{returned['tag']}")
    say(f"gallery: {document['out']}/index.html")


def _show_failed(document: Document) -> None:
    for failed in document["failed"][:MAX_NAMED]:
        say(f"not read: {failed['image']}: {failed['why']}")
    if (more := len(document["failed"]) - MAX_NAMED) > 0:
        say(f"not read: {more} more images, which {document['out']}/index.html names")


def show_cleaned(document: Document) -> None:
    """Print what ``clean`` found or removed."""
    rows = [
        [kind, amount["objects"], _in_bytes(amount["size"]), (amount["oldest"] or "")[:10]]
        for kind, amount in document["kinds"].items()
        if amount["objects"]
    ]
    if rows:
        table(["kind", "objects", "size", "oldest"], rows)
    total, days = document["total"], f"{document['older_than_days']:g} days"
    amount = f"{total['objects']} object{'' if total['objects'] == 1 else 's'}, {_in_bytes(total['size'])}"
    if unfinished := document["unfinished"]["objects"]:
        size = _in_bytes(document["unfinished"]["size"])
        say(f"kept: {unfinished} objects, {size}, of old runs that can still go on")
    if document["left"]:
        say(f"kept: {document['left']} runs that somebody began to use meanwhile")
    if document["removed"]:
        say(f"removed {amount}")
    elif total["objects"]:
        say(f"older than {days} and not needed: {amount}; add --remove to remove it")
    else:
        say(f"nothing is older than {days} and not needed")


def _in_bytes(size: int) -> str:
    """A size in the unit that fits, such as ``1.2 GB``."""
    amount, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.{0 if units[0] == 'B' else 1}f} {units[0]}"
