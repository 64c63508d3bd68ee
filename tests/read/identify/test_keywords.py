"""Sequences, techniques and masks in names: where a word counts, and where it is a name, a code or a target."""

from __future__ import annotations

import re

import pytest

from gliotype.read.identify import vocabulary
from gliotype.read.identify.by_header import identify
from gliotype.read.identify.keywords import match_kind, match_mask, match_possible_mask
from gliotype.read.identify.kinds import Kind
from gliotype.read.series import SeriesInfo
from gliotype.study import Sequence

FILES = {
    "FLAIR_reg_T1c": Kind.FLAIR,
    "FLAIRtoT1c": Kind.FLAIR,
    "FLAIR_coreg_T1": Kind.FLAIR,
    "flair_aligned_to_T1ce": Kind.FLAIR,
    "FLAIR2T1": Kind.FLAIR,
    "FLAIR_2_T1": Kind.FLAIR,
    "flair_t1space": Kind.FLAIR,
    "FLAIR_T1reg": Kind.FLAIR,
    "T2_FLAIR_registered_to_T1": Kind.FLAIR,
    "rFLAIR": Kind.FLAIR,
    "FLAIR_in_T1_space": Kind.FLAIR,
    "FLAIR_warped_T1": Kind.FLAIR,
    "FLAIR_on_T1c": Kind.FLAIR,
    "t2_tirm_tra_dark-fluid": Kind.FLAIR,
    "t2_da-fl_tra": Kind.FLAIR,
    "T2 DA FL": Kind.FLAIR,
    "t2_darkfl_fs": Kind.FLAIR,
    "T2 TIRM DARK-FL": Kind.FLAIR,
    "t2_spc_ir": Kind.FLAIR,
    "FLAIR_Swan": Kind.FLAIR,
    "Swan_FLAIR": Kind.FLAIR,
    "Bravo_FLAIR": Kind.FLAIR,
    "FLAIR_to_MNI": Kind.FLAIR,
    "Pressler_FLAIR": Kind.FLAIR,
    "GT-012_FLAIR": Kind.FLAIR,
    "FA_001_FLAIR": Kind.FLAIR,
    "t2flair": Kind.FLAIR,
    "3DFLAIR": Kind.FLAIR,
    "FLAIR3D": Kind.FLAIR,
    "T2_dark_fluid": Kind.FLAIR,
    "FLAIR_FS": Kind.FLAIR,
    "FLAIR recal T1": Kind.FLAIR,
    "FLAIR aligned T1 post": Kind.FLAIR,
    "FLAIR_coregistered_to_T1_post": Kind.FLAIR,
    "Roi_FLAIR": Kind.FLAIR,
    "Survey_Ann_FLAIR": Kind.FLAIR,
    "flair_resampled_to_t1c_bias": Kind.FLAIR,
    "T1_reg_FLAIR": Kind.T1,
    "T1c_to_FLAIR": Kind.T1,
    "T1toT2": Kind.T1,
    "FA_001_T1": Kind.T1,
    "MD_Anderson_T1": Kind.T1,
    "Swan_T1": Kind.T1,
    "Press_T1": Kind.T1,
    "T1_Trace": Kind.T1,
    "Merge_T1": Kind.T1,
    "Survey_T1": Kind.T1,
    "t1_tse_tra": Kind.T1,
    "t1_mpr_sag": Kind.T1,
    "T1_vibe_dixon_W": Kind.T1,
    "T1_FS": Kind.T1,
    "t1 fat sat": Kind.T1,
    "t1_fatsat": Kind.T1,
    "WATER: Ax T1 LAVA": Kind.T1,
    "UNIT1": Kind.T1,
    "t1_mp2rage_sag_UNI_Images": Kind.T1,
    "sub-01_UNIT1": Kind.T1,
    "MPRAGE": Kind.T1,
}
OTHER = (
    "T1 SUB",
    "POST-PRE",
    "T1_POST_PRE",
    "T1c_minus_T1",
    "T1 POST minus PRE",
    "T1 subtraction",
    "SUB T1",
    "T1_dixon_F",
    "t1_vibe_dixon_fat",
    "FAT: Ax T1 LAVA FLEX",
    "mDIXON OutPhase T1",
    "T1 dixon opp",
    "OutPhase: T1",
    "T1 in-phase opp phase",
    "T1map",
    "T1_map",
    "T1 MAPPING",
    "qT1",
    "T2_map",
    "t1_mp2rage_sag_INV1",
    "INV2 MP2RAGE",
    "inv-1_MP2RAGE",
    "t1_mp2rage_T1_Images",
    "T1 MAP MOLLI",
    "PDmap",
    "R1map",
    "T1rho",
    "synthetic T1",
    "T1_Karte",
    "AX SWAN",
    "Survey",
    "T2 MERGE",
    "FA",
    "MD",
    "trace",
    "PRESS",
    "Phase Images",
    "part-phase_bold",
    "dti_FA",
    "Mapa T1",
)
NAMES = (
    "MD Anderson",
    "Phase II trial",
    "nifti_dir",
    "Swan_Peter",
    "Press",
    "Survey Study",
    "FA_001",
    "GT-012",
    "Trace",
    "Roi",
    "Merge",
    "Swanson",
    "Tracey",
    "John Bold",
    "Dir_1",
)


