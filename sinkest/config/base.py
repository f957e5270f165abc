"""What all sections of a configuration share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Text = Annotated[str, Field(min_length=1, max_length=300)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
ClassId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class Section(BaseModel):
    """Base of all sections: frozen, and strict about unknown keys."""

    # A default is stored as the same value given in a file would be, so that both give one key.
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def problem(name: str, **fields: str) -> PydanticCustomError:
    """A problem of ours, in the form that the validation carries along."""
    return PydanticCustomError(f"own_{name}", "see the catalogue", fields)
