"""Find images that are in a study twice: sent again under new identifiers, or copied under another name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gliotype.read.identify.choose import Candidate, ranked
from gliotype.read.identify.voxel_access import VoxelAccess
from gliotype.study import STRUCTURAL, Sequence


def without_copies(candidates: list[Candidate], access: VoxelAccess) -> tuple[list[Candidate], list[str]]:
    """Dismiss all but one of the images that hold the same voxels, with a warning.

    Only images that may be of one sequence and lie on the same grid are compared. T1 and T1c with the same voxels are
    both retained, with a warning: one of them is mislabelled, and nothing shows which.
    """
    warnings = []
    result = {candidate.series: candidate for candidate in candidates}
    for alike in _alike(candidates):
        first, *others = ranked(alike)
        copies = [c for c in others if _same_voxels(first, c, access)]
        same = [c for c in copies if c.identity.sequence is first.identity.sequence]
        if same:
            listed = " and ".join(c.series.source for c in [first, *same])
            warnings.append(f"{listed} hold the same voxels: the first was used, the rest are copies.")
        for copy in same:
            access.forget(copy)
            result[copy.series] = copy.dismissed(
                f"Not used: it holds the same voxels as {first.series.source}."
            )
        if len(same) < len(copies):
            other = next(c for c in copies if c not in same)
            warnings.append(
                f"{first.series.source} and {other.series.source} hold the same voxels, though one is called T1 and "
                "the other T1c: one of them is not what it is called, name the right files with --t1 and --t1c."
            )
    return [result[c.series] for c in candidates], warnings


def _alike(candidates: list[Candidate]) -> Iterator[list[Candidate]]:
    """Group the images whose headers do not distinguish them."""
    groups: list[list[Candidate]] = []
    for candidate in candidates:
        series, identity = candidate.series, candidate.identity
        if series.grid is None or series.problem is not None:
            continue
        if series.info.frames > 1 and identity.sequence is not Sequence.DSC:
            continue
        if identity.sequence is None and not identity.open:
            continue
        for group in groups:
            if _may_be_copies(group[0], candidate):
                group.append(candidate)
                break
        else:
            groups.append([candidate])
    return (group for group in groups if len(group) > 1)


def _may_be_copies(a: Candidate, b: Candidate) -> bool:
    first, second = a.series.info.acquisition, b.series.info.acquisition
    if a.series.grid is None or b.series.grid is None or not a.series.grid.same_as(b.series.grid):
        return False
    if a.series.info.frames != b.series.info.frames:
        return False
    times = [(first.te_ms, second.te_ms), (first.tr_ms, second.tr_ms), (first.ti_ms, second.ti_ms)]
    if any(x is not None and y is not None and x != y for x, y in times):
        return False
    return _family(a) == _family(b)


def _family(candidate: Candidate) -> str:
    """Name the kind within which images are compared: T1 and T1c are one, and so are nameless images."""
    identity = candidate.identity
    if identity.open:
        return "open"
    return "T1" if identity.sequence is Sequence.T1C else str(identity.sequence)


def _same_voxels(a: Candidate, b: Candidate, access: VoxelAccess) -> bool:
    """Compare two images voxel by voxel, where at least one of them would be read anyway."""
    if a.identity.sequence is not None and a.identity.sequence not in (
        *STRUCTURAL,
        Sequence.ADC,
        Sequence.DSC,
    ):
        return False
    first, second = access.volume(a), access.volume(b)
    return first is not None and second is not None and np.array_equal(first.array, second.array)
