"""Setting variables of the Prefect server, such as the version that it was deployed with."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.types import StrictVariableValue


def set_variable(client: "SyncPrefectClient", name: str, value: "StrictVariableValue") -> None:
    """Set a variable, which may be there already.

    Args:
        client: Client of the server.
        name: Name of the variable.
        value: Its new value, as JSON.
    """
    from prefect.client.schemas.actions import VariableCreate, VariableUpdate
    from prefect.exceptions import ObjectAlreadyExists

    try:
        client.create_variable(VariableCreate(name=name, value=value, tags=["nasflow"]))
    except ObjectAlreadyExists:
        client.update_variable(VariableUpdate(name=name, value=value))
