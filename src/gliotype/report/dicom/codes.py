"""Codes of what DICOM results say; they are listed in ``docs/reference/dicom-results.md``.

What DICOM, SNOMED CT, NCI Thesaurus and IBSI have no code for has one of the private scheme 99GLIOTYPE, whose values
are the names in ``prediction.json``.
"""

from __future__ import annotations

from pydicom.sr.coding import Code

SCHEME = "99GLIOTYPE"

ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
ANATOMICAL = Code("91723000", "SCT", "Anatomical Structure")
NEOPLASM = Code("108369006", "SCT", "Neoplasm")
ENHANCING = Code("C113842", "NCIt", "Enhancing Lesion")
NON_ENHANCING = Code("C81175", "NCIt", "Non-Enhancing Lesion")
OEDEMA = Code("79654002", "SCT", "Edema")
BRAIN = Code("12738006", "SCT", "Brain")

ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
MULTIPARAMETRIC_MRI = Code("126020", "DCM", "Multiparametric MRI")
COMMENT = Code("121106", "DCM", "Comment")
VOLUME = Code("118565006", "SCT", "Volume")
SALIENCY = Code("130404", "DCM", "Saliency")
ADC = Code("113041", "DCM", "Apparent Diffusion Coefficient")
RCBV = Code("126398", "DCM", "Relative Regional Blood Volume")
RCBF = Code("126397", "DCM", "Relative Regional Blood Flow")
MTT = Code("113052", "DCM", "Mean Transit Time")
TTP = Code("113069", "DCM", "Time To Peak")
K2 = Code("k2", SCHEME, "Leakage K2 of DSC perfusion")

POSITIVE = Code("10828004", "SCT", "Positive")
NEGATIVE = Code("260385009", "SCT", "Negative")
INDETERMINATE = Code("82334004", "SCT", "Indeterminate")
PRESENT = Code("52101004", "SCT", "Present")
ABSENT = Code("272519000", "SCT", "Absent")

MEAN = Code("373098007", "SCT", "Mean")
MEDIAN = Code("373099004", "SCT", "Median")
TENTH = Code("371890005", "SCT", "Tenth percentile")
NINETIETH = Code("371887004", "SCT", "Ninetieth percentile")
NINETY_FIFTH = Code("371889001", "SCT", "Ninety-fifth percentile")

IDH_STATUS = Code("IDH_STATUS", SCHEME, "IDH mutation status predicted from MRI")
TUMOUR_FOUND = Code("TUMOUR_FOUND", SCHEME, "Glioma found on MRI")
PROBABILITY = Code("probability", SCHEME, "Probability of IDH mutation")
RANGE_LOW = Code("interval_low", SCHEME, "Lower end of the range of the probability")
RANGE_HIGH = Code("interval_high", SCHEME, "Upper end of the range of the probability")
PREVALENCE = Code("prevalence", SCHEME, "Prevalence of IDH mutation that the probability refers to")
WILDTYPE_AT = Code("wildtype_at", SCHEME, "Probability at or below which IDH-wildtype is called")
MUTANT_AT = Code("mutant_at", SCHEME, "Probability at or above which IDH-mutant is called")
CONTRIBUTION = Code("contribution", SCHEME, "Contribution to the log odds of IDH mutation")
IN_STRUCTURE = Code("loci", SCHEME, "Percent of the tumor in the structure")
MISMATCH_SIGN = Code("mismatch_sign", SCHEME, "T2-FLAIR mismatch sign")
UNCORRECTED = Code("uncorrected", SCHEME, "Not corrected for leakage")
CORRECTED = Code("corrected", SCHEME, "Corrected for leakage")

