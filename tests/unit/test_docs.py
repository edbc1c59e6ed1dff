"""Commands, options, variables, paths and links in the docs exist."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import pytest
import typer
import yaml

from deployments.cli.main import app
from deployments.local_stack.stack import VACUUM
from deployments.serving.settings import ServeSettings
from tasks.labeling.finding_kinds import FINDING_KINDS
from tasks.metrics.scoring_number import SCORING
from tasks.records import GatePolicy, RetrainRequest
from tasks.settings import RoboflowSettings, StoreSettings, WorkSettings
from tasks.training.spec import RECIPE

ROOT = Path(__file__).parents[2]
NASFLOW = str(Path(sys.executable).with_name("nasflow"))
MAX_README_LINES = 130
TOP_LEVEL = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES = TOP_LEVEL + sorted((ROOT / "docs").rglob("*.md")) + sorted((ROOT / "examples").rglob("*.md"))
PRESENT = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""Pages about the present state; the changelog also has names from before."""
NOTIFY = {"NASFLOW_NOTIFY_URL"}
"""Of the option --notify of deploy, which is a secret."""
ROBOFLOW_PACKAGE = {"ROBOFLOW_API_KEY", "ROBOFLOW_REGION", "ROBOFLOW_ENVIRONMENT", "ROBOFLOW_CONFIG_DIR"}
TEST_VARIABLES = {"NASFLOW_TEST_EXPORTS", "NASFLOW_TEST_STORE_ENDPOINT", "NASFLOW_TEST_SCREENSHOTS"}
EXAMPLES = "".join(path.read_text() for path in (ROOT / "infra").rglob("*.env.example"))
SEVERAL_SERVERS = {"PREFECT_WORKER_QUERY_SECONDS", "PREFECT_MESSAGING_BROKER", "PREFECT_MESSAGING_CACHE"}
"""What docs/fleet.md says of Prefect's own settings."""
UNITS = "".join(path.read_text() for path in (ROOT / "infra" / "systemd").glob("*.service"))
DEPLOYING = {
    "NASFLOW_GPU",
    *re.findall(r"^#? ?([A-Z_]+)=", EXAMPLES, re.MULTILINE),
    *re.findall(r"[ =]([A-Z_]+)=", UNITS),
}
"""Of Compose, of systemd's units, and of workers that start containers."""
FOLDERS = "deployments|docs|examples|flows|infra|tasks|tests"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def inline_code(page: Path) -> list[str]:
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", without_blocks(page.read_text()))]


def commands() -> list[str]:
    """Shell commands of code blocks and of inline code."""
    lines = set()
    for page in PRESENT:
        blocks = "\n".join(re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)).replace("\\\n", " ")
        inline = [code for code in inline_code(page) if re.match(r"(nasflow|make) [a-z]", code)]
        lines |= {line.strip() for line in [*blocks.splitlines(), *inline] if line.strip()}
    return sorted(lines)


@cache
def options_by_verb() -> dict[str, set[str]]:
    """Options of each verb; those of a group have names such as ``models list``."""

    def options_of(command: click.Command, name: str) -> dict[str, set[str]]:
        if isinstance(command, click.Group):
            parts = (options_of(part, f"{name} {key}".strip()) for key, part in command.commands.items())
            return {verb: options for part in parts for verb, options in part.items()}
        parameters = command.get_params(click.Context(command))
        return {name: {flag for parameter in parameters for flag in (*parameter.opts, *parameter.secondary_opts)}}

    return options_of(typer.main.get_command(app), "")


def verb_of(words: list[str]) -> str:
    return " ".join(words[:2] if words[0] in {"models", "runs", "schedule"} else words[:1])


def settings_variables() -> set[str]:
    """Environment variables of all settings."""
    return {
        f"{kind.model_config['env_prefix']}{name}".upper()
        for kind in (RoboflowSettings, ServeSettings, StoreSettings, WorkSettings)
        for name in kind.model_fields
    }


