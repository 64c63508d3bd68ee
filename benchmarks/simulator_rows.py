"""The rows of `benchmarks/simulator.py`: one number each, as published and as the simulated patients reach it.

Frequencies and volumes are counted over many drawn plans of each class, since plans cost nothing; what needs an image
is measured in the simulated patients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from simulated_rows import Row
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gliotype.evaluate.decisions import mean_of, proportion
from gliotype.evaluate.roc import Estimate, auroc
from gliotype.predictors.ensemble import Z95
from gliotype.simulate.lesion.glioma import GliomaType, TumourPlan, draw_plan

PLANS = 2000
"""Plans drawn of each class."""

GBM, LOW, ASTRO, OLIGO = (
    GliomaType.GLIOBLASTOMA,
    GliomaType.WILDTYPE_LOWER_GRADE,
    GliomaType.ASTROCYTOMA,
    GliomaType.OLIGODENDROGLIOMA,
)
SHORT = {GBM: "glioblastoma", LOW: "lower-grade wildtype", ASTRO: "astrocytoma", OLIGO: "oligodendroglioma"}

SIGNAL = {
    "T1C_mean": ((0.83, 0.10), (1.03, 0.13)),
    "T1C_p95": ((1.17, 0.20), (1.75, 0.37)),
    "T1_mean": ((0.87, 0.10), (0.93, 0.07)),
    "T2_mean": ((1.67, 0.30), (1.50, 0.20)),
    "FLAIR_mean": ((1.59, 0.17), (1.53, 0.16)),
    "FLAIR_p5": ((1.12, 0.12), (1.05, 0.11)),
}
"""Tumour over ring in UCSF-PDGM: mean and SD in mutant (n = 61) and wildtype (n = 257)."""


@dataclass(frozen=True)
class Published:
    """A published number and what was reached.

    Attributes:
        name: of the number.
        low: lower end of the published range.
        high: its upper end.
        source: where it is published.
        n: simulated patients or plans.
        reached: with its 95 % interval, or None where there are too few patients.
    """

    name: str
    low: float
    high: float
    source: str
    n: int
    reached: Estimate | None

    @property
    def met(self) -> str:
        """Whether the number lies in the published range, or its interval at least reaches into it."""
        if self.reached is None:
            return "too few"
        if self.low <= self.reached.value <= self.high:
            return "yes"
        return (
            "within the interval"
            if self.reached.low <= self.high and self.low <= self.reached.high
            else "**no**"
        )

    def __str__(self) -> str:
        range_ = f"{self.low:.2f}" if self.low == self.high else f"{self.low:.2f} to {self.high:.2f}"
        return f"| {self.name} | {range_} | {self.source} | {self.n} | {self.reached or '-'} | {self.met} |"


def draw_plans() -> dict[GliomaType, list[TumourPlan]]:
    """Draw the plans over which frequencies are counted."""
    rng = np.random.default_rng(2021)
    return {kind: [draw_plan(rng, kind) for _ in range(PLANS)] for kind in GliomaType}


Property = Callable[[TumourPlan], bool]
HAS: dict[str, Property] = {
    "enhances": lambda plan: plan.enhancing_fraction > 0,
    "does not enhance": lambda plan: plan.enhancing_fraction == 0,
    "mismatch": lambda plan: plan.mismatch,
    "necrosis": lambda plan: plan.necrotic_fraction > 0 and not plan.cystic,
    "calcification": lambda plan: plan.calcified_fraction > 0,
    "cyst": lambda plan: plan.cystic,
    "several foci": lambda plan: plan.seeds > 1,
}
"""Properties that are counted."""

Kinds = tuple[GliomaType, ...]
FREQUENCIES: tuple[tuple[str, str | None, Kinds, tuple[int, ...], float, float, str], ...] = (
    ("enhances", None, (GBM,), (4,), 0.95, 0.99, "reviews"),
    ("enhances", None, (LOW,), (2,), 0.30, 0.47, "Acad Radiol 2021 (38 %)"),
    ("enhances", None, (LOW,), (3,), 0.45, 0.65, "reviews"),
    ("enhances", None, (ASTRO,), (2,), 0.10, 0.20, "reviews"),
    ("enhances", None, (ASTRO,), (3,), 0.35, 0.55, "reviews"),
    ("enhances", None, (ASTRO,), (4,), 0.75, 0.95, "reviews"),
    ("enhances", None, (OLIGO,), (2,), 0.20, 0.30, "reviews"),
    ("enhances", None, (OLIGO,), (3,), 0.50, 0.70, "reviews"),
    ("enhances", None, (ASTRO, OLIGO), (2,), 0.15, 0.27, "Acad Radiol 2021 (20 %)"),
    ("necrosis", None, (GBM,), (4,), 0.85, 0.90, "reviews"),
    ("necrosis", None, (ASTRO,), (4,), 0.40, 0.50, "reviews"),
    ("necrosis", None, (LOW, ASTRO, OLIGO), (2, 3), 0.0, 0.05, "reviews"),
    ("calcification", None, (OLIGO,), (2, 3), 0.40, 0.60, "reviews"),
    ("calcification", None, (ASTRO, OLIGO), (2,), 0.19, 0.33, "Acad Radiol 2021 (25 %)"),
    ("calcification", None, (LOW,), (2,), 0.01, 0.08, "Acad Radiol 2021 (2.4 %)"),
    ("mismatch", "does not enhance", (ASTRO,), (2, 3), 0.40, 0.51, "Broen 2018 (51 %)"),
    ("mismatch", None, (ASTRO,), (2, 3), 0.28, 0.58, "Park 2021 (42 %)"),
    ("mismatch", "enhances", (ASTRO,), (2, 3), 0.05, 0.40, "rarer than without enhancement"),
    ("mismatch", None, (ASTRO,), (4,), 0.19, 0.35, "ReSPOND (26.4 %)"),
    ("mismatch", None, (OLIGO,), (2, 3), 0.05, 0.09, "Mugla 2020 (9.3 %)"),
    ("mismatch", None, (LOW,), (2, 3), 0.001, 0.02, "pooled (1 %)"),
    ("mismatch", None, (GBM,), (4,), 0.001, 0.01, "ReSPOND (0.4 %)"),
    ("several foci", None, (GBM,), (4,), 0.10, 0.20, "reviews (15 %)"),
    ("several foci", None, (ASTRO, OLIGO), (2, 3, 4), 0.01, 0.05, "reviews (3 %)"),
)
"""Property, among which tumours, classes, grades, published range, source."""


def plan_rows(plans: dict[GliomaType, list[TumourPlan]]) -> list[Published]:
    """Frequencies of enhancement, necrosis, calcification and mismatch, and volumes."""
    rows = []
    for has, among, kinds, grades, low, high, source in FREQUENCIES:
        of = [plan for kind in kinds for plan in plans[kind] if plan.grade in grades]
        if among is not None:
            of = [plan for plan in of if HAS[among](plan)]
        name = f"{has}: {' and '.join(SHORT[kind] for kind in kinds)}, grade {'-'.join(map(str, grades))}"
        name += "" if among is None else f" ({among})"
        rows.append(Published(name, low, high, source, len(of), proportion(sum(map(HAS[has], of)), len(of))))
    return rows + _volumes(plans)


def _volumes(plans: dict[GliomaType, list[TumourPlan]]) -> list[Published]:
    """Mean of ln(volume in ml) by class and grade; the ranges are those of the cohorts' means."""
    rows = []
    for kind, grade, low, high, source in (
        (GBM, 4, 4.20, 4.51, "UCSF, UPENN, TCGA (n = 656)"),
        (LOW, 2, 3.73, 4.96, "UCSF, TCGA (n = 11)"),
        (LOW, 3, 2.40, 3.49, "UCSF, TCGA (n = 15)"),
        (ASTRO, 2, 3.42, 4.81, "UCSF, TCGA (n = 35)"),
        (ASTRO, 3, 4.43, 4.59, "UCSF, TCGA (n = 42)"),
        (ASTRO, 4, 4.42, 4.68, "UCSF, UPENN (n = 45)"),
        (OLIGO, 2, 2.47, 4.83, "UCSF, TCGA (n = 9)"),
        (OLIGO, 3, 3.88, 5.35, "UCSF, TCGA (n = 6)"),
    ):
        of = np.log([plan.volume_ml for plan in plans[kind] if plan.grade == grade])
        rows.append(
            Published(
                f"ln(ml): {SHORT[kind]}, grade {grade}",
                low,
                high,
                source,
                len(of),
                mean_of(of) if len(of) else None,
            )
        )
    return rows


