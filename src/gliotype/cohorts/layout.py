"""How the files and tables of each kind of cohort are named.

A further layout is one more entry of `LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gliotype.study import Sequence

T1, T1C, T2, FLAIR = Sequence.T1, Sequence.T1C, Sequence.T2, Sequence.FLAIR
DSC, ADC = Sequence.DSC, Sequence.ADC


@dataclass(frozen=True)
class Layout:
    """Names of files and columns.

    In patterns ``{id}`` stands for the patient's folder name, ``*`` for anything; one that begins with ``!`` says
    which files are not meant.

    Attributes:
        name: what the caller calls it.
        source: what it is, one sentence.
        folders: pattern of the patients' folders below the cohort's; of several folders of a patient the first that
            holds an image counts.
        subject: regular expression whose first group, in a folder's name, is the patient.
        images: patterns of each sequence's file, below the patient's (or the examination's) folder; the first that
            is there counts.
        mask: patterns of the expert's mask, below the cohort's folder.
        tables: patterns of the tables, below the cohort's folder; all that exist are joined.
        identity: columns of the patient's name in the tables; the first that a row fills counts.
        columns: column of each fact: ``idh``, ``age``, ``sex``, and strata; those of `SUB_LABELS` are in no layout.
        aliases: patterns of the patient's names in other data sets, filled in from columns in braces.
        examinations: pattern of the examinations' folders below the patient's, of which a patient may have none;
            the first that holds an image counts.
        functional: patterns of the files of further sequences, which only some methods read; as those of `images`.
        numbered: whether patients may have mere numbers (``sub-001``), which another cohort gives to others.
    """

    name: str
    source: str
    folders: str
    subject: str
    images: Mapping[Sequence, tuple[str, ...]]
    mask: tuple[str, ...]
    tables: tuple[str, ...]
    identity: tuple[str, ...]
    columns: Mapping[str, str]
    aliases: tuple[str, ...] = ()
    examinations: str = ""
    functional: Mapping[Sequence, tuple[str, ...]] = field(default_factory=dict)
    numbered: bool = False


SUB_LABELS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "codeletion": frozenset(
            {
                "codeletion",
                "codeleted",
                "codel1p19q",
                "1p19q",
                "1p19qstatus",
                "1p19qcodel",
                "1p19qcodeleted",
                "1p19qcodeletion",
                "x1p19qcodeletion",
                "idhcodelsubtype",
            }
        ),
        "idh_variant": frozenset({"idhvariant", "idhmutation", "idhmutationtype"}),
    }
)
"""Columns of the facts that only some tables state, in any layout; compared in lower case, letters and digits alone."""


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        layout.name: layout
        for layout in (
            Layout(
                "bids",
                "BIDS with idh and age in participants.tsv, such as gliotype simulate writes",
                "sub-*",
                r"(sub-[A-Za-z0-9]+)",
                {
                    T1: ("anat/{id}*_T1w.nii.gz", "!*_ce-*"),
                    T1C: ("anat/{id}*_ce-*_T1w.nii.gz",),
                    T2: ("anat/{id}*_T2w.nii.gz",),
                    FLAIR: ("anat/{id}*_FLAIR.nii.gz",),
                },
                (
                    "derivatives/*/{id}/**/{id}*_label-tumo*_*.nii.gz",
                    "derivatives/*/{id}/**/{id}*_label-lesion_*.nii.gz",
                    "derivatives/*/{id}/**/{id}*_dseg.nii.gz",
                    *(f"!{tool}*/{'*/' * depth}*" for tool in ("fmriprep", "smriprep") for depth in (2, 3)),
                ),
                ("participants.tsv",),
                ("participant_id",),
                {"idh": "idh", "age": "age", "sex": "sex", "grade": "grade", "site": "site"},
                examinations="ses-*",
                functional={
                    DSC: ("perf/{id}*_dsc.nii.gz", "perf/{id}*_perf.nii.gz"),
                    ADC: ("dwi/{id}*_ADC.nii.gz", "dwi/{id}*_adc.nii.gz"),
                },
                numbered=True,
            ),
            Layout(
                "ucsf-pdgm",
                "UCSF-PDGM on TCIA (Calabrese 2022)",
                "**/UCSF-PDGM-*_nifti",
                r"(UCSF-PDGM-\d+)_nifti",
                {
                    T1: ("*_T1.nii.gz",),
                    T1C: ("*_T1gad.nii.gz", "*_T1c.nii.gz"),
                    T2: ("*_T2.nii.gz",),
                    FLAIR: ("*_FLAIR.nii.gz",),
                },
                ("**/{id}/*_tumor_segmentation.nii.gz",),
                ("*metadata*.csv", "*clinical*.csv"),
                ("ID",),
                {"idh": "IDH", "age": "Age at MRI", "sex": "Sex", "grade": "WHO CNS Grade"},
                ("{BraTS21 ID}",),
                functional={ADC: ("*_ADC.nii.gz",)},
            ),
            Layout(
                "upenn-gbm",
                "UPENN-GBM on TCIA (Bakas 2022), pre-operative examinations",
                "**/UPENN-GBM-*_11",
                r"(UPENN-GBM-\d{5}_11)",
                {
                    T1: ("*_T1.nii.gz",),
                    T1C: ("*_T1GD.nii.gz",),
                    T2: ("*_T2.nii.gz",),
                    FLAIR: ("*_FLAIR.nii.gz",),
                },
                ("**/{id}_segm.nii.gz", "**/{id}_automated_approx_segm.nii.gz"),
                ("*clinical*.csv",),
                ("ID",),
                {"idh": "IDH1", "age": "Age_at_scan_years", "sex": "Gender"},
            ),
            Layout(
                "egd",
                "Erasmus Glioma Database (van der Voort 2021), with its tables saved as CSV",
                "**/*EGD-*",
                r"(?:MR_)?(EGD-\d{4})",
                {
                    T1: ("**/T1.nii.gz",),
                    T1C: ("**/T1GD.nii.gz",),
                    T2: ("**/T2.nii.gz",),
                    FLAIR: ("**/FLAIR.nii.gz",),
                },
                ("**/{id}/**/MASK.nii.gz",),
                ("*[Gg]enetic*.csv", "*[Cc]linical*.csv"),
                ("Subject",),
                {"idh": "IDH", "age": "Age", "sex": "Sex", "grade": "Grade"},
            ),
            Layout(
                "brats",
                "BraTS 2021 or TCGA folders with a table labels.csv (subject, idh, age)",
                "**/[BT][rC][aG][TA]*",
                r"(BraTS2021_\d{5}|BraTS-GLI-\d{5}-\d{3}|TCGA-\w{2}-\w{4})",
                {
                    T1: ("*_t1.nii.gz", "*-t1n.nii.gz", "T1.nii.gz"),
                    T1C: ("*_t1ce.nii.gz", "*_t1Gd.nii.gz", "*-t1c.nii.gz", "T1c.nii.gz"),
                    T2: ("*_t2.nii.gz", "*-t2w.nii.gz", "T2.nii.gz"),
                    FLAIR: ("*_flair.nii.gz", "*-t2f.nii.gz", "FLAIR.nii.gz"),
                },
                (
                    "**/{id}/*seg*.nii.gz",
                    "**/{id}/mask.nii.gz",
                    "**/{id}/*GlistrBoost_ManuallyCorrected.nii.gz",
                    "**/{id}/*GlistrBoost.nii.gz",
                ),
                ("labels.csv", "*MappingToTCIA*.csv"),
                ("subject", "BraTS2021 ID"),
                {"idh": "idh", "age": "age", "sex": "sex", "grade": "grade"},
                (
                    "{PatientID on TCIA Radiology Portal}",
                    "{Data Collection (as on TCIA+additional)}-{PatientID on TCIA Radiology Portal}",
                ),
            ),
        )
    }
)
"""Every layout by name."""