def anchors_of(page: Path) -> set[str]:
    """Anchors as GitHub makes them of headings, and those that are written."""
    text = page.read_text()
    headings = re.findall(r"^#+ (.+)$", without_blocks(text), re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


# Commands and options ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", [line for line in commands() if line.startswith("nasflow ")])
def test_a_nasflow_command_exists_with_its_options(command):
    words = command.split()[1:]
    if words[0] == "--debug":
        return
    options = options_by_verb()
    assert verb_of(words) in options
    named = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert named <= options[verb_of(words)]


@pytest.mark.parametrize("page", PRESENT, ids=name_of)
def test_an_option_that_stands_alone_belongs_to_a_verb(page):
    known = set.union(*options_by_verb().values())
    named = {code.split()[0].partition("=")[0] for code in inline_code(page) if code.startswith("--")}
    assert named <= known


def test_the_installed_command_has_the_verbs_of_the_docs():
    done = subprocess.run([NASFLOW, "--help"], capture_output=True, text=True, check=True)
    for verb in {verb.split()[0] for verb in options_by_verb()}:
        assert re.search(rf"^  {verb} ", done.stdout, re.MULTILINE), verb


@pytest.mark.parametrize("verb", options_by_verb())
def test_every_verb_is_in_the_docs(verb):
    assert any(f"nasflow {verb}" in page.read_text() for page in PRESENT)


@pytest.mark.parametrize("command", [line for line in commands() if line.startswith("make ")])
def test_a_make_target_exists(command):
    done = subprocess.run(["make", "--dry-run", *command.split()[1:]], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_docs_have_commands():
    assert {"make setup", "make demo", "nasflow deploy"} <= set(commands())


# Variables, paths and links ----------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_variable_is_read(page):
    known = {
        "PREFECT_API_URL",
        "PREFECT_API_AUTH_STRING",
        "PREFECT_WORKER_WEBSERVER_PORT",
        "PREFECT_SERVER_METRICS_ENABLED",
        "PREFECT_CLIENT_METRICS_ENABLED",
        *ROBOFLOW_PACKAGE,
        *VACUUM,
        *TEST_VARIABLES,
        *DEPLOYING,
        *SEVERAL_SERVERS,
        *settings_variables(),
        *NOTIFY,
    }
    named = set(re.findall(r"\b(?:NASFLOW|ROBOFLOW|PREFECT)_[A-Z_]*\b", page.read_text()))
    prefixes = {name for name in named if name.endswith("_")}
    assert named - prefixes <= known
    for prefix in prefixes:
        assert any(name.startswith(prefix) for name in known), prefix


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_exists(page):
    paths = [code for code in inline_code(page) if re.fullmatch(rf"(?:{FOLDERS})/[\w./-]*", code)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


def test_every_page_of_the_docs_is_linked():
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s:]+)\)", page.read_text())
    }
    assert [name_of(page) for page in PAGES[1:] if page.resolve() not in linked] == []


def test_the_page_about_the_api_has_all_fields_of_a_request():
    text = (ROOT / "docs" / "api.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text.partition("## JSON")[0], re.MULTILINE))
    assert list(rows) == [name for name in RetrainRequest.model_fields if name != "schema_version"]
    assert re.findall(r"`(\w+)`", rows["gate"]) == list(GatePolicy.model_fields)


def test_the_reference_has_all_settings_and_no_others():
    first_cells = re.findall(r"^\| (`[A-Z_]+`[^|]*) \|", (ROOT / "docs" / "reference.md").read_text(), re.MULTILINE)
    listed = {name for cell in first_cells for name in re.findall(r"`([A-Z_]+)`", cell)}
    assert listed - {"PREFECT_API_URL", "ROBOFLOW_API_KEY"} == settings_variables()


def test_every_setting_is_explained_where_it_is_needed():
    """On a page that people read, not in the reference and the changelog alone."""
    pages = [page for page in PRESENT if page.name != "reference.md" and page.parent.name != "decisions"]
    named = {name for page in pages for name in re.findall(r"\bNASFLOW_[A-Z_]*[A-Z]\b", page.read_text())}
    assert sorted(settings_variables() - named) == []


def test_the_reference_has_all_findings_and_the_page_about_labels_links_to_them():
    reference = re.findall(r'<a id="([\w-]+)"></a>`', (ROOT / "docs" / "reference.md").read_text())
    linked = re.findall(r"\[`[\w-]+`\]\(reference\.md#([\w-]+)\)", (ROOT / "docs" / "labels.md").read_text())
    assert set(linked) <= set(FINDING_KINDS) <= set(reference)
    assert len(set(linked)) > 20


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize(
    ("page", "name", "number"), [("training.md", "recipe", RECIPE), ("evaluation.md", "scoring", SCORING)]
)
def test_each_recipe_and_scoring_has_a_row_that_says_what_changed(page, name, number):
    table = (ROOT / "docs" / page).read_text().partition(f"| {name} | what changed |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| (\d+) \| \w.+ \|$", table, re.MULTILINE) == [str(one) for one in range(number + 1)]


# Checks ------------------------------------------------------------------------------------------


def test_the_hooks_before_a_commit_are_those_of_make_check():
    recipe = re.search(r"^check: setup\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    steps = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == steps
    for hook in hooks:
        assert (hook["language"], hook["pass_filenames"], hook["always_run"]) == ("system", False, True)


def checks_made_in(folder: str) -> set[str]:
    """Names of the checks that the modules of a folder make."""
    calls = (
        node
        for path in (ROOT / folder).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("check", "check_of_faults", "attempt")
    )
    return {str(call.args[0].value) for call in calls if isinstance(call.args[0], ast.Constant)}


def names_in_table(section: str) -> set[str]:
    """Names in the first column of the table with the head ``check`` of a section of operating.md."""
    text = (ROOT / "docs" / "operating.md").read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = text.partition("| check |")[2].partition("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_doctors_table_has_exactly_the_checks_that_it_makes():
    made = checks_made_in("deployments/doctor")
    assert {"store", "slowest step", "clock"} < made
    assert names_in_table("Doctor") == made


def test_the_workers_table_has_the_checks_that_it_alone_makes():
    made = checks_made_in("deployments/worker")
    assert {"rights", "pool"} <= made <= names_in_table("GPU workers")
