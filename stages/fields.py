"""What more than one schema uses: types of fields, with what messages say is allowed, and the base of `scenes`."""

from typing import Annotated, Any

from pydantic import Field, Strict

from stages.yaml_files import Model


def whole(low: int, high: int | None = None) -> Any:
    """Return a field for a whole number from `low` to `high`."""
    return Field(ge=low, le=high, description=f"a whole number from {low} {f'to {high}' if high else 'up'}")


LARGEST_SEED = 2**31 - 1
Seed = Annotated[int, whole(0, LARGEST_SEED)]

Side = Annotated[int, Field(ge=8, multiple_of=8)]
Size = Annotated[tuple[Side, Side], Strict(False)]  # a YAML list may fill a tuple; its items stay strict
SIZE = "[width, height] in pixels, multiples of 8"

Share = Annotated[float, Field(ge=0, le=1)]
SHARE = "a number from 0 to 1"


class Scenes(Model):
    """The section `scenes` of a profile; the schema of each source adds its own fields."""

    source: str
