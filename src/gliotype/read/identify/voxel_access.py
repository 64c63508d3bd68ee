"""The voxels that identification has had to read, each image once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gliotype.errors import InputError
from gliotype.read.identify.choose import Candidate
from gliotype.read.series import Loaded, Series
from gliotype.study import Sequence
from gliotype.volume import Volume

COARSE_MM = 3.0


@dataclass(eq=False)
class VoxelAccess:
    """Reads the voxels of candidates.

    Attributes:
        loaded: what was read.
        errors: of images that could not be read.
    """

    loaded: dict[Series, Loaded] = field(default_factory=dict)
    errors: list[InputError] = field(default_factory=list)
    _failed: dict[Series, InputError] = field(default_factory=dict)
    _coarse: dict[Series, Volume] = field(default_factory=dict)

    @classmethod
    def holding(cls, used: Mapping[Sequence, tuple[Candidate, Loaded]]) -> VoxelAccess:
        """Begin with images that are in use already."""
        return cls({candidate.series: voxels for candidate, voxels in used.values()})

    def volume(self, candidate: Candidate) -> Volume | None:
        """Return the voxels of a candidate, or None, with an error noted, where they cannot be read."""
        series = candidate.series
        if series in self._failed:
            return None
        if series not in self.loaded:
            try:
                if series.problem is not None:
                    raise series.problem
                self.loaded[series] = series.load()
            except InputError as error:
                self._failed[series] = error
                self.errors.append(error)
                return None
        return self.loaded[series].volume

    def coarse(self, candidate: Candidate) -> Volume | None:
        """Return the voxels of a candidate at 3 mm, or None where they cannot be read."""
        volume = self.volume(candidate)
        if volume is None:
            return None
        if candidate.series not in self._coarse:
            self._coarse[candidate.series] = coarse(volume)
        return self._coarse[candidate.series]

    def forget(self, candidate: Candidate) -> None:
        """Give back the memory of a candidate that is not used."""
        self.loaded.pop(candidate.series, None)

    def failure(self, candidate: Candidate) -> InputError:
        """Return why a candidate could not be read."""
        return self._failed[candidate.series]


def coarse(volume: Volume) -> Volume:
    """Resample an image to 3 mm and RAS+, without negative values: what identification by voxels works on."""
    small = volume.resample(volume.grid.bounding(COARSE_MM))
    return small.with_array(np.maximum(small.array, np.float32(0)))


def count_values(volume: Volume) -> int:
    """Count the different values among some 100,000 voxels."""
    return len(np.unique(volume.array.reshape(-1)[:: max(1, volume.array.size // 100_000)]))
