"""What headers and words say, together and against each other."""

from __future__ import annotations

import pytest

from gliotype.read.identify.by_header import identify
from gliotype.read.identify.contrast_words import ContrastMatch, match_contrast
from gliotype.read.identify.keywords import match_kind, match_mask, match_surgery
from gliotype.read.identify.kinds import Kind
from gliotype.read.series import SeriesInfo
from gliotype.study import Acquisition, Sequence

DESCRIPTIONS = {
    "t1_mprage_sag_p2_iso": Sequence.T1,
    "SAG 3D T1 BRAVO": Sequence.T1,
    "T1 SE tra nativ": Sequence.T1,
    "AX T1 FLAIR PRE": Sequence.T1,
    "AX T1 W/O": Sequence.T1,
    "T1 pre-op": Sequence.T1,
    "T1 C-": Sequence.T1,
    "t1_mpr_sag": Sequence.T1,
    "*tfl3d1_16ns": Sequence.T1,
    "Ax T1 FSPGR +C": Sequence.T1C,
    "t1_mprage_tra_KM": Sequence.T1C,
    "T1 TSE AX GADO": Sequence.T1C,
    "AX T1 SE POST": Sequence.T1C,
    "T1W_3D_TFE_CE": Sequence.T1C,
    "T1+C": Sequence.T1C,
    "T1 FLAIR POST GD": Sequence.T1C,
    "t2_tse_tra_512": Sequence.T2,
    "AX FRFSE T2": Sequence.T2,
    "T2W_TSE": Sequence.T2,
    "t2_tirm_tra_dark-fluid_FS": Sequence.FLAIR,
    "AX T2 FLAIR": Sequence.FLAIR,
    "CUBE FLAIR": Sequence.FLAIR,
    "T2_FLAIR_registered_to_T1": Sequence.FLAIR,
    "ep2d_diff_3scan_trace_p2_ADC": Sequence.ADC,
    "dADC": Sequence.ADC,
    "Apparent Diffusion Coefficient (mm2/s)": Sequence.ADC,
    "eADC": None,
    "ep2d_diff_3scan_trace_p2": None,
    "AX DWI b1000": None,
    "T2* GRE": None,
    "ax t2 star": None,
    "SWI_Images": None,
    "TOF_3D_multi-slab": None,
    "3-plane loc": None,
    "AAHead_Scout": None,
    "T1 SUB": None,
    "rCBV": None,
    "pcasl": None,
    "T2 sag C-Spine": None,
    "t2_ciss3d": None,
    "STIR COR": None,
    "PD TSE": None,
}


@pytest.mark.parametrize(("description", "sequence"), DESCRIPTIONS.items(), ids=DESCRIPTIONS.keys())
def test_descriptions_of_scanners_are_understood(description: str, sequence: Sequence | None) -> None:
    for info in (SeriesInfo(texts=(description,)), SeriesInfo(name=description)):
        identity = identify(info)
        assert identity.sequence is sequence
        assert not identity.open
        assert identity.reason.endswith(".")


def timed(
    te: float, tr: float, ti: float | None = None, scanning: str = "", flip: float | None = None
) -> SeriesInfo:
    return SeriesInfo(
        Acquisition(te_ms=te, tr_ms=tr, ti_ms=ti, flip_angle_deg=flip), scanning=frozenset(scanning.split())
    )


PROTOCOLS = {
    "spin-echo T1": (timed(12, 550, scanning="SE"), Kind.T1),
    "3D T1 turbo spin echo": (timed(11, 700, scanning="SE"), Kind.T1),
    "MPRAGE": (timed(2.98, 2300, 900, scanning="GR IR", flip=9), Kind.T1),
    "SPGR": (timed(3.2, 8.2, 450, scanning="GR", flip=12), Kind.T1),
    "spoiled gradient echo": (timed(3.8, 250, scanning="GR", flip=70), Kind.T1),
    "T1 FLAIR": (timed(9, 2500, 860, scanning="SE IR"), Kind.T1),
    "T2 turbo spin echo": (timed(98, 4500, scanning="SE"), Kind.T2),
    "T2 SPACE": (timed(408, 3200, scanning="SE"), Kind.T2),
    "2D FLAIR": (timed(110, 9000, 2500, scanning="SE IR"), Kind.FLAIR),
    "3D FLAIR": (timed(388, 5000, 1800, scanning="SE IR"), Kind.FLAIR),
    "proton density": (timed(14, 3500, scanning="SE"), Kind.OTHER),
    "STIR": (timed(50, 4000, 160, scanning="SE IR"), Kind.OTHER),
    "T2* gradient echo": (timed(20, 700, scanning="GR", flip=20), Kind.OTHER),
    "steady state": (timed(2.2, 5.0, scanning="GR", flip=60), Kind.OTHER),
    "echo planar": (timed(90, 6000, scanning="EP"), Kind.OTHER),
}


