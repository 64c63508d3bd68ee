"""The protocol of an experiment: cohorts, sets, models and ablations, in TOML, checked before anything runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from gliotype.cohorts import IDH, LAYOUTS, TARGETS, Target
from gliotype.errors import InputError
from gliotype.experiment.parameters import make_method
from gliotype.experiment.registry import LOCATION_BASELINE, METHODS, predicts
from gliotype.paths import as_path
from gliotype.seeds import MAX_SEED
from gliotype.simulate.cohort.sites import SITES
from gliotype.tables import read_text_file

FULL = "hybrid"
"""Name of Model 2 with all parts, whose ablations leave some out."""

FUSION = "forest and image (2019)"
"""Name of the hybrid's first form."""

CROSS_VALIDATION = "cross-validation"
"""Name of the set of all patients who are divided into folds; each is tested by a training without him or her."""

HARMONISED = ("radiomics",)
"""Methods of numbers that differ between scanners."""

Metric = Literal["accuracy", "sensitivity", "specificity", "auroc", "auprc", "dice"]
"""Metrics of a test set that a paper may have published."""

Part = Literal["image", "T1C", "T2", "FLAIR", "outline", "shape", "loci", "age"]
"""What an ablation may use; the image is T1c, T2, FLAIR and the outline together."""


_FILE_NAME = re.compile(r"[^\W_][\w .,()+-]{0,99}(?<![ .])")


def _shipped() -> Path:
    """Return the folder of the shipped protocols, in an installed package or in the repository."""
    here = Path(__file__).resolve()
    installed = here.parent / "protocols"
    return installed if installed.is_dir() else here.parents[3] / "protocols"


