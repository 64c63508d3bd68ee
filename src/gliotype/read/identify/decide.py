"""Decide what header and name leave open, for the images of a study together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gliotype.errors import InputError
from gliotype.read.identify.by_voxels import MAX_LABELS, name_nameless
from gliotype.read.identify.choose import Candidate
from gliotype.read.identify.contrast_order import decide_contrast
from gliotype.read.identify.copies import without_copies
from gliotype.read.identify.voxel_access import VoxelAccess, count_values
from gliotype.read.series import Loaded, Series
from gliotype.study import Sequence


@dataclass(frozen=True, eq=False)
class Decision:
    """What became of the images of a source.

    Attributes:
        candidates: identified as far as possible, in the same order.
        loaded: the voxels that had to be read.
        errors: of images that could not be read.
        warnings: about copies and what stays ambiguous.
    """

    candidates: list[Candidate]
    loaded: Mapping[Series, Loaded]
    errors: list[InputError]
    warnings: list[str]


def decide_together(
    candidates: list[Candidate], used: Mapping[Sequence, tuple[Candidate, Loaded]]
) -> Decision:
    """Dismiss masks and copies, name the nameless by their voxels, and distinguish T1 from T1c.

    Args:
        candidates: all images of a source, identified by header and name.
        used: images whose sequence is certain already, with their voxels.
    """
    access = VoxelAccess.holding(used)
    certain = [candidate for candidate, _ in used.values()]
    candidates = [_without_masks(c, access) for c in candidates]
    candidates, copied = without_copies(candidates, access)
    candidates, nameless = name_nameless(candidates, certain, access)
    candidates, ambiguous = decide_contrast(candidates, certain, nameless, access)
    return Decision(candidates, access.loaded, access.errors, [*copied, *ambiguous])


def _without_masks(candidate: Candidate, access: VoxelAccess) -> Candidate:
    """Dismiss an image that a word calls a mask, perhaps, if it holds as few values as a mask."""
    clause = candidate.identity.possible_mask
    if not clause or candidate.series.info.frames > 1 or candidate.series.problem is not None:
        return candidate
    volume = access.volume(candidate)
    if volume is None or (values := count_values(volume)) > MAX_LABELS:
        return candidate
    return candidate.dismissed(
        f"Not used: {clause}, and it holds only {values} different values, as a mask does."
    )
