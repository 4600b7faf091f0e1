"""Aliases: names that a registered model gives to one of its versions."""

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from brierlake.registry.connection import asking, has_code, registry_uri


def read_alias(client: MlflowClient, name: str, alias: str) -> int | None:
    """Returns the version that has the alias; null: none has.

    Raises:
        ModelError: There is no such model, or the registry fails.
    """
    with asking(registry_uri(client), f"look up {name}@{alias}"):
        try:
            return int(client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            if has_code(error, "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
                return None
            raise


def set_alias(client: MlflowClient, name: str, alias: str, *, version: int) -> None:
    with asking(registry_uri(client), f"set the alias {alias} of {name}", needs="EDIT"):
        client.set_registered_model_alias(name, alias, str(version))
