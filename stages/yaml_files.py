"""YAML files as typed models. Whatever is wrong ends as one line: file, key, value, what is allowed."""

import difflib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from stages.errors import UserError


class Model(BaseModel):
    """Unknown keys, wrong types (`true` is no number), NaN and infinity are errors; values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Part(Model):
    """The part of a file that its readers cannot be without; what else it holds is left alone."""

    model_config = ConfigDict(extra="ignore")


M = TypeVar("M", bound=Model)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the top-level map of a YAML 1.2 file (`1e-3` is a number, `no` is a string).

    Raises:
        UserError: it is missing, or is no such file.
    """
    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{label(path)}: no such file in {path.parent}") from None
    except MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{label(path)}{line}: {(error.problem or 'not YAML').splitlines()[0]}") from None
    except OSError as error:
        raise UserError(f"{label(path)}: {error.strerror}, in {path.parent}") from None
    except Exception as error:  # noqa: BLE001 - ruamel's constructors raise what int(), date() and the like raise
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"{label(path)}: not YAML: {said}") from None
    if not isinstance(data, dict):
        raise UserError(f"{label(path)}: allowed: a map from keys to values")
    return data


def label(path: Path) -> str:
    """Return how messages name a file: by its folder and name, in the project's root by its name alone."""
    folder = path.parent.name
    return f"{folder}/{path.name}" if folder in ("configs", "paper", "studies") else path.name


def read_model(path: Path, model: type[M]) -> M:
    """Read a whole YAML file as a model.

    Raises:
        UserError: it is missing, no YAML, or says something that is not allowed.
    """
    try:
        return model.model_validate(read_yaml(path))
    except ValidationError as error:
        detail = error.errors()[0]
        raise UserError(f"{label(path)}: {'.'.join(map(str, detail['loc']))}: {detail['msg'].lower()}") from None


def check_content(model: type[Part], content: Any, file: Path | str, remedy: str) -> None:
    """Check that what a stage of this project wrote has the fields of a model.

    Args:
        model: The part that its readers cannot be without.
        content: Of the file.
        file: As messages name it.
        remedy: What the user can do; ends the message.

    Raises:
        UserError: It has not.
    """
    try:
        model.model_validate(content)
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(map(str, detail["loc"])) or "all of it"
        raise UserError(f"{file}: not what this version writes ({where}: {detail['msg'].lower()}); {remedy}") from None


# ---- one-line messages -----------------------------------------------------------------------------------------------


def refuse(file: str, problems: list[str]) -> None:
    """Raise the first problem of a file, with the count of the others."""
    if problems:
        others = f" (and {len(problems) - 1} more in this file)" if len(problems) > 1 else ""
        raise UserError(f"{file}: {problems[0]}{others}")


def check(model: type[M], data: Any, problems: list[str], where: str = "") -> M | None:
    """Return `data` as `model`, or None after each thing that is wrong with it was added to `problems`."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = [_problem(model, data, detail, where) for detail in error.errors()]
        problems += dict.fromkeys(found)  # a union reports each of its members
        return None


def _problem(model: type[Model], data: Any, detail: Any, where: str) -> str:
    """Return one of pydantic's errors in this project's form."""
    field, value, path = None, data, [where] if where else []
    unknown = detail["type"] in ("extra_forbidden", "invalid_key")
    for key in detail["loc"][:-1] if unknown else detail["loc"]:
        if not (isinstance(model, type) and issubclass(model, Model) and key in model.model_fields):
            break  # a place in a list or a member of a union: the field itself is named
        field = model.model_fields[key]
        value = value.get(key, "missing") if isinstance(value, dict) else value
        model = field.annotation
        path.append(key)
    place = ".".join(path)
    if unknown:
        key = detail["loc"][-1]
        return f"unknown key {'.'.join([*path, str(key)])}; {nearest(str(key), model.model_fields)}"
    if value == "missing" and detail["type"] == "missing":
        return f"{place} is missing; allowed: {field.description}"
    if detail["type"] == "value_error":
        return f"{place}: {detail['ctx']['error']}"
    return not_allowed(place, value, field.description if field else "a map from keys to values")


def not_allowed(place: str, value: Any, allowed: str) -> str:
    """Return the message about a value that is not allowed: where it stands, what it is, what is allowed."""
    return f"{place} is {shown(value)}; allowed: {allowed}"


def choices(value: Any, known: Iterable[str]) -> str:
    """Return all names that are allowed and, where one resembles `value`, which."""
    close = difflib.get_close_matches(str(value), list(known), n=1)
    return ", ".join(known) + (f" (nearest: {close[0]})" if close else "")


def nearest(key: str, known: Iterable[str]) -> str:
    """Return the known key that `key` most resembles, or all of them."""
    close = difflib.get_close_matches(key, list(known), n=1, cutoff=0.5)
    return f"nearest known: {close[0]}" if close else f"known: {', '.join(known)}"


def shown(value: Any) -> str:
    """Return a value as YAML would write it, on one line and not too long."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: ".inf", -math.inf: "-.inf"}.get(value, ".nan")
    try:
        text = json.dumps(value, default=str, ensure_ascii=False)
    except (TypeError, ValueError):  # a list as a key; a list within itself
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
