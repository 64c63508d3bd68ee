"""Whose outlines an experiment rests on: experts', or Model 1's where a cohort has no mask."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from gliotype.train.common.method import Method
from gliotype.train.data.examples import Example
from gliotype.train.data.voxels import VOXELS


def without_mask(examples: Iterable[Example]) -> int:
    """Count the patients whose true outline is not known."""
    return sum(math.isnan(example.dice) for example in examples)


def outlines_note(sets: Mapping[str, list[Example]], methods: Iterable[Method]) -> str:
    """Say how many patients have no true outline, and what that limits; nothing where all have one.

    Args:
        sets: examples by set.
        methods: of the experiment.
    """
    lacking = {name: without_mask(examples) for name, examples in sets.items()}
    total, missing = sum(map(len, sets.values())), sum(lacking.values())
    if not missing:
        return ""
    where = ", ".join(f"{name} {count} of {len(sets[name])}" for name, count in lacking.items() if count)
    has = "patient has" if missing == 1 else "patients have"
    parts = [f"{missing} of {total} {has} no expert's mask ({where}): their outlines are Model 1's."]
    learners = [method.name for method in methods if VOXELS in method.inputs]
    if learners:
        parts.append(
            f"{' and '.join(dict.fromkeys(learners))} learned from these outlines where they trained."
        )
    parts.append(
        "No Dice is known." if missing == total else f"Dice is measured on the other {total - missing}."
    )
    return " ".join(parts)