SHIPPED = _shipped()
"""Protocols that can be run by their names."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ScannerSettings(_Strict):
    """How a simulated hospital scans; see `gliotype.train.data.simulated.Scanner`."""

    field_t: dict[Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?$")], Annotated[float, Field(ge=0)]]
    thickness_mm: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(le=20)]]
    missing: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _possible(self) -> ScannerSettings:
        if abs(sum(self.field_t.values()) - 1) > 1e-6:
            raise ValueError("the fractions of field_t must add up to 1")
        if self.thickness_mm[0] > self.thickness_mm[1]:
            raise ValueError("thickness_mm is the thinnest and the thickest slice")
        return self


class CohortSettings(_Strict):
    """Where patients come from: `simulated` at a site, or read from a folder (`path`) in a `layout`."""

    simulated: str | None = None
    patients: int | None = Field(default=None, gt=0, le=1_000_000)
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    label_maps: Path | None = Field(default=None, validation_alias=AliasChoices("label_maps", "anatomies"))
    scanner: ScannerSettings | None = None
    path: Path | None = None
    layout: str = "bids"
    exclude: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> CohortSettings:
        if (self.simulated is None) == (self.path is None):
            raise ValueError("give either simulated (a site) or path (a folder)")
        if self.simulated is not None and self.simulated not in SITES:
            raise ValueError(f"there is no site {self.simulated!r}: choose one of {', '.join(SITES)}")
        if self.simulated is not None and self.patients is None:
            raise ValueError("a simulated cohort needs patients, their number")
        foreign = {"layout"} if self.path is None else {"patients", "seed", "label_maps", "scanner"}
        if idle := sorted(foreign & self.model_fields_set):
            raise ValueError(
                f"{', '.join(idle)}: has no meaning with {'simulated' if self.simulated else 'path'}"
            )
        if self.layout not in LAYOUTS:
            raise ValueError(f"there is no layout {self.layout!r}: choose one of {', '.join(LAYOUTS)}")
        return self


def _check_mutants(patients: int | None, mutants: int | None) -> None:
    if mutants is not None and (patients is None or mutants > patients - 2):
        raise ValueError("mutants needs patients, their number with two wildtypes at least")


class SetSettings(_Strict):
    """Who is in a set: patients of a cohort, `patients` of them, `mutants` of these, with the values of `where`."""

    cohort: str
    role: Literal["training", "tuning", "test"]
    patients: int | None = Field(default=None, gt=0, le=1_000_000)
    mutants: int | None = Field(default=None, ge=2, le=1_000_000)
    where: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _some_wildtype(self) -> SetSettings:
        _check_mutants(self.patients, self.mutants)
        return self


class CrossValidationSettings(_Strict):
    """How a cohort is divided into folds; see `gliotype.experiment.splits`.

    `leave_out` names a column, such as ``site``: its values are the folds, and each is tested once.
    """

    cohort: str
    folds: int = Field(default=3, ge=3, le=100)
    repeats: int = Field(default=1, ge=1, le=100)
    leave_out: str | None = None
    patients: int | None = Field(default=None, gt=0, le=1_000_000)
    mutants: int | None = Field(default=None, ge=2, le=1_000_000)
    where: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_way(self) -> CrossValidationSettings:
        if self.leave_out is not None and (idle := sorted({"folds", "repeats"} & self.model_fields_set)):
            raise ValueError(f"{', '.join(idle)}: has no meaning with leave_out, whose values are the folds")
        _check_mutants(self.patients, self.mutants)
        return self


class HarmonisationSettings(_Strict):
    """How numbers are adjusted for the hospital, named in `column`; see `gliotype.train.common.harmonise`.

    A hospital without training patients is refused, or adjusted by its own patients without their classes (`unseen`).
    """

    column: str = "site"
    unseen: Literal["refuse", "own patients"] = "refuse"


class ModelSettings(_Strict):
    """How Model 2 is trained; see `gliotype.train.model2.model.Recipe`.

    `fusion` names the ablation with the image alone, whose score is then also joined with a forest
    (`gliotype.train.model2.forest_fusion`).
    """

    members: int = Field(default=3, ge=2, le=1000)
    ablation_members: int = Field(default=1, ge=1, le=1000)
    epochs: int = Field(default=40, ge=1, le=100_000)
    learning_rate: float = Field(default=2e-3, gt=0, le=1)
    fusion: str | None = None


class Protocol(_Strict):
    """The protocol of an experiment.

    `published` is written by set and metric for the first method, and by set, method and metric for any.

    Attributes:
        title: title of the report.
        note: one sentence on what the numbers show and what they do not.
        target: what is predicted: ``idh``, or ``codeletion`` among the IDH-mutant patients whose 1p/19q status is
            known; the baseline of age and location is then always among the methods.
        seed: random seed of splits and training.
        cohorts: cohorts by name.
        sets: sets by name, in the order of the tables; with `cross_validation` they are external tests.
        cross_validation: the cohort that is divided into folds, or None where `sets` says who trains and tunes.
        harmonisation: how the numbers of `HARMONISED` are adjusted in a further model of each, or None.
        learning_curve: numbers of training patients with which the methods are trained again.
        methods: names in `gliotype.experiment.registry.METHODS`; the first is the one that others are compared with.
        parameters: of methods other than those of Model 2, by method and parameter.
        model: how Model 2 is trained.
        ablations: parts of Model 2 that each further model uses, by name.
        variants: further models by name: a ``method`` with other parameters.
        published: published values by set, method and metric, printed next to the results.
    """

    title: str
    note: str
    target: Literal["idh", "codeletion"] = "idh"
    seed: int = Field(default=1, ge=0, le=MAX_SEED)
    cohorts: dict[str, CohortSettings] = Field(min_length=1)
    sets: dict[str, SetSettings] = Field(default_factory=dict)
    cross_validation: CrossValidationSettings | None = None
    harmonisation: HarmonisationSettings | None = None
    learning_curve: tuple[Annotated[int, Field(ge=4, le=1_000_000)], ...] = ()
    methods: tuple[str, ...] = Field(default=(FULL,), min_length=1)
    parameters: dict[str, dict[str, Any]] = Field(default_factory=dict)
    model: ModelSettings = ModelSettings()
    ablations: dict[str, tuple[Part, ...]] = Field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    published: dict[str, dict[str, dict[Metric, Annotated[float, Field(ge=0, le=1)]]]] = Field(
        default_factory=dict
    )

    @model_validator(mode="before")
    @classmethod
    def _published_of_the_first(cls, given: Any) -> Any:
        """Move published values without a method to the first method."""
        published, methods = given.get("published"), given.get("methods", [FULL])
        if not isinstance(published, dict) or not isinstance(methods, list) or not methods:
            return given
        whole: dict[str, Any] = {}
        for name, values in published.items():
            if isinstance(values, dict):
                own = {key: value for key, value in values.items() if not isinstance(value, dict)}
                others = {key: value for key, value in values.items() if isinstance(value, dict)}
                whole[name] = {**others, **({methods[0]: own | others.get(methods[0], {})} if own else {})}
            else:
                whole[name] = values
        return {**given, "published": whole}

    @model_validator(mode="before")
    @classmethod
    def _baseline_of_the_target(cls, given: Any) -> Any:
        """Add the baseline of age and location to the methods of a target other than IDH."""
        if not isinstance(given, dict) or given.get("target", IDH.name) == IDH.name:
            return given
        methods = given.get("methods", [FULL])
        if not isinstance(methods, list) or LOCATION_BASELINE in methods:
            return given
        return {**given, "methods": [*methods, LOCATION_BASELINE]}

    @model_validator(mode="after")
    def _methods_fit(self) -> Protocol:
        for name in self.methods:
            if name not in METHODS:
                raise ValueError(f"methods: there is no {name[:40]!r}: choose from {', '.join(METHODS)}")
            if not predicts(METHODS[name], self.target):
                raise ValueError(
                    f"methods: {name} is a published sign of IDH mutation, which is not trained: leave it out with the "
                    f"target {self.target}"
                )
        if twice := sorted({name for name in self.methods if self.methods.count(name) > 1}):
            raise ValueError(f"methods: {', '.join(twice)} is there twice")
        if self.harmonisation is not None and not self.harmonised:
            raise ValueError(f"harmonisation is of the method {', '.join(HARMONISED)}: add it to methods")
        if FULL not in self.methods and (self.ablations or self.model.fusion):
            raise ValueError(f"ablations and model.fusion are of the method {FULL}: add it to methods")
        for name, values in self.parameters.items():
            if name not in self.methods:
                raise ValueError(f"parameters.{name}: methods does not name it")
            make_method(name, values, self.seed)
        for name, values in self.variants.items():
            if values.get("method") not in self.methods:
                raise ValueError(f"variants.{name}: method must be one of methods, {', '.join(self.methods)}")
            others = {key: value for key, value in values.items() if key != "method"}
            if not others:
                raise ValueError(f"variants.{name}: it needs a parameter that differs from the method's")
            make_method(values["method"], others, self.seed)
        return self

    @model_validator(mode="after")
    def _sets_fit(self) -> Protocol:
        for name, chosen in self.all_sets.items():
            if chosen.cohort not in self.cohorts:
                where = "cross_validation" if name == CROSS_VALIDATION else f"sets.{name}"
                raise ValueError(f"{where}: there is no cohort {chosen.cohort!r}")
        folds = self.cross_validation is not None
        for role in ("training", "tuning"):
            if len(self.named(role)) != (0 if folds else 1):
                raise ValueError(
                    f"with cross_validation no set has the role {role}: the folds have it"
                    if folds
                    else f"exactly one set needs the role {role}, unless there is cross_validation"
                )
        if self.model.fusion is not None and self.ablations.get(self.model.fusion) != ("image",):
            raise ValueError(f"model.fusion: no ablation {self.model.fusion!r} has the image alone")
        if not self.tests:
            raise ValueError("at least one set needs the role test")
        if unknown := sorted(self.published.keys() - set(self.tests)):
            raise ValueError(f"published: there is no test set {', '.join(unknown)}")
        for name, methods in self.published.items():
            if unknown := sorted(methods.keys() - set(self.methods)):
                raise ValueError(f"published.{name}: methods does not name {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _names_fit(self) -> Protocol:
        if CROSS_VALIDATION in self.sets:
            raise ValueError(
                f"sets: {CROSS_VALIDATION!r} is the name of the patients who are divided into folds"
            )
        for name in (*self.sets, *self.ablations, *self.variants):
            if not _FILE_NAME.fullmatch(name):
                raise ValueError(
                    f"the name {name[:40]!r} becomes that of a file: begin it with a letter or digit, and use letters, "
                    "digits, blanks and _ . , ( ) + - alone, 100 at most"
                )
        for name in (*self.ablations, *self.variants):
            taken = (FUSION, *METHODS, *self.harmonised.values())
            if name in taken or (name in self.ablations and name in self.variants):
                raise ValueError(f"ablations, variants: {name!r} is the name of another model")
        for name, parts in self.ablations.items():
            if not parts:
                raise ValueError(f"ablations: {name!r} uses nothing")
        return self

    @property
    def aim(self) -> Target:
        """What is predicted, with the words for it."""
        return TARGETS[self.target]

    def named(self, role: str) -> tuple[str, ...]:
        """Return the names of the sets of a role."""
        return tuple(name for name, chosen in self.sets.items() if chosen.role == role)

    @property
    def harmonised(self) -> dict[str, str]:
        """Names of the models of adjusted numbers, by method."""
        if self.harmonisation is None:
            return {}
        return {name: f"{name}, harmonised" for name in self.methods if name in HARMONISED}

    @property
    def all_sets(self) -> dict[str, SetSettings]:
        """The sets by name; first, where there are folds, that of all patients who are divided into them."""
        folds = self.cross_validation
        if folds is None:
            return self.sets
        everybody = SetSettings(
            cohort=folds.cohort,
            role="test",
            patients=folds.patients,
            mutants=folds.mutants,
            where=folds.where,
        )
        return {CROSS_VALIDATION: everybody, **self.sets}

    @property
    def tests(self) -> tuple[str, ...]:
        """Names of the sets that have results."""
        return tuple(name for name, chosen in self.all_sets.items() if chosen.role == "test")


def find_protocol(given: str | Path) -> Path:
    """Return the file of a protocol: that of the path, or the shipped one of the name, such as ``choi2021``.

    Example:
        >>> find_protocol("choi2021").name
        'choi2021.toml'
    """
    given = as_path(given)
    if given.name != str(given) or given.exists():
        return given
    shipped = SHIPPED / f"{given.stem}.toml"
    return shipped if shipped.is_file() else given


def read_protocol(file: str | Path, label_maps: Path | None = None) -> Protocol:
    """Read and check a protocol; its paths are relative to the file.

    Args:
        file: TOML, or the name of a shipped protocol.
        label_maps: folder of whole-head label maps for the simulated cohorts that name none; these use the shipped
            template when None.

    Raises:
        InputError: if the file is missing, is not TOML, or holds unknown keys or values; it names each.
    """
    file = find_protocol(file)
    try:
        protocol = Protocol.model_validate(tomllib.loads(read_text_file(file, "TOML")))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in each['loc']) or 'protocol'}: {each['msg']}"
            for each in error.errors()
        )
        raise InputError(f"the protocol {file.name} does not fit: {wrong}") from error
    except RecursionError as error:
        raise InputError(f"the protocol {file.name} is nested too deeply: write plain tables") from error
    except ValueError as error:
        raise InputError(f"the protocol {file.name} is not TOML ({error}): correct that line") from error
    cohorts = {
        name: cohort.model_copy(
            update={
                key: file.parent / path
                for key in ("path", "label_maps")
                if (path := getattr(cohort, key)) is not None
            }
        )
        for name, cohort in protocol.cohorts.items()
    }
    if label_maps is not None:
        cohorts = {
            name: cohort.model_copy(update={"label_maps": label_maps})
            if cohort.simulated is not None and cohort.label_maps is None
            else cohort
            for name, cohort in cohorts.items()
        }
    return protocol.model_copy(update={"cohorts": cohorts})
