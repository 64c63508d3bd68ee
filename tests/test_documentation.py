"""The documentation against the code: constants that a page quotes, links, and the form of the sources."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import gliotype
from gliotype.answer.combine import DRAWS, RANGE
from gliotype.answer.model import answer_model
from gliotype.evaluate import metrics as evaluation
from gliotype.evaluate import predictive
from gliotype.explain.saliency import AROUND_MM
from gliotype.measure import acquired_grid
from gliotype.measure.dsc import (
    arteries,
    bolus,
    curves,
    deconvolution,
    leakage,
    numbers,
    warnings,
)
from gliotype.measure.mismatch import MAX_ENHANCING_PERCENT, MIN_ASSESSED_ML, RATIO, RIM_MM
from gliotype.measure.signal import RING_VOXELS
from gliotype.predictors import PREDICTORS, slices, trained
from gliotype.predictors import mismatch as sign
from gliotype.predictors.predictor import DEFAULT_PREVALENCE
from gliotype.prepare import bias, brain, dsc, head, intensity, motion, register
from gliotype.prepare import study as preparation
from gliotype.read import geometry
from gliotype.read.dicom import stack
from gliotype.read.identify import by_voxels, choose
from gliotype.serve.node import defaults
from gliotype.serve.node.settings import NodeLimits
from gliotype.simulate.dsc import series

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
WRITTEN = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]


def whole(fraction: float) -> str:
    """A fraction as whole percent."""
    return f"{100 * fraction:g} %"


limits = NodeLimits()
least_scale, most_scale = register.PLAUSIBLE_SCALES
least_ml, most_ml = head.BRAIN_VOLUME_ML

QUOTED: dict[str, tuple[str, ...]] = {
    "explanation/preparation.md": (
        f"({least_ml:g} to {most_ml:g} ml)",
        f"(under {head.BRAIN_AREA_CM2:g} cm²)",
        f"look at the brain and {preparation.FOCUS_MM:g} mm around it",
        f"similarity is below {register.MIN_SIMILARITY_AFFINE:g}",
        f"Dice of less than {register.MIN_OVERLAP:g} within the field",
        f"scaled by less than {least_scale:g}, by more than {most_scale:g}, or unevenly by more than "
        f"{register.MAX_UNEVEN_SCALES:g}",
        f"{preparation.SPACING_MM:g} mm, RAS+",
        f"within {preparation.MARGIN_MM:g} mm of the atlas's brain",
        f"Dice of less than {brain.MIN_AGREEMENT:g})",
        f"at most {brain.INWARD_MM} mm inward and {brain.OUTWARD_MM} mm outward",
        f"the {brain.INSIDE_MM} mm beneath it are brightest against the {brain.OUTSIDE_MM} mm above it",
        f"{brain.SPARE_MM:g} mm is added to be safe",
        f"within the brain on {bias.FIT_SPACING_MM:g} mm voxels",
        f"is at least {intensity.SURE_WHITE:g} (within the brain; a histogram of {intensity.BINS} bins",
        f"a Gaussian of {intensity.SMOOTH_BINS:g} bins",
        f"about {motion.SAMPLES[-1]:,} smoothed voxels of about {motion.WORKING_MM:g} mm",
        f"more than {dsc.STILL_MM:g} mm anywhere in the brain",
    ),
    "explanation/perfusion.md": (
        f"({whole(bolus.SMALLEST_DROP)}, or five standard deviations",
        f"takes longer than {bolus.LONGEST_RISE_S:g} s is not a bolus",
        f"Among the {whole(arteries.HIGHEST)} of voxels with the highest dR2*",
        f"fewer than {warnings.FEW_FRAMES} frames; frames more than {warnings.SLOW_S:g} s apart; a baseline of fewer "
        f"than {warnings.SHORT_BASELINE} frames",
        f"fewer than {warnings.LITTLE_WHITE} voxels of white matter",
    ),
    "explanation/answer.md": (
        f"the middle {100 * (RANGE[1] - RANGE[0]):.0f} % of {DRAWS:,} draws",
        f"standard deviations of {answer_model().hospital_slope_sd:g} and {answer_model().hospital_offset_sd:g}",
        f"at or above a probability of {answer_model().thresholds[1]:g}, *wildtype* at or below "
        f"{answer_model().thresholds[0]:g}",
        f"It is {DEFAULT_PREVALENCE:g} unless",
    ),
    "explanation/model2.md": (
        f"MNI152 orientation and scale, {slices.SPACING_MM:g} mm, {slices.SIZE} x {slices.SIZE}",
        f"the largest section, {slices.OFFSETS_MM[3]:g} and {slices.OFFSETS_MM[4]:g} mm above and below",
        f"clipped at {trained.LIMIT:g} SD",
        f"clipped at {slices.CLIP:g}",
        f"within {AROUND_MM:g} mm around",
    ),
    "explanation/predictors.md": (
        f"({DEFAULT_PREVALENCE:g} unless asked otherwise)",
        f"hardly enhances ({MAX_ENHANCING_PERCENT:g} % or less)",
        f"Under {sign.ADULT:g} years it does not apply, under {sign.YOUNG:g} it warns",
        *(f" | {stratum.astrocytomas} | {stratum.others} | " for stratum in sign.STRATA),
    ),
    "explanation/simulator.md": (" x ".join(str(n) for n in series.SHAPE) + " voxels",),
    "reference/measurements.md": (
        f"is {RING_VOXELS} or less on the 1 mm grid",
        f"each over white matter, exceeds {RATIO:g}",
        f"deeper than {RIM_MM:g} mm within the tumour / median FLAIR of the outer {RIM_MM:g} mm",
        f"below {MIN_ASSESSED_ML:g} ml the numbers",
        f"at most {MAX_ENHANCING_PERCENT:g} % of the tumour enhances",
        f"with {numbers.FEWEST_VOXELS} voxels or more on the DSC grid",
        f"S1 is the mean over {curves.RECOVERED_S:g} s after the first pass",
        f"dR2* of the {whole(bolus.DEEPEST)} of voxels with the deepest drop",
        f"is down to {whole(bolus.PASSED)} of its peak",
        f"at the latest {bolus.LONGEST_FALL_S:g} s after the peak",
        f"shifted by {leakage.SHIFTS_S[0]:g} to {leakage.SHIFTS_S[-1]:g} s",
        f"an exponential of {leakage.DISPERSIONS_S[0]:g} to {leakage.DISPERSIONS_S[-1]:g} s",
        f"k is {leakage.WASHOUT_PER_S[0]:g} to {leakage.WASHOUT_PER_S[-1]:g} /s",
        f"the {len(leakage.SHIFTS_S) * len(leakage.DISPERSIONS_S) * len(leakage.WASHOUT_PER_S)} combinations",
        f"oscillation index at most {deconvolution.OSCILLATION:g}",
        f"more than {acquired_grid.AWAY_MM:g} mm from the tumour",
        f"within {whole(acquired_grid.WHITE_WITHIN)} of the level",
        f"of which it fills {whole(acquired_grid.MOSTLY)}",
        f"With fewer than {numbers.FEWEST_VOXELS} voxels relative numbers are `None`",
    ),
    "reference/evaluate.md": (
        "for the prevalences " + ", ".join(f"{p:g}" for p in predictive.PREVALENCES[:-1]),
        "at each `threshold` " + ", ".join(f"{t:g}" for t in evaluation.THRESHOLDS[:-1]),
    ),
    "reference/identification.md": (
        f"a confidence of at most {by_voxels.MAX_CONFIDENCE:g}",
        f"less than {choose.HEAD_MM:g} mm along",
    ),
    "how-to/input.md": (
        f"refused if a gap exceeds {stack.MAX_GAP_MM:g} mm",
        f"by more than {geometry.MAX_SKEW_MM:g} mm at the far corner",
    ),
    "how-to/pacs.md": (
        f"{limits.associations} associations at a time, {limits.instance_bytes / 1e9:g} GB for an object, "
        f"{limits.study_bytes / 1e9:g} GB and {limits.study_instances // 1000} 000 objects for a study",
        f"{limits.pdu_s:g} seconds for a message to come in full; below {limits.free_bytes / 1e9:g} GB of free disk",
        f"(`--quiet`: {defaults.QUIET_S:g} seconds if not given)",
    ),
    "reference/cli.md": (f"between 0 and 1; {DEFAULT_PREVALENCE:g} if not given",),
}
"""What a page says, with each constant as the code has it."""


@pytest.mark.parametrize(
    ("page", "said"), [(page, said) for page, all_said in QUOTED.items() for said in all_said]
)
def test_constants_that_a_page_quotes_are_those_of_the_code(page: str, said: str) -> None:
    text = re.sub(r"\s+", " ", (DOCS / page).read_text(encoding="utf-8"))
    assert said in text


def test_every_method_has_a_section_in_the_page_of_predictors() -> None:
    text = (DOCS / "explanation" / "predictors.md").read_text(encoding="utf-8")
    assert {f"## `{predictor.name}`" for predictor in PREDICTORS} <= set(text.splitlines())


def prose(page: Path) -> list[str]:
    """Lines of a page without fenced and indented code."""
    lines, fenced = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        fenced ^= line.lstrip().startswith("```")
        if not fenced and not line.startswith(("    ", "```")):
            lines.append(line)
    return lines


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_rows_of_tables_can_be_read_in_the_source(page: Path) -> None:
    assert [line for line in prose(page) if line.startswith("|") and len(line) > 160] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_links_between_files_lead_somewhere(page: Path) -> None:
    text = "\n".join(prose(page))
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if not (page.parent / target.split("#")[0]).exists()] == []


def test_no_page_is_left_out_of_the_site() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page for page in PAGES if f": {page.relative_to(DOCS)}\n" not in navigation] == []


def test_the_version_is_the_same_everywhere() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {gliotype.__version__}\n" in citation
    assert f"\n## {gliotype.__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def locked() -> dict[str, list[dict[str, object]]]:
    """The packages of ``uv.lock`` by name."""
    packages: dict[str, list[dict[str, object]]] = {}
    for package in tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]:
        packages.setdefault(package["name"], []).append(package)
    return packages


def test_the_lock_file_takes_everything_from_one_index() -> None:
    sources = {str(package["source"]) for versions in locked().values() for package in versions}
    assert sources == {str({"editable": "."}), str({"registry": "https://pypi.org/simple"})}


def test_the_lock_file_has_what_the_project_asks_for_and_torch_only_with_an_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = locked()

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=! ]", requirement)[0].lower() for requirement in requirements}

    wanted = names(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        assert names(extra) <= packages.keys()
    reached: set[str] = set()
    while wanted:
        name = wanted.pop()
        reached.add(name)
        for package in packages[name]:
            dependencies = package.get("dependencies", [])
            assert isinstance(dependencies, list)
            wanted |= {dependency["name"] for dependency in dependencies} - reached
    assert "numpy" in reached
    assert not {name for name in reached if name == "torch" or name.startswith(("nvidia", "cuda"))}


ABANDONED_NAMES = (
    r"\b(staging|levelled|brought_brain|kind_said|expect_whole|written_(whole|together))\b",
    r"\b(?<!ImageDraw\.)\b(Side|Freedom|Doubter|Verdict|Draw|Heads|Look|Said|Many)\b(?=[(:\[])",
    r"\bSequence as Many\b",
    r"\b(def|class) (opened|evened|straightened|matched|stacked|separated|decoded|resting|moments|words|entries)\b",
    r"\b(def|class) (shares|cautions|kept|member|told|shown|digest|record|precision|suspect|judge)\b",
    r"\b(def|class) (look|climb|doubts|tell|note|cut|convinced)\b",
    r"\b_?climb\w*\(|\bfreedom: |\btold_\w+|\b(load|save)_kept\b|\bKept[A-Z]\w*|\bkept_(image|labels|brain|study)\b",
    r"\b(staging|weight|kept)\.py\b",
)
"""Names that gave way to the field's terms, with the definitions and calls by which they would come back."""