@pytest.mark.parametrize(("name", "kind"), FILES.items(), ids=FILES.keys())
def test_a_file_is_what_its_name_says_and_not_its_target_or_a_surname(name: str, kind: Kind) -> None:
    match = match_kind(name, file_name=True)
    assert match is not None
    assert match.kind is kind
    assert match_mask(name) is None


@pytest.mark.parametrize("description", OTHER)
def test_variants_maps_and_techniques_are_not_used(description: str) -> None:
    identity = identify(SeriesInfo(texts=(description,)))
    assert identity.sequence is None
    assert identity.reason.startswith("Not used: ")


@pytest.mark.parametrize("folder", NAMES)
def test_surnames_sites_and_codes_are_no_techniques(folder: str) -> None:
    assert match_kind(folder, described=False) is None
    identity = identify(SeriesInfo(name="T1", folder=folder))
    assert identity.sequence is Sequence.T1


@pytest.mark.parametrize(
    "image_type",
    ["T1 MAP", "T1_MAP", "PD MAP", "FAT", "OPP_PHASE", "SUBTRACT", "FF"],
)
def test_image_types_of_maps_fat_and_subtractions_are_not_used(image_type: str) -> None:
    info = SeriesInfo(texts=("AX T1",), image_type=("DERIVED", "PRIMARY", image_type))
    assert identify(info).sequence is None


def test_water_and_in_phase_images_of_a_dixon_series_are_used() -> None:
    for text in ("t1_vibe_dixon_W", "t1_vibe_dixon_in", "WATER: Ax T1 LAVA"):
        assert identify(SeriesInfo(texts=(text,))).sequence is Sequence.T1


@pytest.mark.parametrize("name", ["GT-012_T1", "Roi_FLAIR", "Mask_T1", "Label_FLAIR"])
def test_a_word_for_masks_may_be_a_name(name: str) -> None:
    assert match_mask(name) is None
    assert match_possible_mask(name) is not None


def test_the_vocabulary_is_closed() -> None:
    """No pattern holds a wildcard for letters: what a reason quotes is never part of a name."""
    patterns = [
        vocabulary.MASKS,
        vocabulary.AMBIGUOUS_MASKS,
        *(pattern for pattern, _ in vocabulary.TECHNIQUES),
        *(pattern for pattern, _ in vocabulary.AMBIGUOUS_TECHNIQUES),
        *(
            vocabulary.ADC,
            vocabulary.DWI,
            vocabulary.DSC,
            vocabulary.FLAIR,
            vocabulary.T1,
            vocabulary.T1_TECHNIQUES,
        ),
        *(vocabulary.T2, vocabulary.PD, vocabulary.POST_OP, vocabulary.PROCESSED),
    ]
    for pattern in patterns:
        assert not re.search(r"\\[wSDW]|\.|\[a-z\]", pattern), pattern
        assert not re.fullmatch(pattern, "mueller")


def test_reasons_quote_the_vocabulary_alone() -> None:
    texts = (
        "AX T1 MUELLERPOST GADNERMANN POST",
        "FLAIRMUELLER",
        "T1MUELLER",
        "ADCMUELLER",
        "T2 SWANMUELLER MUELLERSEG",
    )
    for text in texts:
        for info in (
            SeriesInfo(texts=(text,)),
            SeriesInfo(name=text),
            SeriesInfo(folder=text),
            SeriesInfo(protocol=text, modality="MUELLER"),
            SeriesInfo(
                texts=(text,), weighting="MUELLER", image_type=("MUELLER",), scanning=frozenset({"MUELLER"})
            ),
        ):
            reason = identify(info).reason.lower()
            assert "mueller" not in reason
            assert "gadner" not in reason
