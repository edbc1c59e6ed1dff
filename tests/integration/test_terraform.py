"""infra/terraform as far as Terraform can tell without its AWS provider: form, variables and policies."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fakes.store_roles import render

INFRA = Path(__file__).parents[2] / "infra"
TERRAFORM = shutil.which("terraform")
WITHOUT_PROVIDER = ("variables.tf", "policies.tf")

pytestmark = pytest.mark.skipif(TERRAFORM is None, reason="terraform is not installed")


def terraform(folder, *arguments):
    done = subprocess.run([str(TERRAFORM), f"-chdir={folder}", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """Variables and policies as a module of their own, which needs no provider."""
    infra = tmp_path_factory.mktemp("infra")
    shutil.copytree(INFRA / "policies", infra / "policies")
    (infra / "terraform").mkdir()
    for name in WITHOUT_PROVIDER:
        shutil.copy(INFRA / "terraform" / name, infra / "terraform")
    (infra / "terraform" / "shown.tf").write_text('output "policies" {\n  value = local.policies\n}\n')
    code, _, errors = terraform(infra / "terraform", "init", "-backend=false", "-input=false", "-no-color")
    assert code == 0, errors
    return infra / "terraform"


def test_the_files_have_terraforms_form():
    assert terraform(INFRA / "terraform", "fmt", "-check", "-diff")[0] == 0


def test_variables_and_policies_are_valid(module):
    code, document, _ = terraform(module, "validate", "-json")
    assert (code, json.loads(document)["valid"]) == (0, True)


@pytest.mark.parametrize("prefix", ["", "vision/"])
def test_the_policies_are_those_of_the_script(module, prefix):
    code, _, errors = terraform(
        module, "apply", "-auto-approve", "-no-color", "-state=unused", f"-var=prefix={prefix}", "-var=bucket=my-bucket"
    )
    assert code == 0, errors
    policies = json.loads(terraform(module, "output", "-state=unused", "-json")[1])["policies"]["value"]
    for role in ("worker", "control"):
        rendered = render(role, "--bucket", "my-bucket", "--prefix", prefix).stdout
        assert json.loads(policies[role]) == json.loads(rendered)


@pytest.mark.parametrize(
    ("values", "words"),
    [(["-var=bucket=No"], "3 to 63 lower case"), (["-var=bucket=mine", "-var=prefix=vision"], "ends with a slash")],
)
def test_a_name_that_would_not_work_is_refused(module, values, words):
    code, _, errors = terraform(module, "plan", "-no-color", "-input=false", *values)
    assert code == 1
    assert words in " ".join(errors.replace("│", " ").split())


def test_the_lifecycle_rules_are_those_of_the_file():
    """The provider has names of its own for them, so numbers and names are compared."""
    text = (INFRA / "terraform" / "main.tf").read_text()
    rules = json.loads(render("lifecycle", "--bucket", "my-bucket").stdout)["Rules"]
    for rule in rules:
        assert f'id     = "{rule["ID"]}"' in text
    assert f"days_after_initiation = {rules[0]['AbortIncompleteMultipartUpload']['DaysAfterInitiation']}" in text
    assert f"noncurrent_days = {rules[1]['NoncurrentVersionExpiration']['NoncurrentDays']}" in text