def image_rows(rows: list[Row]) -> list[Published]:
    """What is measured in images: fluid on FLAIR, the sign, ages, signal over ring, and how well they discriminate."""
    lower = [row for row in rows if row.grade < 4]
    highest = [row for row in rows if row.grade == 4]
    quiet = [row for row in lower if not row.enhancing]
    dark = [row.ventricle < 0.5 for row in rows]
    found = [
        Published(
            "ventricles darker than half of white matter on FLAIR",
            0.95,
            1.0,
            "fluid is nulled",
            len(rows),
            proportion(sum(dark), len(dark)),
        ),
        _discrimination("AUROC of age", rows, lambda r: -r.age, 0.80, 0.90, "TCGA, UCSF"),
        _discrimination("AUROC of T1c p95 over ring", rows, _t1c, 0.88, 0.93, "UCSF"),
        _discrimination("the same, grades 2-3", lower, _t1c, 0.0, 0.75, "design value"),
        _share(
            "measured sign: astrocytoma 2-3, not enhancing",
            [r for r in quiet if r.type is ASTRO],
            0.35,
            0.51,
            "pooled, Broen 2018",
        ),
        _share(
            "measured sign: the other non-enhancing 2-3",
            [r for r in quiet if r.type is not ASTRO],
            0.0,
            0.03,
            "pooled",
        ),
        _cross_validated(
            "AUROC of age, 3 loci, sphericity, S/V (5-fold)", rows, _six_features, 0.87, 0.90, "Choi 2021"
        ),
        _cross_validated(
            "grade 4: age, frontal, mismatch (5-fold)", highest, _age_place_mismatch, 0.90, 1.0, "ReSPOND"
        ),
        _cross_validated("grade 4: shape and signal (5-fold)", highest, _image, 0.65, 0.80, "reviews"),
    ]
    for mutant, name, low, high, n in (
        (True, "mutant", 0.01, 0.48, 61),
        (False, "wildtype", 0.01, 0.25, 257),
    ):
        of = [row for row in rows if row.mutant is mutant]
        found.append(
            Published(
                f"rank correlation of age and T1c mean: {name}",
                low,
                high,
                f"UCSF (n = {n})",
                len(of),
                _spearman(of),
            )
        )
    return found + _ring_means(rows)


