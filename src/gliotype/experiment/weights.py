"""Export what an experiment trained as the weights that predictors read, where the training patients allow it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gliotype._version import __version__
from gliotype.errors import InputError
from gliotype.experiment.cohorts import ExampleStore
from gliotype.experiment.methods import Model
from gliotype.experiment.protocol import CohortSettings, Protocol
from gliotype.experiment.splits import Split
from gliotype.experiment.training import Training, fit
from gliotype.experiment.write import Line, write_csv
from gliotype.train.common.method import Progress, no_progress
from gliotype.train.data.anatomies import heads_words

FOLDER = "weights"


@dataclass(frozen=True)
class Exported:
    """What became of the weights of an experiment.

    Attributes:
        files: by method, the names of its files in ``weights``; none where no predictor reads weights of it.
        refused: by method whose weights cannot be written, the reason.
    """

    files: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


NOT_EXPORTED = Exported()
"""What an experiment in folds exports: nothing, since no training stands for all of them."""


def export_weights(
    protocol: Protocol,
    models: Iterable[Model],
    split: Split,
    store: ExampleStore,
    results: str,
    out: Path,
    progress: Progress = no_progress,
) -> Exported:
    """Write the weights of the methods whose predictors read some, with the tables of their tests on their cards.

    Patients may suffice to train and test a method, and not to write its weight, such as when they are too few for the
    bootstrap on its card. The experiment stands without that weight: it is listed with the reason.

    Args:
        protocol: of the experiment.
        models: of the experiment; ablations are not exported.
        split: its only training.
        store: examples of all patients.
        results: Markdown of the tests, without a heading.
        out: folder of the experiment; gets ``weights``, and ``weights.csv`` with what was written and what was not.
        progress: called with a line for each weight that is not written.

    Raises:
        OutputError: if the folder cannot be written.
    """
    (name,) = protocol.named("training")
    about = {
        "protocol": protocol.title,
        "note": protocol.note,
        "target": protocol.target,
        **_provenance(protocol.cohorts[protocol.sets[name].cohort]),
    }
    training = store.read(split.training)
    exported = Exported()
    for model in models:
        if model.ablation:
            continue
        trained = fit(Training(model, split, target=protocol.aim), store, out)
        try:
            files = model.method.export(trained, out / FOLDER, training=training, data=about, results=results)
        except InputError as error:
            exported.refused[model.label] = str(error)
            progress(f"no weight of {model.label}: {error}")
        else:
            exported.files[model.label] = tuple(file.name for file in files)
    write_csv(out / "weights.csv", _lines(exported))
    return exported


def _lines(exported: Exported) -> Iterable[Line]:
    yield ["model", "files", "reason"]
    for label, files in exported.files.items():
        yield [label, " ".join(files), "" if files else "its predictor reads no weight"]
    for label, reason in exported.refused.items():
        yield [label, "", reason]


def _provenance(cohort: CohortSettings) -> dict[str, str]:
    if cohort.path is not None:
        return {"cohort": f"{cohort.path.name} ({cohort.layout})", "licence": "that of the cohort"}
    return {
        "cohort": f"simulated, site {cohort.simulated}, seed {cohort.seed}",
        "simulator": f"that of Gliotype {__version__}",
        "heads": heads_words(cohort.label_maps),
    }