ABANDONED_PROSE = (
    r"\bbesides?\b",
    r"\b(is|are|was|were|been|be|not) told\b",
    r"\bgo(es)? on\b",
    r"\bfor want of\b",
    r"\bfrom which on\b",
    r"\bof everything random\b",
    r"\bis no (folder|file)\b",
    r"\bmend(s|ed|ing)?\b",
    r"\bto part\b",
    r"\bkept (study|studies)\b",
)
"""Phrases that a native writer does not use, or uses for something else."""


def sources() -> list[Path]:
    """Every text of the repository that somebody reads, this file aside."""
    found = [path for end in ("py", "md", "toml", "js", "j2") for path in ROOT.glob(f"*/**/*.{end}")]
    top = [*ROOT.glob("*.md"), ROOT / "mkdocs.yml", ROOT / "Makefile", ROOT / "pyproject.toml"]
    others = {".venv", "build", "site-packages", "shared"}
    return [
        path
        for path in (*found, *top)
        if path != Path(__file__) and not others & set(path.relative_to(ROOT).parts)
    ]


def test_abandoned_words_stay_out() -> None:
    """Names with their case, prose without; a word may still have its everyday meaning where no pattern finds it."""
    names = re.compile("|".join(ABANDONED_NAMES))
    prose = re.compile("|".join(ABANDONED_PROSE), re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if names.search(line) or prose.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "from gliotype.kept import load_kept",
        "class KeptStudy:",
        "def told(self) -> str:",
        "A node beside the PACS",
        "what the node is told",
        "it goes on where it stopped",
        "threshold from which on it counts",
    ],
)
def test_an_abandoned_word_would_be_found(line: str) -> None:
    prose = re.compile("|".join(ABANDONED_PROSE), re.IGNORECASE)
    assert re.search("|".join(ABANDONED_NAMES), line) or prose.search(line)
