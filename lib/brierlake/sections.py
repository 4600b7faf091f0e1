"""What every section of a config is made of: how its texts are read, and what all sections refuse."""

from datetime import date
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, model_validator

from brierlake.redaction import note_secrets


def _as_text(value: object) -> object:
    """YAML reads 2024, true and 2024-01-31 as more than text, also where a name or a setting is meant."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float | date) else value


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank")
    return text


Text = Annotated[str, BeforeValidator(_as_text)]
Name = Annotated[Text, AfterValidator(_not_blank)]
"""As it is written: names of models and columns may begin or end with a space."""
Place = Annotated[Text, StringConstraints(strip_whitespace=True), AfterValidator(_not_blank)]
"""A path or an address, which a variable may give with a line's end."""


class Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # it may be a credential
    )

    @model_validator(mode="after")
    def _no_secret_told(self) -> Self:
        note_secrets(vars(self))
        return self
