"""The base of every typed setting, parameter and rule, and how its validators refuse a value."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

REFUSED = "refused"
"""Type of the errors made by `refusal`; `schema.messages` prints their text as it stands."""


class Frozen(BaseModel):
    """A typed value that can not change and accepts neither unknown keys nor guessed types.

    Strict: "1" is not a number and 10101 is not a code; an integer may stand where a float is
    expected. NaN and infinity are refused, defaults are held to the same constraints.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
    )


def refusal(
    what: str, *, at: tuple[str, ...] = (), allowed: str = "", advice: str = ""
) -> PydanticCustomError:
    """An error for validators to raise, with the Chinese texts of a `Finding`.

    `at` leads from the validated value to the key at which the finding is to point.
    """
    context = {"what": what, "at": at, "allowed": allowed, "advice": advice}
    return PydanticCustomError(REFUSED, "{what}", context)
