"""What all parts of a schedule share: frozen, no unknown fields, and a canonical form without empty fields."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError


class StrictConfig(BaseModel):
    """A frozen model that refuses unknown fields by name and is dumped without fields that are None."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="wrap")
    @classmethod
    def _name_unknown_fields(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            if not any(item["type"] == "extra_forbidden" for item in error.errors(include_url=False)):
                raise
            raise with_suggestions(error, [field.alias or name for name, field in cls.model_fields.items()]) from None

    @model_serializer(mode="wrap")
    def _without_empty_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


def with_suggestions(error: ValidationError, known: Sequence[str]) -> ValidationError:
    """The same error, in which an unknown field says which one was probably meant."""
    return ValidationError.from_exception_data(error.title, [_detail(item, known) for item in error.errors()])


def _detail(item: Any, known: Sequence[str]) -> InitErrorDetails:
    if item["type"] == "extra_forbidden" and len(item["loc"]) == 1:
        message = unknown_field_message(str(item["loc"][0]), known)
    else:
        message = item["msg"].removeprefix("Value error, ")
    kind = PydanticCustomError(item["type"], "{message}", {"message": message})
    return InitErrorDetails(type=kind, loc=item["loc"], input=item["input"])


def unknown_field_message(name: str, known: Sequence[str]) -> str:
    """Return what to tell someone who wrote a field that does not exist.

    >>> unknown_field_message("evry", ["every", "mode"])
    "unknown field; did you mean 'every'?"
    """
    close = difflib.get_close_matches(name[:64].lower(), known, n=1, cutoff=0.6)
    if close:
        return f"unknown field; did you mean '{close[0]}'?"
    return f"unknown field; known are {', '.join(known)}" if known else "unknown field; none is expected here"