def _ring_means(rows: list[Row]) -> list[Published]:
    """Means of tumour over ring; the range is the 95 % interval of the published mean."""
    found = []
    for name, classes in SIGNAL.items():
        for mutant, (mean, sd), n in zip((True, False), classes, (61, 257), strict=True):
            values = np.array(
                [
                    v
                    for r in rows
                    if r.mutant is mutant and (v := r.signal.get(f"{name}_over_ring")) is not None
                ]
            )
            half, kind = Z95 * sd / n**0.5, "mutant" if mutant else "wildtype"
            found.append(
                Published(
                    f"{name.replace('_', ' ')} over ring, {kind} (SD {sd:.2f}; {values.std():.2f})",
                    mean - half,
                    mean + half,
                    f"UCSF (n = {n})",
                    len(values),
                    mean_of(values),
                )
            )
    return found


def _spearman(rows: list[Row]) -> Estimate | None:
    """Rank correlation of age with T1c mean over ring, with Fisher's interval."""
    if len(rows) < 10:
        return None
    value = float(
        stats.spearmanr([r.age for r in rows], [r.signal["T1C_mean_over_ring"] for r in rows]).statistic
    )
    half = 1.06 * Z95 / (len(rows) - 3) ** 0.5
    return Estimate(value, float(np.tanh(np.arctanh(value) - half)), float(np.tanh(np.arctanh(value) + half)))


def _share(name: str, of: list[Row], low: float, high: float, source: str) -> Published:
    reached = proportion(sum(row.sign == 1.0 for row in of), len(of)) if of else None
    return Published(name, low, high, source, len(of), reached)


def _six_features(row: Row) -> list[float]:
    """The features of Choi's first model (2019)."""
    radius = (3 * row.mask["ml"] / (4 * np.pi)) ** (1 / 3)  # cm; of the sphere of the same volume
    surface_over_volume = 3 / (radius * row.mask["sphericity"])
    return [
        row.age,
        *(row.mask[name] for name in ("Frontal", "Parietal", "Thalamus")),
        row.mask["sphericity"],
        surface_over_volume,
    ]


def _age_place_mismatch(row: Row) -> list[float]:
    return [
        row.age,
        row.mask["Frontal"],
        float("nan") if row.mismatch_fraction is None else row.mismatch_fraction,
    ]


def _image(row: Row) -> list[float]:
    signal = (row.signal.get(f"{name}_over_ring", float("nan")) for name in SIGNAL)
    return [row.mask["sphericity"], row.mask["flatness"], *signal]


def _cross_validated(
    name: str, rows: list[Row], features: Callable[[Row], list[float]], low: float, high: float, source: str
) -> Published:
    """AUROC of a ridge-logistic model in patients that it was not fitted on."""
    truth = np.array([row.mutant for row in rows])
    if min(truth.sum(), (~truth).sum()) < 5:
        return Published(name, low, high, source, len(rows), None)
    table = np.array([features(row) for row in rows], dtype=float)
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores: NDArray[np.floating] = cross_val_predict(model, table, truth, cv=folds, method="predict_proba")[
        :, 1
    ]
    return Published(name, low, high, source, len(rows), auroc(truth.tolist(), scores.tolist()))


def _t1c(row: Row) -> float:
    return -row.signal.get("T1C_p95_over_ring", 0.0)


def _discrimination(
    name: str, rows: list[Row], score: Callable[[Row], float], low: float, high: float, source: str
) -> Published:
    if min(sum(row.mutant is m for row in rows) for m in (True, False)) < 2:
        return Published(name, low, high, source, len(rows), None)
    return Published(
        name, low, high, source, len(rows), auroc([row.mutant for row in rows], [score(row) for row in rows])
    )
