"""The lines of env.sh that shells run."""

import subprocess

import pytest

from deployments.local_stack.stack import path_line


@pytest.mark.parametrize("folder", ["bin", "it's a folder", 'a "$HOME" `b` * ?'])
@pytest.mark.parametrize("times", [1, 2])
def test_programs_of_the_folder_are_found_first_and_the_path_is_named_once(tmp_path, folder, times):
    programs = tmp_path / folder
    programs.mkdir()
    (programs / "ls").write_text("#!/bin/sh\necho ours\n")
    (programs / "ls").chmod(0o755)
    script = "set -eu\n" + times * path_line(programs) + 'ls; printf "%s" "$PATH"'
    done = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"ours\n{programs}:/usr/bin:/bin"
