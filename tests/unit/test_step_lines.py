"""A run that is followed where there is no terminal: neither silent nor a line a second."""

from deployments.terminal.step_lines import StepLines


def lines_of(*seen):
    """Lines that are printed of what was seen, each at a second."""
    printed: list[str] = []
    clock = [0]
    lines = StepLines(printed.append, lambda: clock[0])
    for second, done, text in seen:
        clock[0] = second
        lines.show(done, 100, text)
    return printed


def test_each_step_is_a_line_when_it_begins():
    assert lines_of(
        (0, 0, "wise-bee: scheduled"),
        (1, 0, "wise-bee: scheduled"),
        (2, 0, "export labels"),
        (3, 0, "export labels"),
        (4, 0, "check labels"),
        (5, 25, "train on a GPU worker: epoch 1 of 4, 0:00:30 left"),
        (6, 30, "train on a GPU worker: epoch 2 of 4, 0:00:25 left"),
        (7, 0, "publish"),
    ) == [
        "wise-bee: scheduled", "export labels", "check labels",
        "train on a GPU worker: 25 %, epoch 1 of 4, 0:00:30 left", "publish",
    ]  # fmt: skip


def test_a_long_step_is_told_of_once_a_minute():
    epochs = [(second, second / 10, f"train on a GPU worker: epoch {second}") for second in range(1, 181)]
    assert lines_of(*epochs) == [
        f"train on a GPU worker: {second / 10:.0f} %, epoch {second}" for second in (1, 61, 121)
    ]


def test_a_step_that_does_not_move_is_one_line():
    assert lines_of(*((second, 0, "train on a GPU worker") for second in range(600))) == ["train on a GPU worker"]


def test_steps_that_run_at_the_same_time_are_a_line_each():
    turns = [(second, 0, ("write the report", "export")[second % 2]) for second in range(50)]
    assert lines_of(*turns) == ["write the report", "export"]


def test_names_with_control_codes_are_printed_without():
    assert lines_of((0, 0, "a\x1b[31mb")) == ["a [31mb"]
