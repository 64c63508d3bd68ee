from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.measure.signal import SIGNAL_UNITS, ring, signal_ratios
from gliotype.study import PreparedStudy, Sequence
from gliotype.volume import Volume
from support.head_phantom import head


def prepared_of(image: np.ndarray, brain: np.ndarray) -> PreparedStudy:
    return PreparedStudy(
        images={Sequence.T2: Volume(image.astype(np.float32), np.eye(4))},
        brain=Volume(brain, np.eye(4)),
        mni_from_prepared=np.eye(4),
        acquired_from_prepared={},
        acquired_grids={},
        reference=Sequence.T2,
        skull_stripped=False,
    )


def test_ring_reaches_three_city_blocks():
    tumour = np.zeros((9, 9, 9), dtype=bool)
    tumour[4, 4, 4] = True
    found = ring(tumour)
    assert found[4, 4, 7]
    assert found[5, 5, 5]
    assert not found[5, 5, 6]
    assert not found[4, 4, 4]


def test_ratios_by_hand():
    tumour = np.zeros((12, 12, 12), dtype=bool)
    tumour[6, 5, 4:6] = True
    image = np.full(tumour.shape, 2.0)
    image[6, 5, 4], image[6, 5, 5] = 3.0, 5.0
    ratios = signal_ratios(prepared_of(image, np.ones(tumour.shape, dtype=bool)), tumour)
    assert ratios["T2_mean_over_ring"] == pytest.approx(2.0)
    assert ratios["T2_p25_over_ring"] == pytest.approx(3.5 / 2)
    assert ratios["T2_p95_over_ring"] == pytest.approx(4.9 / 2)
    assert ratios["T2_cv"] == pytest.approx(1 / 4)
    assert ratios["T2_mean_over_white_matter"] == pytest.approx(4.0)


def test_signal_outside_the_brain_counts_as_background():
    tumour = np.zeros((20, 20, 20), dtype=bool)
    tumour[8:12, 8:12, 8:12] = True
    image = np.full(tumour.shape, 2.0)
    image[:, :, 12:] = 50.0
    brain = np.ones(tumour.shape, dtype=bool)
    brain[:, :, 12:] = False
    stripped = np.where(brain, image, 0)
    expected = stripped[tumour].mean() / np.median(stripped[ring(tumour)])
    ratios = signal_ratios(prepared_of(image, brain), tumour)
    assert ratios["T2_mean_over_ring"] == pytest.approx(expected)
    assert ratios["T2_mean_over_ring"] == pytest.approx(1.0)


def test_missing_sequences_and_dark_rings_have_no_ratio():
    prepared, tumour = head(sequences=(Sequence.FLAIR,))
    ratios = signal_ratios(prepared, tumour.mask)
    assert list(ratios) == list(SIGNAL_UNITS)
    measured = {name for name, value in ratios.items() if value is not None}
    assert measured == {name for name in SIGNAL_UNITS if name.startswith("FLAIR_")}

    nothing_around = prepared.brain.with_array(tumour.mask)
    dark = replace(prepared, brain=nothing_around)
    ratios = signal_ratios(dark, tumour.mask)
    assert ratios["FLAIR_mean_over_ring"] is None
    assert ratios["FLAIR_mean_over_white_matter"] is not None


def test_enhancing_tumour_is_bright_on_t1c():
    prepared, tumour = head()
    dull = signal_ratios(prepared, tumour.mask)
    prepared, tumour = head(t1c=(1.9, 0.5))
    bright = signal_ratios(prepared, tumour.mask)
    assert bright["T1C_p95_over_ring"] == pytest.approx(1.9, rel=0.05)
    assert bright["T1C_cv"] > 0.2 > dull["T1C_cv"]
