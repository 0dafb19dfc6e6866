"""What an exported file says of itself."""

import json
import tomllib
from pathlib import Path

from stages.model.predictor import Predictor

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def metadata(predictor: Predictor, names: tuple[str, ...]) -> dict[str, str]:
    """Return texts by key, those of lists and numbers as JSON.

    Args:
        predictor: Of a finished run.
        names: Of the outputs.
    """
    run, chosen = predictor.run, predictor.chosen
    unit = "squared target" if chosen.loss == "regression" else "logit^2"
    content = {
        "classes": list(run["classes"]),
        "training_size": list(chosen.size),
        "input": "images: uint8 (N, H, W, 3), RGB, H and W multiples of 8; best of the area of training_size (W, H)",
        "normalisation": "images / 127.5 - 1, in the graph",
        "outputs": list(names),
        "variance": f"sigma^2 of each logit, in units of {unit}"
        if "variance" in names
        else "none: the row has no variance",
        "row": run["row"],
        "seed": run["seed"],
        "loss": chosen.loss,
        "recipe": chosen.recipe.name,
        "dataset": run["dataset"],
        "version": tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"],
    }
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in content.items()}
