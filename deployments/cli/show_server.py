"""What ``doctor``, ``worker`` and ``deploy`` print for people."""

from typing import Any

from deployments.terminal.console import line, say

Document = dict[str, Any]
STATUS = len("warning")


def show_checks(document: Document) -> None:
    """Print what ``doctor`` found: a line for each check, and below it the remedy."""
    names = max((len(check["name"]) for check in document["checks"]), default=0)
    for check in document["checks"]:
        line(f"{check['status']:<{STATUS}}  {check['name']:<{names}}  {check['message']}")
        if check["remedy"]:
            line(f"{'':<{STATUS}}  {'':<{names}}  remedy: {check['remedy']}")


def show_registered(document: Document) -> None:
    """Print what ``deploy`` created, changed and kept."""
    from deployments.remote.register import describe_registered

    changes = document["changes"]
    if created := [change["deployment"] for change in changes if change["created"]]:
        say(f"registered {', '.join(created)}")
    for change in changes:
        for what in describe_registered(change):
            say(what)
    if not any(change["created"] or change["changed"] for change in changes):
        say(f"nothing to change in {', '.join(document['deployments'])}")
    if document["sends_to"]:
        say(f"sends to {document['sends_to']}")
