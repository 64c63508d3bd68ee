"""What a person sees on the terminal: progress on stderr, the answer on stdout, and what to install."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from gliotype.errors import UsageError
from gliotype.report import words
from gliotype.report.summary import Summary, summarise
from gliotype.result import Call, Result

STYLES = {
    Call.MUTANT: "bold blue",
    Call.WILDTYPE: "bold dark_orange3",
    Call.INDETERMINATE: "bold",
    Call.NO_TUMOUR: "bold",
}


@contextmanager
def show_progress() -> Iterator[Callable[[str], None]]:
    """Lend a function that shows the current stage on stderr: one changing line, or a line for each stage."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        yield console.print
        return
    with console.status("start") as status:
        yield lambda stage: status.update(Text(stage))


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Say what to install where a package of an extra is missing among the imports within.

    Args:
        name: of the extra.

    Raises:
        UsageError: if a package is missing; a missing module of Gliotype's own is a defect, and passes.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("gliotype"):
            raise
        raise UsageError(f"{error.name} is not installed: pip install 'gliotype[{name}]'") from error


def print_summary(result: Result, files: tuple[Path, ...]) -> None:
    """Print the answer with its reasons, the evidence, what is missing, the warnings and where the files are."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    summary = summarise(result)
    console.print(Text(summary.title, STYLES[summary.call]))
    for title, lines in _paragraphs(result, summary, files):
        for line in lines:
            console.print(Text.assemble((f"{title:<13}", "dim"), line))
            title = ""
    console.print(Text(words.RESEARCH_USE, "dim"))


def _paragraphs(
    result: Result, summary: Summary, files: tuple[Path, ...]
) -> Iterator[tuple[str, Iterable[str]]]:
    tumour = result.tumour
    if summary.headline is None:
        yield "Because", [summary.explanation, *summary.reasons]
    else:
        yield "P(mutant)", [summary.headline]
        yield "Age alone", filter(None, [summary.age_alone])
        yield "Because", summary.reasons
        yield "Evidence", [f"{line.contribution}  {line.name} ({line.weight})" for line in summary.evidence]
    if tumour.found:
        regions = ", ".join(
            f"{words.REGION_WORDS[name].lower()} {words.number(ml, 'ml')}"
            for name, ml in tumour.regions_ml.items()
            if ml is not None
        )
        yield "Tumour", [": ".join(filter(None, [words.number(tumour.volume_ml, "ml"), regions]))]
    yield "Missing", summary.missing
    yield "Warnings", summary.warnings
    yield "Written", [str(path) for path in files]
