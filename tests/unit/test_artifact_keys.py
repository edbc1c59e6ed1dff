"""Keys of artifacts are valid in Prefect."""

import pytest
from prefect.client.schemas.actions import ArtifactCreate

from tasks.orchestration.progress import artifact_key
from tasks.records import RetrainRequest


@pytest.mark.parametrize("project", ["pets", "my_pets", "2_cats-and-dogs_"])
def test_every_project_has_an_artifact_key_that_prefect_accepts(project):
    key = artifact_key("study", RetrainRequest(project=project).project)
    assert ArtifactCreate(key=key, type="markdown").key == key
    assert key.startswith("study-")
