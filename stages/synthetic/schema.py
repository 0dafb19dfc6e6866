"""What a profile says of synthetic street scenes."""

from typing import Annotated, Literal, get_args

from pydantic import Field, Strict, model_validator

from stages.fields import SHARE, SIZE, Scenes, Seed, Share, Size, whole
from stages.yaml_files import Model


class SyntheticImages(Model):
    """How many scenes are drawn."""

    train: int = whole(1)
    val: int = whole(1)


class SyntheticDifficulty(Model):
    """How hard the drawn scenes are (stages/synthetic/world.py)."""

    clutter: Share = Field(description=SHARE)
    camouflage: Share = Field(description=SHARE)
    occlusion: Share = Field(description=SHARE)
    variety: Share = Field(description=SHARE)
    distance: Share = Field(description=SHARE)
    wear: Share = Field(description=SHARE)


Thing = Literal["car", "person", "truck", "bus", "tram", "motorcycle", "bicycle", "traffic light", "traffic sign"]
THINGS = f"a list of one or more different names of {', '.join(get_args(Thing))}"


class SyntheticScenes(Scenes):
    """Scenes that are drawn."""

    source: Literal["synthetic"]
    seed: Seed
    size: Size = Field(description=SIZE)
    images: SyntheticImages = Field(description="{train: count, val: count}")
    difficulty: SyntheticDifficulty = Field(
        description="{clutter, camouflage, occlusion, variety, distance, wear}, each from 0 to 1"
    )
    things: Annotated[tuple[Thing, ...], Strict(False)] = Field(("car", "person"), min_length=1, description=THINGS)

    @model_validator(mode="after")
    def _once(self) -> "SyntheticScenes":
        if len(set(self.things)) != len(self.things):
            raise ValueError(f"things names a class twice; allowed: {THINGS}")
        return self
