"""The methods that an experiment compares: the model with all parts, its ablations, and the forest of 2019."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gliotype.experiment.protocol import FULL, FUSION, Protocol
from gliotype.train.common.method import TrainedMethod
from gliotype.train.data.examples import Example
from gliotype.train.model2.fit import load_or_train_model
from gliotype.train.model2.forest_fusion import fit_fusion
from gliotype.train.model2.model import ALL_PARTS, Model2, Recipe


def train_model(
    protocol: Protocol,
    sets: Mapping[str, list[Example]],
    folder: Path,
    progress: Callable[[str], None],
) -> Model2:
    """Train the model with all parts, or load it if an earlier run has trained it.

    Args:
        protocol: names the training and the tuning set.
        sets: their examples by name.
        folder: of the trained networks.
        progress: called with a line of progress.
    """
    progress(f"train {FULL}")
    return _train(protocol, sets, folder, progress, ALL_PARTS, protocol.model.members)


def train_ablations(
    protocol: Protocol,
    sets: Mapping[str, list[Example]],
    folder: Path,
    progress: Callable[[str], None],
) -> dict[str, TrainedMethod]:
    """Train every ablation, and the forest if the protocol asks for it; see `train_model`."""
    settings = protocol.model
    models: dict[str, Model2] = {}
    for label, parts in protocol.ablations.items():
        progress(f"train {label}")
        models[label] = _train(protocol, sets, folder, progress, frozenset(parts), settings.ablation_members)
    if settings.fusion is None:
        return {**models}
    training, tuning = (sets[protocol.named(role)[0]] for role in ("training", "tuning"))
    return {**models, FUSION: fit_fusion(training, tuning, models[settings.fusion], protocol.seed)}


def _train(
    protocol: Protocol,
    sets: Mapping[str, list[Example]],
    folder: Path,
    progress: Callable[[str], None],
    parts: frozenset[str],
    members: int,
) -> Model2:
    settings = protocol.model
    recipe = Recipe(
        parts, members, epochs=settings.epochs, learning_rate=settings.learning_rate, seed=protocol.seed
    )
    training, tuning = (sets[protocol.named(role)[0]] for role in ("training", "tuning"))
    return load_or_train_model(recipe, training, tuning, folder, progress)
