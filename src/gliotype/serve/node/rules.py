"""The rules file of a node: which studies are processed, at which prevalence, with which site calibration."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from gliotype.errors import InputError

_TOP = {"prevalence", "site", "rule"}
_RULE = {"name", "senders", "descriptions", "ages", "process", "prevalence", "site"}


@dataclass(frozen=True)
class Options:
    """Options of `gliotype predict` for a study; None leaves its default."""

    prevalence: float | None = None
    site: Path | None = None

    def arguments(self) -> list[str]:
        """Options of the command line.

        Example:
            >>> Options(0.4, Path("a.json")).arguments()
            ['--prevalence', '0.4', '--site', 'a.json']
        """
        prevalence = [] if self.prevalence is None else ["--prevalence", f"{self.prevalence:g}"]
        return [*prevalence, *([] if self.site is None else ["--site", str(self.site)])]


@dataclass(frozen=True)
class Described:
    """What the rules look at.

    Attributes:
        sender: AE title that sent the study.
        description: of the study.
        age: of the patient in years, from the headers.
    """

    sender: str
    description: str
    age: float | None


@dataclass(frozen=True)
class Rule:
    """One rule; it applies where all that it names fits.

    Attributes:
        name: for the log and the status.
        senders: patterns of AE titles; any if empty.
        descriptions: patterns of study descriptions, in lower case; any if empty.
        ages: lowest and highest age in years; a study without an age does not fit. Any if None.
        process: whether studies to which it applies are processed.
        options: of the prediction.
    """

    name: str
    senders: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    ages: tuple[float, float] | None = None
    process: bool = True
    options: Options = Options()

    def applies(self, study: Described) -> bool:
        """Whether it applies to a study.

        Example:
            >>> rule = Rule("adults", descriptions=("*brain*",), ages=(18, 120))
            >>> rule.applies(Described("PACS", "MR Brain", 44)), rule.applies(Described("PACS", "MR Brain", None))
            (True, False)
        """
        return (
            _any_fits(study.sender, self.senders)
            and _any_fits(study.description.lower(), self.descriptions)
            and (self.ages is None or (study.age is not None and self.ages[0] <= study.age <= self.ages[1]))
        )


@dataclass(frozen=True)
class Rules:
    """All rules of a node: the first that applies decides; without rules every study is processed.

    Attributes:
        rules: in the order of the file.
        options: of the prediction where no rule says otherwise.
    """

    rules: tuple[Rule, ...] = ()
    options: Options = Options()

    def decide(self, study: Described) -> tuple[Options | None, str]:
        """Decide about a study.

        Returns:
            The options of its prediction, or None if it is not to be processed; and why.
        """
        if not self.rules:
            return self.options, "there are no rules"
        for rule in self.rules:
            if rule.applies(study):
                return (rule.options if rule.process else None), f"rule {rule.name!r}"
        return None, "no rule applies"


def _any_fits(text: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)


def read_rules(file: Path) -> Rules:
    """Read and check a rules file.

    Raises:
        InputError: if it cannot be read, a key is unknown, or a value is not what it should be.
    """
    try:
        with file.open("rb") as stream:
            document = tomllib.load(stream)
    except OSError as error:
        raise InputError(
            f"cannot read the rules {file} ({error.strerror}): name a file of rules (docs/how-to/pacs.md)"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the rules {file} are not TOML ({error}): correct them") from error
    _refuse_unknown(document, _TOP, "the rules")
    common = _options(document, Options(), file, "the rules")
    entries = document.get("rule", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError("in the rules, rule must be a list of tables: begin each with [[rule]]")
    return Rules(tuple(_rule(entry, number, common, file) for number, entry in enumerate(entries, 1)), common)


def _rule(entry: Mapping[str, Any], number: int, common: Options, file: Path) -> Rule:
    where = f"rule {number}"
    _refuse_unknown(entry, _RULE, where)
    name = entry.get("name", str(number))
    if not isinstance(name, str):
        raise InputError(f"{where}: name is {name!r}: give a text")
    process = entry.get("process", True)
    if not isinstance(process, bool):
        raise InputError(f"{where}: process is {process!r}: give true or false")
    return Rule(
        name=name,
        senders=_texts(entry, "senders", where),
        descriptions=tuple(text.lower() for text in _texts(entry, "descriptions", where)),
        ages=_ages(entry.get("ages"), where),
        process=process,
        options=_options(entry, common, file, where),
    )


def _options(entry: Mapping[str, Any], common: Options, file: Path, where: str) -> Options:
    from gliotype.answer.site import read_site

    prevalence, site = entry.get("prevalence"), entry.get("site")
    if prevalence is not None:
        if not _is_number(prevalence) or not 0 < prevalence < 1:
            raise InputError(
                f"{where}: prevalence is {prevalence!r}: give a number between 0 and 1, such as 0.3"
            )
        common = replace(common, prevalence=float(prevalence))
    if site is not None:
        if not isinstance(site, str):
            raise InputError(
                f"{where}: site is {site!r}: give the path of a file that gliotype calibrate wrote"
            )
        path = (file.parent / site).absolute()
        read_site(path)
        common = replace(common, site=path)
    return common


def _refuse_unknown(entry: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(entry) - known)
    if unknown:
        raise InputError(f"{where}: {unknown[0]!r} is unknown: give one of {', '.join(sorted(known))}")


def _texts(entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = entry.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise InputError(f'{where}: {key} is {values!r}: give a list of texts, such as ["*brain*"]')
    return tuple(values)


def _ages(value: object, where: str) -> tuple[float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(_is_number(each) for each in value):
        raise InputError(f"{where}: ages is {value!r}: give the lowest and the highest, such as [18, 120]")
    if not 0 <= value[0] <= value[1]:
        raise InputError(f"{where}: ages is {value!r}: give the lower age first")
    return float(value[0]), float(value[1])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
