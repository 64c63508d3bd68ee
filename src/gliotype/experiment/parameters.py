"""The parameters of methods, as protocols write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from gliotype.experiment.registry import METHODS
from gliotype.train.common.method import Method
from gliotype.train.model2.method import ForestMethod, HybridMethod

FIXED = frozenset({"recipe", "sequences", "parts", "start"})
"""Fields that make a method what it is, and that no protocol changes."""


def parameters_of(name: str) -> tuple[str, ...]:
    """Name the parameters of a method that a protocol may set; those of Model 2 are under ``model``.

    Example:
        >>> parameters_of("age"), parameters_of("hybrid"), "steps" in parameters_of("t2net")
        (('seed',), (), True)
    """
    if METHODS[name] in (HybridMethod, ForestMethod):
        return ()
    return tuple(sorted(field.name for field in fields(_parameters(name)) if field.name not in FIXED))


def make_method(name: str, values: Mapping[str, Any], seed: int) -> Method:
    """Make a method with parameters; those not given are its defaults, and the seed is the experiment's.

    Raises:
        ValueError: if a parameter is unknown or does not fit.

    Example:
        >>> make_method("t2net", {"steps": 50}, 7).recipe.steps
        50
    """
    known = parameters_of(name)
    if unknown := sorted(values.keys() - set(known)):
        has = f"it has {', '.join(known)}" if known else "it has none (see model)"
        raise ValueError(f"parameters.{name}: there is no {', '.join(unknown)}; {has}")
    kind = _parameters(name)
    given = {"seed": seed, **values} if "seed" in known else dict(values)
    try:
        made: Any = TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        first, *_ = error.errors()
        raise ValueError(f"parameters.{name}.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return cast(Method, made if kind is METHODS[name] else cast(Any, METHODS[name])(recipe=made))


def _parameters(name: str) -> Any:
    """Return the dataclass whose fields are a method's parameters: its recipe, or the method itself."""
    recipe = getattr(METHODS[name](), "recipe", None)
    return METHODS[name] if recipe is None else type(recipe)
