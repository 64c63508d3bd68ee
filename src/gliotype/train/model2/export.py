"""Write a trained Model 2 as a weight: network, numbers, and its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gliotype.atomic_files import atomic_write_set
from gliotype.cohorts import target_of
from gliotype.train.data.examples import Example
from gliotype.train.model2.model import Model2, export

FILES = ("model2.onnx", "model2.md", "model2.json")


def write_weight(
    model: Model2,
    folder: Path,
    *,
    training: Sequence[Example],
    data: Mapping[str, str],
    results: str,
) -> tuple[Path, ...]:
    """Write ``model2.onnx``, ``model2.json`` and the card ``model2.md``: all of them, or none.

    Args:
        model: with all parts.
        folder: created if missing.
        training: the patients it was trained on.
        data: what they are, and under which ``licence``.
        results: Markdown of its tests, without a heading.

    Raises:
        OutputError: if the folder cannot be written.
    """
    mutants = sum(example.mutant for example in training)
    about = {"data": dict(data), "patients": len(training), "mutants": mutants, "seed": model.recipe.seed}
    with atomic_write_set(folder, FILES) as aside:
        export(model, aside, about)
        card = _card(model, len(training), mutants, data, results)
        (aside / "model2.md").write_text(card, encoding="utf-8")
    return tuple(folder / name for name in FILES)


def _card(model: Model2, patients: int, mutants: int, data: Mapping[str, str], results: str) -> str:
    recipe, target = model.recipe, target_of(data)
    facts = "\n".join(f"- {key}: {value}" for key, value in data.items())
    return f"""# Model card: model2

Predicts the {target.status} of a glioma from five axial slices (T1c, T2, FLAIR and the outline that Model 1
found), 13 numbers of shape, 6 of location, and age, after Choi 2021. Its log-odds are a sum: one
contribution for each position in the slices and for each number.

**Intended use.** Research on adults with an untreated glioma. Not a medical device.

**Network.** {recipe.members} residual networks (7 x 7 stem of stride 2, four stages of 16, 32, 64 and
96 channels), each trained on a bootstrap sample of the patients; their mean is the answer and their
spread its interval. Class activation map in the forward pass. ONNX, weights in half precision, computed
in single precision. A missing sequence is 0, a missing number the mean.

**Data.** {patients} patients, {mutants} of them {target.word(True)}.

{facts}

**Training.** `gliotype experiment` or `gliotype train model2`: {recipe.epochs} epochs of one slice of each
patient, batches of {recipe.batch}, AdamW (peak rate {recipe.learning_rate:g}, one cycle), bf16 where the
machine computes in it; classes weighted evenly; slices turned by up to 15 degrees, scaled by up to 10 %,
mirrored left and right, their intensities changed; each sequence left out in {recipe.drop_sequence:.0%},
shape, loci and age in {recipe.drop_number:.0%} of the draws; seed {recipe.seed}. Calibrated on the tuning
patients (slope {model.calibration.slope:.2f}, offset {model.calibration.offset:+.2f}); their Youden threshold is
{model.threshold:.3f} at a prevalence of {model.prevalence:.2f}.

**Results.**

{results}
"""
