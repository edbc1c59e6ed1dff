"""The comparison of two versions as people and programs read it."""

import pytest
from markdown_it import MarkdownIt

from tasks.evaluation.comparison_summary import comparison_markdown, comparison_row
from tasks.records import Comparison, Gain, ModelVersion

NAME = "<b>cat</b> | *dog*"


def comparison(low, high, left_out=0):
    gain = Gain(before=0.5, after=0.5 + (low + high) / 2, gain=(low + high) / 2, ci95=(low, high))
    return Comparison(
        champion_version=3, sources=20, left_out=left_out, confidence_level=0.95, bounds=(low, high), map=gain,
        map50=gain, per_class={NAME: gain},
    )  # fmt: skip


VERSION = ModelVersion.model_construct(project="pets", version=4)


@pytest.mark.parametrize(
    ("low", "high", "verdict", "sentence"),
    [
        (0.1, 0.3, "better", "Yes: mAP 0.700 against 0.500 of version 3 on the same 20 source images, a gain of 0.200"),
        (-0.3, -0.1, "worse", "No: mAP 0.300 against 0.500 of version 3 on the same 20 source images, a loss of 0.200"),
        (0.0, 0.2, "cannot tell", "It cannot be told: mAP 0.600 against 0.500"),
        (-0.2, 0.2, "cannot tell", "It cannot be told: mAP 0.500 against 0.500"),
    ],
)
def test_the_interval_gives_the_verdict(low, high, verdict, sentence):
    row = comparison_row(VERSION, comparison(low, high), "runs/a/record", "runs/a/page")
    assert (row["baseline"], row["version"], row["verdict"]) == (3, 4, verdict)
    assert row["sentence"].startswith(sentence)
    assert row["sentence"].endswith(f"95 % interval {low:+.3f} to {high:+.3f}.")
    assert (row["comparison"], row["page"]) == ("runs/a/record", "runs/a/page")


def test_no_class_name_breaks_the_table():
    text = comparison_markdown(VERSION, comparison(0.1, 0.3, left_out=2), "https://s.test/p", "works a day", "key")
    assert text.startswith("# pets: version 4 against version 3")
    assert "2 images that version 3 was trained on are left out." in text
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    cells = [
        "".join(part.content for part in tokens[at + 1].children)
        for at, token in enumerate(tokens)
        if token.type == "td_open"
    ]
    assert cells[-6:] == [NAME, "0.500", "0.700", "+0.200", "+0.100 to +0.300", "better"]
