"""T2-net and TS-net: the class of every voxel, and the vote of the voxels.

After Bangalore Yogananda 2020 (Neuro-Oncology 22:402): a network gives each voxel the probabilities of background,
IDH-mutant tumour and IDH-wildtype tumour. Both tumour classes together are the tumour (dual-volume fusion), small
components are dropped, and the remaining voxels vote.

As published, overlapping patches cover the whole brain; here the fewest patches that do cover the tumour that was
found and `MIN_MARGIN` voxels around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.findings import Finding, NotApplicable, Reason, Statement
from gliotype.masks import box_around, dice
from gliotype.predictors.image_quality import edge_evenness, finest_detail, image_fault
from gliotype.predictors.predictor import DEFAULT_PREVALENCE, Needs
from gliotype.predictors.trained import TrainedEnsemble, load_ensemble
from gliotype.runtime import Network
from gliotype.segment.model1 import GRID, scale
from gliotype.segment.tumour import strip_to_network_grid
from gliotype.study import Measurements, PreparedStudy, Sequence, Subject, Tumour
from gliotype.text import percent
from gliotype.volume import Box, Volume

PATCH = 32
"""Voxels of a patch along each axis."""

CLASSES = ("background", "mutant", "wildtype")
"""Order of the networks' output channels."""

T2_NET: tuple[Sequence, ...] = (Sequence.T2,)
TS_NET: tuple[Sequence, ...] = (Sequence.T2, Sequence.FLAIR, Sequence.T1C)
"""Order of the networks' image channels."""

MIN_RELATIVE_SIZE = 0.1
"""A further component must hold this fraction of the largest one's voxels."""

MIN_MARGIN, MAX_MARGIN = 4, 8
"""Voxels of 2 mm around the found tumour that the patches cover at least, and at most where there are several."""

MIN_OVERLAP = 0.3
"""Dice of the tumour that a network sees with the found one below which its voxels have no vote.

The first 15 development patients have at least 0.39 with TS-net; 3 have at least 0.52 with T2-net, 0.49 with a quarter
of the lines of k-space corrupted.
"""

MAX_EVENNESS = {"t2net": 0.981, "tsnet": 0.985}
"""Evenness of edges above which a network does not use an image: from there on it loses 0.05 or more of its Dice with
the true tumour on simulated images of moving heads (``benchmarks/voxelwise_quality.py``)."""

SIMULATED = "Trained and calibrated on simulated patients only."
NO_WEIGHT = "It has no weight in the answer, and its probability has no interval."

Images = NDArray[np.float32]
Probabilities = NDArray[np.float32]


def scaled_images(
    images: Mapping[Sequence, NDArray[np.float32]],
    brain: NDArray[np.bool_],
    sequences: tuple[Sequence, ...],
) -> Images:
    """Stack scaled images in the network's order.

    Args:
        images: per sequence, on `gliotype.segment.model1.GRID`, 0 outside the brain.
        brain: mask on the same grid.
        sequences: `T2_NET` or `TS_NET`.

    Returns:
        (sequences, i, j, k); 0 where a sequence is missing.
    """
    nothing = np.zeros(GRID.shape, np.float32)
    return np.stack([scale(images[s], brain) if s in images else nothing for s in sequences])


