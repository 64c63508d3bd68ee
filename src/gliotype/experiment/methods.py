"""The models that an experiment compares: its methods, ablations of Model 2, variants, and adjusted numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from gliotype.experiment.parameters import make_method
from gliotype.experiment.protocol import FUSION, Protocol
from gliotype.experiment.registry import METHODS
from gliotype.train.common.method import Method
from gliotype.train.model2.method import ForestMethod, HybridMethod
from gliotype.train.model2.model import ALL_PARTS, Recipe
from gliotype.train.table.harmonised import HarmonisedRadiomicsMethod


@dataclass(frozen=True)
class Model:
    """A method with its parameters, as it stands in the tables.

    Attributes:
        label: its name there.
        method: how it is trained.
        ablation: whether it is only there to be compared with the whole model.
        column: of the strata, on which it depends; empty of one that does not ask for a patient's hospital.
    """

    label: str
    method: Method
    ablation: bool = False
    column: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """All that its training depends on other than patients and version, as plain values."""
        return {"method": self.method.name, "parameters": _plain(asdict(self.method))}  # type: ignore[call-overload]


def models_of(protocol: Protocol) -> tuple[Model, ...]:
    """List the models of a protocol in the order of the tables; the first is that which others are compared with."""
    settings = protocol.model
    methods = [Model(name, _method(protocol, name)) for name in protocol.methods]
    ablations = [
        Model(
            label, HybridMethod(_recipe(protocol, frozenset(parts), settings.ablation_members)), ablation=True
        )
        for label, parts in protocol.ablations.items()
    ]
    if settings.fusion is not None:
        ablations.append(Model(FUSION, _forest(protocol), ablation=True))
    variants = [_variant(protocol, label) for label in protocol.variants]
    return (*methods, *ablations, *variants, *_harmonised(protocol))


def _harmonised(protocol: Protocol) -> Iterator[Model]:
    """Yield a model of adjusted numbers for each method that has some."""
    settings = protocol.harmonisation
    for name, label in protocol.harmonised.items():
        assert settings is not None
        parameters = asdict(_method(protocol, name))  # type: ignore[call-overload]
        method = HarmonisedRadiomicsMethod(
            **parameters, column=settings.column, unseen=settings.unseen == "own patients"
        )
        yield Model(label, method, ablation=True, column=settings.column)


def _variant(protocol: Protocol, label: str) -> Model:
    given = dict(protocol.variants[label])
    name = given.pop("method")
    parameters = {**protocol.parameters.get(name, {}), **given}
    return Model(label, make_method(name, parameters, protocol.seed), ablation=True)


def _method(protocol: Protocol, name: str) -> Method:
    kind = METHODS[name]
    if kind is HybridMethod:
        return HybridMethod(_recipe(protocol, ALL_PARTS, protocol.model.members))
    if kind is ForestMethod:
        return _forest(protocol)
    return make_method(name, protocol.parameters.get(name, {}), protocol.seed)


def _forest(protocol: Protocol) -> ForestMethod:
    return ForestMethod(_recipe(protocol, frozenset({"image"}), protocol.model.ablation_members))


def _recipe(protocol: Protocol, parts: frozenset[str], members: int) -> Recipe:
    settings = protocol.model
    return Recipe(
        parts, members, epochs=settings.epochs, learning_rate=settings.learning_rate, seed=protocol.seed
    )


def _plain(value: Any) -> Any:
    """Turn parameters into what JSON can hold; sets in a fixed order."""
    match value:
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case set() | frozenset():
            return sorted(map(_plain, value))
        case list() | tuple():
            return [_plain(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)
