"""Every method that can be trained, by name: what experiments compare and ``gliotype train`` trains.

A new method is one package in ``gliotype/train`` with a class like `gliotype.train.common.method.Method`, one file in
``gliotype/predictors``, and one line here and there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gliotype.cohorts import IDH
from gliotype.errors import UsageError
from gliotype.train.common.method import Method
from gliotype.train.model2.method import ForestMethod, HybridMethod
from gliotype.train.perfusion.method import PerfusionMethod
from gliotype.train.table.method import (
    AdcMethod,
    AgeLocationMethod,
    AgeMethod,
    MismatchMethod,
    PublishedSign,
    RadiomicsMethod,
)
from gliotype.train.voxelwise.method import T2NetMethod, TSNetMethod

_ALL: tuple[type[Method], ...] = (
    HybridMethod,
    ForestMethod,
    T2NetMethod,
    TSNetMethod,
    PerfusionMethod,
    RadiomicsMethod,
    AgeMethod,
    AgeLocationMethod,
    MismatchMethod,
    AdcMethod,
)

METHODS: Mapping[str, type[Method]] = MappingProxyType({method.name: method for method in _ALL})
"""The methods by name, in the order in which tables list them; each is made with its parameters, all of which have
defaults."""


LOCATION_BASELINE = AgeLocationMethod.name
"""The method of age and place of the tumour, which stands next to the others where the target is not IDH."""


def predicts(method: type[Method], target: str) -> bool:
    """Determine whether a method can learn a target: a published sign of IDH mutation learns none.

    Example:
        >>> predicts(RadiomicsMethod, "codeletion"), predicts(MismatchMethod, "codeletion")
        (True, False)
    """
    return target == IDH.name or not issubclass(method, PublishedSign)


def find_method(name: str) -> type[Method]:
    """Find a method.

    Raises:
        UsageError: if there is none of that name.

    Example:
        >>> find_method("hybrid-2019").needs == find_method("hybrid").needs
        True
    """
    if name not in METHODS:
        raise UsageError(f"there is no method {name[:40]!r} to train: choose one of {', '.join(METHODS)}")
    return METHODS[name]


def inputs_of(methods: list[Method]) -> frozenset[str]:
    """Name the arrays that examples must have so that all of these methods can read them.

    Example:
        >>> sorted(inputs_of([RadiomicsMethod(), MismatchMethod(), AgeMethod()]))
        ['mismatch', 'radiomics']
    """
    return frozenset[str]().union(*(method.inputs for method in methods))