def patch_boxes(shape: tuple[int, ...], around: Box, step: int) -> Iterator[Box]:
    """Yield the boxes of overlapping patches that cover a part of a grid.

    Args:
        shape: of the grid, at least `PATCH` along each axis.
        around: the part to be covered.
        step: voxels between neighbouring patches; a quarter of `PATCH` is the published overlap of 75 %.

    Example:
        >>> boxes = list(patch_boxes((40, 32, 64), (slice(0, 40), slice(4, 20), slice(40, 64)), 16))
        >>> [tuple(part.start for part in box) for box in boxes]
        [(0, 0, 32), (8, 0, 32)]
    """
    starts = []
    for size, part in zip(shape, around, strict=True):
        last = size - PATCH
        first = min(max(part.start - (PATCH - (part.stop - part.start)) // 2, 0), part.start, last)
        end = min(max(part.stop - PATCH, first), last)
        starts.append(sorted({*range(first, end, step), end}))
    for i, j, k in product(*starts):
        yield slice(i, i + PATCH), slice(j, j + PATCH), slice(k, k + PATCH)


def fewest_boxes(shape: tuple[int, ...], tumour: Box) -> Iterator[Box]:
    """Yield the boxes of the fewest patches that cover a tumour and `MIN_MARGIN` voxels around it.

    Several patches along an axis are spread evenly over the tumour and up to `MAX_MARGIN` voxels around it.

    Args:
        shape: of the grid, at least `PATCH` along each axis.
        tumour: the box around it.

    Example:
        >>> boxes = list(fewest_boxes((80, 96, 80), (slice(30, 54), slice(20, 45), slice(0, 10))))
        >>> [tuple(part.start for part in box) for box in boxes]
        [(26, 12, 0), (26, 21, 0)]
    """
    starts = []
    for size, part in zip(shape, tumour, strict=True):
        low, high = max(part.start - MIN_MARGIN, 0), min(part.stop + MIN_MARGIN, size)
        count = -(-(high - low) // PATCH)
        if count > 1:
            low, high = max(part.start - MAX_MARGIN, 0), min(part.stop + MAX_MARGIN, size)
        middle, span = (low + high) / 2, min(max(high - low, PATCH), count * PATCH) - PATCH
        first = min(max(middle - (span + PATCH) / 2, 0), size - PATCH - span)
        starts.append([int(first + span * n / max(count - 1, 1)) for n in range(count)])
    for i, j, k in product(*starts):
        yield slice(i, i + PATCH), slice(j, j + PATCH), slice(k, k + PATCH)


def class_probabilities(network: Network, images: Images, boxes: Iterable[Box]) -> Probabilities:
    """Run a network on patches and take the mean where they overlap.

    Patches count less towards their border, where they see least.

    Args:
        network: maps (1, channels, 32, 32, 32) to probabilities of `CLASSES`, (1, 3, 32, 32, 32).
        images: as `scaled_images` stacks them.
        boxes: of the patches, on the grid of the images.

    Returns:
        (3, i, j, k); background where no patch lies.
    """
    ramp = np.minimum(np.arange(PATCH) + 1, np.arange(PATCH)[::-1] + 1).astype(np.float32)
    weight = np.einsum("i,j,k->ijk", ramp, ramp, ramp)
    total = np.zeros((len(CLASSES), *images.shape[1:]), np.float32)
    weights = np.zeros(images.shape[1:], np.float32)
    for box in boxes:
        total[(slice(None), *box)] += weight * network(images[(slice(None), *box)][None])[0]
        weights[box] += weight
    total /= np.maximum(weights, 1e-6)
    total[0, weights == 0] = 1.0
    return total


@dataclass(frozen=True, eq=False)
class Vote:
    """The vote of the tumour's voxels.

    Attributes:
        tumour: mask of those that vote.
        mutant: how many vote for IDH-mutant.
        wildtype: how many vote for IDH-wildtype.
    """

    tumour: NDArray[np.bool_]
    mutant: int
    wildtype: int

    @property
    def share(self) -> float | None:
        """Share of votes for IDH-mutant; None where nobody votes."""
        n = self.mutant + self.wildtype
        return self.mutant / n if n else None

    @property
    def log_odds(self) -> float:
        """Logit of the share, with one voter added to each side; NaN where nobody votes.

        Example:
            >>> round(Vote(np.ones((2, 2, 1), bool), 3, 1).log_odds, 3)
            0.693
        """
        return (
            float(np.log((self.mutant + 1) / (self.wildtype + 1))) if self.share is not None else float("nan")
        )

    @property
    def call(self) -> str | None:
        """``mutant`` or ``wildtype`` by the majority, as published; None in a tie or where nobody votes."""
        if self.mutant == self.wildtype:
            return None
        return "mutant" if self.mutant > self.wildtype else "wildtype"


def count_votes(probabilities: Probabilities) -> Vote:
    """Fuse both tumour classes, drop small components, and count what the remaining voxels vote for.

    Args:
        probabilities: of `CLASSES`, (3, i, j, k).
    """
    tumour = probabilities[1:].sum(axis=0) > 0.5
    parts, n = ndimage.label(tumour)
    sizes = np.bincount(parts.ravel(), minlength=n + 1)
    sizes[0] = 0
    tumour = (sizes >= max(MIN_RELATIVE_SIZE * sizes.max(), 1))[parts]
    for_mutant = tumour & (probabilities[1] > probabilities[2])
    for_wildtype = tumour & (probabilities[2] > probabilities[1])
    return Vote(tumour, int(for_mutant.sum()), int(for_wildtype.sum()))


@cache
def load_model(name: str) -> TrainedEnsemble[None]:
    """Load ``t2net`` or ``tsnet``.

    Raises:
        WeightsError: if a file of its weights is missing or damaged.
    """
    return load_ensemble(name, lambda document: None)


def found_tumour(prepared: PreparedStudy, tumour: Tumour) -> NDArray[np.bool_]:
    """Mask the found tumour on `gliotype.segment.model1.GRID`; empty where it lies outside of it."""
    to_grid = np.linalg.inv(prepared.mni_from_prepared)
    found = tumour.labels.with_array(tumour.mask.astype(np.float32)).resample(GRID, to_grid)
    fraction = np.asarray(found.array)
    return fraction > min(0.5, float(fraction.max()) / 2)


def overlap_with(found: NDArray[np.bool_], seen: NDArray[np.bool_]) -> float:
    """Return the Dice of the found tumour with the one that a network sees.

    What it sees at the border of its patches is extended beyond, so that a network to which everything looks like
    tumour does not agree with a tumour that fills most of a patch.

    Args:
        found: on `gliotype.segment.model1.GRID`, not empty.
        seen: on the same grid, within `fewest_boxes` of the found tumour.
    """
    boxes = list(fewest_boxes(found.shape, box_around(found)))
    covered = tuple(slice(first.start, last.stop) for first, last in zip(boxes[0], boxes[-1], strict=True))
    beyond = MAX_MARGIN - MIN_MARGIN
    return dice(np.pad(found[covered], beyond), np.pad(seen[covered], beyond, mode="edge"))


def faults_of(
    name: str, images: Images, brain: NDArray[np.bool_], sequences: tuple[Sequence, ...]
) -> dict[Sequence, str]:
    """Say of which sequences the image is too poor for a network, and why.

    Args:
        name: ``t2net`` or ``tsnet``.
        images: (sequences, i, j, k) as `scaled_images` stacks them.
        brain: mask on the same grid.
        sequences: in the same order.
    """
    found = {}
    for sequence, image in zip(sequences, images, strict=True):
        numbers = edge_evenness(image, brain), finest_detail(image, brain)
        if image.any() and (fault := image_fault(*numbers, max_evenness=MAX_EVENNESS[name])):
            found[sequence] = fault
    return found


class T2NetPredictor:
    """T2-net: the vote of the voxels on T2 alone."""

    name: ClassVar[str] = "t2net"
    needs: ClassVar[Needs] = Needs((frozenset(T2_NET),))
    sequences: ClassVar[tuple[Sequence, ...]] = T2_NET

    def __init__(self, prevalence: float = DEFAULT_PREVALENCE) -> None:
        self.prevalence = prevalence

    def predict(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Finding | NotApplicable:
        """Give the probability from the vote; a tie, and a map without tumour, are no call."""
        there = tuple(s for s in self.sequences if s in prepared.images)
        if not there:
            return NotApplicable(self.name, f"it needs {self.needs}")
        found = found_tumour(prepared, tumour)
        if not found.any():
            return NotApplicable(self.name, "the tumour lies outside the grid on which it looks")
        stripped, brain = strip_to_network_grid(prepared)
        images = scaled_images(stripped, brain, self.sequences)
        faults = faults_of(self.name, images, brain, self.sequences)
        refused = "; ".join(f"{s.word} is not used: {why}" for s, why in faults.items())
        used = tuple(s for s in there if s not in faults)
        if not used:
            return NotApplicable(self.name, refused)
        images[[self.sequences.index(s) for s in faults]] = 0
        boxes = fewest_boxes(GRID.shape, box_around(found))
        probabilities = class_probabilities(load_model(self.name).network, images, boxes)
        vote = count_votes(probabilities)
        if not vote.tumour.any():
            return NotApplicable(self.name, "it sees no tumour where one was found")
        overlap = overlap_with(found, vote.tumour)
        if overlap < MIN_OVERLAP:
            return NotApplicable(
                self.name,
                f"the tumour that it sees overlaps with the found one by a Dice of only {overlap:.2f}, as on images "
                "with motion or too coarse a resolution",
            )
        if vote.share is None or vote.call is None:
            return NotApplicable(self.name, "as many voxels vote for IDH-mutant as for IDH-wildtype")
        calibration = load_model(self.name).calibration
        log_odds = np.array([vote.log_odds])
        return Finding(
            method=self.name,
            probability=float(calibration.probability(log_odds, self.prevalence)[0]),
            sequences=used,
            reasons=(
                Reason(
                    "share_of_votes",
                    100 * vote.share,
                    "%",
                    float(calibration(log_odds)[0]),
                    f"{vote.mutant + vote.wildtype} voxels of 2 mm vote",
                ),
            ),
            limits=" ".join(
                [load_model(self.name).limits(SIMULATED), NO_WEIGHT, *([f"{refused}."] if refused else [])]
            ),
            summary=(
                f"On {', '.join(s.word for s in used)}: {percent(vote.share)} of the voxels of the tumour that the "
                "network sees vote for IDH-mutant."
            ),
            map=_vote_map(probabilities, vote, prepared),
        )

    def statement(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Statement | None:
        """Add nothing to the answer: no labelled real patients support a weight yet."""
        return None


class TSNetPredictor(T2NetPredictor):
    """TS-net: the vote of the voxels on T2, FLAIR and T1c, or some of them."""

    name: ClassVar[str] = "tsnet"
    needs: ClassVar[Needs] = Needs(tuple(frozenset({s}) for s in TS_NET))
    sequences: ClassVar[tuple[Sequence, ...]] = TS_NET


def _vote_map(probabilities: Probabilities, vote: Vote, prepared: PreparedStudy) -> Volume:
    """Map on the prepared grid how much more probable mutant is than wildtype where voxels vote; 0 elsewhere."""
    difference = np.where(vote.tumour, probabilities[1] - probabilities[2], 0).astype(np.float32)
    return Volume(difference, GRID.affine).resample(prepared.grid, prepared.mni_from_prepared)
