"""What nasflow wrote to a deployment last, kept on the Prefect server as a variable of each deployment."""

from typing import TYPE_CHECKING, Any

from deployments.remote.deployment_settings import Settings, flatten, unflatten

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


def read_written(client: "SyncPrefectClient", name: str) -> list[Settings]:
    """What nasflow may have written last to a deployment: several if it was killed between, no settings if unknown."""
    variable = client.read_variable_by_name(_variable(name))
    value: Any = variable.value if variable is not None else None
    if not isinstance(value, list) or not all(isinstance(fields, dict) for fields in value):
        return [{}]
    return [flatten(fields) for fields in value]


def remember_written(client: "SyncPrefectClient", name: str, written: list[Settings]) -> None:
    """Remember what nasflow may have written last to a deployment.

    Args:
        client: Client of the server.
        name: The deployment, as flow/deployment.
        written: The settings; several while one is written over another.
    """
    from prefect.client.schemas.actions import VariableCreate, VariableUpdate
    from prefect.exceptions import ObjectAlreadyExists

    value = [_without_empty(unflatten(settings)) for settings in written]
    try:
        client.create_variable(VariableCreate(name=_variable(name), value=value, tags=["nasflow"]))
    except ObjectAlreadyExists:
        client.update_variable(VariableUpdate(name=_variable(name), value=value))


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, {})}


def _variable(name: str) -> str:
    return f"nasflow_deployed_{name.replace('/', '_').replace('-', '_')}"
