"""What ``doctor``, ``worker`` and ``deploy`` print for people."""

from typing import Any

from deployments.terminal.console import say, table

Document = dict[str, Any]


def show_checks(document: Document) -> None:
    """Print what ``doctor`` found."""
    rows = [[check["status"], check["name"], check["message"], check["remedy"]] for check in document["checks"]]
    table(["", "what", "found", "remedy"], rows)


def show_registered(document: Document) -> None:
    """Print what ``deploy`` created, changed and kept."""
    from deployments.remote.register import describe_registered

    changes = document["changes"]
    if created := [change["deployment"] for change in changes if change["created"]]:
        say(f"registered {', '.join(created)}")
    for change in changes:
        for line in describe_registered(change):
            say(line)
    if not any(change["created"] or change["changed"] for change in changes):
        say(f"nothing to change in {', '.join(document['deployments'])}")
    if document["sends_to"]:
        say(f"sends to {document['sends_to']}")