SHAPE = {
    "MeshVolume": Code("RNU0", "IBSI", "Volume of Mesh"),
    "VoxelVolume": Code("YEKZ", "IBSI", "Volume from Voxel Summation"),
    "SurfaceArea": Code("C0JK", "IBSI", "Surface Area of Mesh"),
    "Sphericity": Code("QCFX", "IBSI", "Sphericity"),
    "Maximum3DDiameter": Code("L0JK", "IBSI", "Maximum 3D Diameter of a Mesh"),
    "MajorAxisLength": Code("TDIC", "IBSI", "Major Axis in 3D Length"),
    "MinorAxisLength": Code("P9VJ", "IBSI", "Minor Axis in 3D Length"),
    "LeastAxisLength": Code("7J51", "IBSI", "Least Axis in 3D Length"),
    "Elongation": Code("Q3CK", "IBSI", "Elongation"),
    "Flatness": Code("N17B", "IBSI", "Flatness"),
}
"""Shape features of the same definition in IBSI."""

STRUCTURES = {
    "Frontal": Code("83251001", "SCT", "Frontal lobe"),
    "Insula": Code("36169008", "SCT", "Insula"),
    "Occipital": Code("31065004", "SCT", "Occipital lobe"),
    "Parietal": Code("16630005", "SCT", "Parietal lobe"),
    "Temporal": Code("78277001", "SCT", "Temporal lobe"),
    "Thalamus": Code("42695009", "SCT", "Thalamus"),
}

PERFUSION = {
    "nrcbv_mean": (RCBV, MEAN, CORRECTED),
    "nrcbv_p90": (RCBV, NINETIETH, CORRECTED),
    "nrcbv_p95": (RCBV, NINETY_FIFTH, CORRECTED),
    "nrcbv_uncorrected_mean": (RCBV, MEAN, UNCORRECTED),
    "nrcbv_uncorrected_p95": (RCBV, NINETY_FIFTH, UNCORRECTED),
    "ncbf": (RCBF, MEAN, None),
    "mtt": (MTT, MEDIAN, None),
    "ttp": (TTP, None, None),
    "k2": (K2, MEAN, None),
}
"""Concept, derivation and method of perfusion numbers."""

DIFFUSION = {
    "adc_mean": (ADC, MEAN, None),
    "adc_median": (ADC, MEDIAN, None),
    "adc_p10": (ADC, TENTH, None),
}

UNITS = {
    "": Code("1", "UCUM", "no units"),
    "1": Code("1", "UCUM", "no units"),
    "%": Code("%", "UCUM", "Percent"),
    "mm": Code("mm", "UCUM", "mm"),
    "mm2": Code("mm2", "UCUM", "square millimeter"),
    "mm3": Code("mm3", "UCUM", "cubic millimeter"),
    "cm3": Code("cm3", "UCUM", "cubic centimeter"),
    "s": Code("s", "UCUM", "second"),
    "1/s": Code("/s", "UCUM", "/s"),
    "um2/s": Code("um2/s", "UCUM", "um2/s"),
}
"""Unit of UCUM by the unit in ``prediction.json``."""

IN_UNITS = {"ml": ("cm3", 1.0), "1e-3 mm2/s": ("um2/s", 1000.0)}
"""Units that DICOM does not list: the one to use in their place, and by how much values are multiplied."""


_SHORT = {
    "Maximum2DDiameter": "Max2D",
    "_inner": "",
    "_over_tissue": "_tiss",
    "_over_ring": "_ring",
    "_over_rim": "_rim",
    "_over_white_matter": "_wm",
    "_fraction": "",
    "adc_assessed": "adc",
}
"""What shortens names: older readers do not know the code values longer than 16 characters."""


def private(name: str, meaning: str) -> Code:
    """Make the code of a number that has none elsewhere; its value is the name, shortened.

    Example:
        >>> private("FLAIR_inner_mean_over_tissue", "FLAIR inner mean over tissue").value
        'FLAIR_mean_tiss'
    """
    value = name
    for words, short in _SHORT.items():
        value = value.replace(words, short)
    return Code(value, SCHEME, meaning[:64])


def in_dicom_units(value: float, unit: str) -> tuple[float, Code]:
    """Express a value in a unit that DICOM lists, with seven digits.

    Example:
        >>> value, unit = in_dicom_units(0.8, "1e-3 mm2/s")
        >>> value, unit.value
        (800.0, 'um2/s')
    """
    name, factor = IN_UNITS.get(unit, (unit, 1.0))
    return float(f"{value * factor:.7g}"), UNITS[name]
