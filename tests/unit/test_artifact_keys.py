"""What is shown in Prefect is taken by Prefect."""

import pytest
from prefect.client.schemas.actions import ArtifactCreate

from tasks.orchestration.progress import artifact_key
from tasks.records import RetrainRequest


@pytest.mark.parametrize("project", ["pets", "my_pets", "2_cats-and-dogs_"])
def test_the_key_of_any_project_is_one_that_prefect_takes(project):
    key = artifact_key("study", RetrainRequest(project=project).project)
    assert ArtifactCreate(key=key, type="markdown").key == key
    assert key.startswith("study-")