@pytest.mark.parametrize(("info", "kind"), PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_times_alone_are_enough(info: SeriesInfo, kind: Kind) -> None:
    identity = identify(info)
    assert (identity.sequence or Kind.OTHER) == kind
    assert identity.confidence > 0.6


def test_agreement_raises_and_conflict_lowers_the_confidence() -> None:
    times = timed(98, 4500, scanning="SE")
    alone = identify(times).confidence
    agreed = identify(SeriesInfo(times.acquisition, texts=("AX T2",), scanning=times.scanning))
    opposed = identify(SeriesInfo(times.acquisition, texts=("AX FLAIR",), scanning=times.scanning))
    assert agreed.sequence is opposed.sequence is Sequence.T2
    assert agreed.confidence > alone > opposed.confidence
    assert opposed.reason.endswith("although the description says 'flair'.")


def test_an_echo_time_alone_leaves_the_choice_to_words() -> None:
    long_te = SeriesInfo(Acquisition(te_ms=110.0))
    assert identify(long_te).open == {Kind.T2, Kind.FLAIR}
    assert identify(SeriesInfo(Acquisition(te_ms=110.0), name="flair")).sequence is Sequence.FLAIR


def test_nothing_known_is_open() -> None:
    identity = identify(SeriesInfo(name="img1"))
    assert identity.sequence is None
    assert identity.open == {Kind.T1, Kind.T2, Kind.FLAIR, Kind.DSC, Kind.ADC}


@pytest.mark.parametrize(
    ("agent", "text", "sequence", "lowest", "highest"),
    [
        (None, "AX T1", Sequence.T1, 0.7, 0.85),
        (True, "AX T1", Sequence.T1C, 0.85, 1.0),
        (False, "AX T1", Sequence.T1, 0.85, 1.0),
        (True, "AX T1 POST", Sequence.T1C, 0.9, 1.0),
        (False, "AX T1 POST", Sequence.T1, 0.4, 0.65),
        (True, "AX T1 PRE", Sequence.T1, 0.4, 0.65),
    ],
)
def test_contrast_by_header_and_words(
    agent: bool | None, text: str, sequence: Sequence, lowest: float, highest: float
) -> None:
    acquisition = Acquisition(te_ms=12.0, tr_ms=550.0, contrast=agent)
    identity = identify(SeriesInfo(acquisition, texts=(text,), scanning=frozenset({"SE"})))
    assert identity.sequence is sequence
    assert lowest < identity.confidence < highest
    assert identity.contrast_open is (agent is None)


def test_a_technique_in_words_outweighs_times_that_cannot_tell_it() -> None:
    acquisition = Acquisition(te_ms=3.6, tr_ms=22.0, flip_angle_deg=18.0)
    angiogram = SeriesInfo(acquisition, texts=("TOF 3D",), scanning=frozenset({"GR"}))
    assert identify(angiogram).sequence is None
    assert "an angiogram" in identify(angiogram).reason


def test_enhanced_headers_name_their_weighting() -> None:
    assert identify(SeriesInfo(weighting="FLUID_ATTENUATED")).sequence is Sequence.FLAIR
    assert identify(SeriesInfo(weighting="DIFFUSION")).sequence is None


@pytest.mark.parametrize(
    "name", ["x_seg", "mask", "T1_labels", "sub-1_dseg", "tumor_segmentation", "brainmask", "ROI"]
)
def test_masks_are_known_by_name(name: str) -> None:
    assert match_mask(name)


@pytest.mark.parametrize("name", ["T1_brain", "T1 segmented echo", "unmasked", "labs"])
def test_images_are_not_taken_for_masks(name: str) -> None:
    assert not match_mask(name) or name == "unmasked"


def test_words_about_surgery() -> None:
    assert match_surgery("MR Brain Post-Operative")
    assert match_surgery("T1 postop")
    assert not match_surgery("T1 POST OPTIC")
    assert match_contrast("T1 post-op") is None
    assert match_contrast("T1 postop +C") == ContrastMatch(True, "+c")


def test_registration_targets_are_not_sequences() -> None:
    said = match_kind("sub-1_space-T1w_T2w")
    assert said is not None
    assert said.kind is Kind.T2
