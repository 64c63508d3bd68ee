from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.measure.mismatch import MISMATCH_UNITS, mismatch, subtract_flair
from gliotype.study import Label, Sequence, Tumour
from support.head_phantom import head

MISMATCHED = {"t2": (3.0, 3.3), "flair": (1.9, 1.0)}
MATCHED = {"t2": (2.3, 2.3), "flair": (1.8, 1.9)}


def test_dark_core_on_flair_and_bright_on_t2_is_the_sign():
    found = mismatch(*head(**MISMATCHED))
    assert list(found) == list(MISMATCH_UNITS)
    assert found["mismatch_sign"] == 1.0
    assert found["mismatch_fraction"] > 50
    assert found["flair_centre_over_rim"] < 0.8
    assert found["t2_flair_ratio_fraction"] > 90


def test_tumour_bright_on_both_is_not():
    found = mismatch(*head(**MATCHED))
    assert found["mismatch_sign"] == 0.0
    assert found["mismatch_fraction"] == pytest.approx(0, abs=1)
    assert found["flair_centre_over_rim"] >= 1.0


def test_fraction_is_that_of_the_core():
    # (3.3 - 1.2) / 0.2 = 10.5 SD on T2 against at most 8 on FLAIR; the edge (5.5 against 7) does not count.
    prepared, tumour = head(t2=(2.3, 3.3), flair=(1.8, 1.7))
    core = (tumour.labels.array == Label.CORE).sum() / tumour.mask.sum()
    assert mismatch(prepared, tumour)["mismatch_fraction"] == pytest.approx(100 * core, rel=1e-6)


def test_scaling_of_one_image_does_not_change_the_fraction():
    prepared, tumour = head(**MISMATCHED)
    scaled = {**prepared.images}
    scaled[Sequence.T2] = scaled[Sequence.T2].with_array(scaled[Sequence.T2].array * np.float32(1.05))
    brighter = replace(prepared, images=scaled)
    expected = mismatch(prepared, tumour)["mismatch_fraction"]
    assert mismatch(brighter, tumour)["mismatch_fraction"] == pytest.approx(expected, abs=1)


def test_enhancing_part_is_left_out_and_forbids_the_sign():
    prepared, tumour = head(**MISMATCHED, core_label=Label.ENHANCING)
    found = mismatch(prepared, tumour)
    core = (tumour.labels.array == Label.ENHANCING).sum()
    assert found["enhancing_fraction"] == pytest.approx(100 * core / tumour.mask.sum())
    assert found["assessed_volume"] == pytest.approx((tumour.mask.sum() - core) / 1000)
    assert found["mismatch_sign"] == 0.0


def test_cyst_is_left_out():
    prepared, tumour = head(t2=(2.3, 4.1), flair=(1.8, 0.2))
    found = mismatch(prepared, tumour)
    assert found["cystic_fraction"] == pytest.approx(
        100 * (tumour.labels.array == Label.CORE).sum() / tumour.mask.sum()
    )
    assert found["mismatch_fraction"] == pytest.approx(0, abs=1)
    assert found["flair_centre_over_rim"] is not None


@pytest.mark.parametrize("blank", [Sequence.T2, Sequence.FLAIR])
@pytest.mark.parametrize("where", ["in the tumour", "everywhere"])
def test_a_blank_image_gives_no_number_and_no_numerical_warning(blank, where):
    prepared, tumour = head(**MISMATCHED)
    array = np.asarray(prepared.images[blank].array).copy()
    array[tumour.mask if where == "in the tumour" else ...] = 0.0 if where == "in the tumour" else 1.0
    changed = replace(prepared, images={**prepared.images, blank: prepared.images[blank].with_array(array)})
    with np.errstate(all="raise"):
        found = mismatch(changed, tumour)
    assert all(value is None or np.isfinite(value) for value in found.values())
    if where == "everywhere":
        assert found["mismatch_fraction"] is None
        assert subtract_flair(changed, tumour) is None
    else:
        assert found["t2_cv" if blank is Sequence.T2 else "flair_centre_over_rim"] is None


@pytest.mark.parametrize("left", [(Sequence.T1C, Sequence.T2), (Sequence.FLAIR,)])
def test_nothing_without_both_t2_and_flair(left):
    assert set(mismatch(*head(sequences=left)).values()) == {None}


def test_enhancement_is_unknown_without_t1c_or_from_a_plain_mask():
    without_t1c = mismatch(*head(**MISMATCHED, sequences=(Sequence.T2, Sequence.FLAIR)))
    prepared, tumour = head(**MISMATCHED)
    plain = tumour.labels.with_array(tumour.mask.astype(np.uint8))
    from_plain_mask = mismatch(prepared, Tumour(plain, "given"))
    for found in (without_t1c, from_plain_mask):
        assert found["enhancing_fraction"] is None
        assert found["mismatch_sign"] is None
        assert found["mismatch_fraction"] > 50


def test_tiny_tumour_has_no_fraction():
    prepared, tumour = head(**MISMATCHED)
    labels = np.zeros_like(tumour.labels.array)
    labels[40:44, 40:44, 20:24] = Label.OEDEMA
    found = mismatch(prepared, Tumour(tumour.labels.with_array(labels), "model1"))
    assert found["assessed_volume"] == pytest.approx(0.064)
    assert found["mismatch_fraction"] is None
