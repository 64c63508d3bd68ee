"""The words by which scanners, archives and public cohorts name images.

Each pattern matches whole words of a normalised text (`gliotype.read.identify.keywords.normalised`). The
vocabulary is closed: no pattern holds a wildcard for letters, so a word that a reason quotes is one of these
and never part of a name. Words that are also surnames, places or codes are in the lists of ambiguous words.
"""

from __future__ import annotations

MASKS = (
    r"seg|segm|segs|dseg|probseg|segmentations?|segmented mask|masks?|masque|maske|labels?|labelmap|rois?"
    r"|ground ?truth|aparc|aseg|tumou?r ?seg|(?:brain|tumou?r|lesion|roi|head|skull|bet|gtv) ?masks?"
)
"""Words of a file's own name that make it a mask or segmentation."""

AMBIGUOUS_MASKS = r"gt|rois?|annotations?|contours?|tissues?|labels?|segs?|masks?"
"""Words that may name a mask as well as a patient, place or code: the voxels decide (few or many values)."""

QUANTITATIVE_MAP = (
    r"q ?t[12]|q?t[12] ?(?:maps?|mapping|mappa|karte|values?|relaxometry|times?)|map t[12]|qt[12]"
    r"|quant(?:itative)? t[12]|t[12] quant(?:itative)?|pd ?maps?|qpd|t1 ?rho|r[12] ?maps?|r[12] ?star"
    r"|t2 ?star ?maps?|(?:cartographie|mappa|mapa|carte) t[12]"
)
"""Words that name a map of a tissue parameter: never a weighted image, whatever else is said."""

CEST = r"cest|apt ?w|wassr|z ?spectr(?:um|a)"
"""Words of chemical exchange saturation transfer. Z-spectra are used; maps that were computed of them are not."""

TECHNIQUES: tuple[tuple[str, str], ...] = (
    (
        r"locali[sz]ers?|scouts?|aahead ?scouts?|aahscouts?|aascouts?|surview|3 ?planes?(?: loc)?|(?:3 ?)?plane loc"
        r"|tri ?planar|smartbrain|scanogram|loc 3 ?plane",
        "a localiser",
    ),
    (
        r"subtractions?|subtracted|subtract|soustraction|sottrazione|su[bs]traccion|subtracao|sub?straktion|subtrahiert"
        r"|post ?pre|(?:t1|t1w|t1c|t1ce|post|ce|gd|gad|gado|km|vibe|mprage|contrast|[+]c) subs?|subs? (?:t1|mip|post)"
        r"|(?:t1c|t1ce|t1gd|post|gd|km) minus (?:t1|pre)",
        "a subtraction",
    ),
    (r"mips?|minip|mnip|max ip|min ip", "a projection"),
    (
        r"(?:n|r|nr|rel|lc|c)? ?(?:cbv|cbf|mtt|ttp)(?: ?(?:corr|corrected|uncorr|uncorrected|map|maps))?"
        r"|tmax|pbp|gbp|ktrans|leakage|k2|perf(?:usion)? ?maps?",
        "a perfusion map",
    ),
    (r"[ap]?c?asl|pcasl|pasl|casl|arterial spin labell?ing", "arterial spin labelling"),
    (
        r"tof|angio|angiograph(?:y|ie)|angiogram|mra|mrv|venogra(?:m|phy)|venograph(?:y|ie)|phase ?contrast|pc ?mra",
        "an angiogram",
    ),
    (
        r"swi|swip|qsm|susceptibility|suscept|t2 ?star|t2 ?starw|t2s|t2sw|gre ?t2|t2 ?gre|t2 ?ffe|t2 ?fl2d|fl2d ?t2"
        r"|swan t2 ?star|venobold",
        "a susceptibility-weighted image",
    ),
    (
        r"spectroscop(?:y|ie)|spectro|mrs|mrsi|svs|semi ?laser|press ?(?:30|35|135|144|270|288)",
        "spectroscopy",
    ),
    (r"fmri|resting ?state|rs ?fmri|bold fmri", "functional MRI"),
    (r"dce|vibe ?dyn|tricks|dynamic t1|t1 dynamic", "a dynamic T1 series"),
    (r"ciss(?: ?3d)?|fiesta(?: ?c)?|trufi|b ?ffe|true ?fisp|t2 drive", "a steady-state image"),
    (r"stir|t2 ?stir", "a STIR image"),
    (r"double ?ir|double inversion(?: recovery)?", "a double inversion recovery image"),
    (r"field ?maps?|fieldmap|gre ?field(?: ?mapping)?|b0 ?maps?|b1 ?maps?|tfl ?b1(?: ?map)?", "a field map"),
    (rf"mt ?on|mt ?off|{CEST}|magneti[sz]ation transfer", "a magnetisation transfer image"),
    (r"e ?adc|exp ?adc|exponential(?: adc| apparent diffusion coefficient)?", "an exponential ADC map"),
    (
        r"fa ?maps?|col ?fa|dti fa|fa dti|dti (?:md|rd)|tensor|eigen ?(?:values?|vectors?)|fractional ani?sotropy"
        r"|fractional aniso|mean diffusivity|radial diffusivity",
        "a diffusion tensor map",
    ),
    (
        r"phase ?(?:images?|maps?)|pha images?|part phase|part (?:real|imag)|real images?|imaginary images?",
        "a phase image",
    ),
    (rf"{QUANTITATIVE_MAP}|synthetic|symri|magic|r1|molli|despot", "a parameter map"),
    (
        r"mp2rage (?:inv ?[12]|gre)|inv ?[12] mp2rage|inv ?[12]|mp2rage first inv|mp2rage second inv",
        "an inversion image of MP2RAGE, of which only the combined image (UNI) is used",
    ),
    (
        r"fat|fat ?(?:only|fraction|images?)|dixon (?:f|fat|opp|op|out|opposed|outphase|ff)"
        r"|(?:fat|opp|outphase|opposed|ff) dixon|out ?of ?phase|outphase|out phase|opp ?phase|opposed ?phase",
        "the fat or opposed-phase image of a Dixon series",
    ),
    (
        r"[ctl] ?spine|spine|cervical|thoracic|lumbar|hws|bws|lws|rachis|columna|colonna|coluna|wirbelsaule",
        "an image of the spine",
    ),
)
"""Techniques whose images are none of ours, whatever their weighting, and what to call them."""

AMBIGUOUS_TECHNIQUES: tuple[tuple[str, str], ...] = (
    (r"loc|survey|surveys", "a localiser"),
    (r"subs?|diff", "a subtraction or a diffusion image"),
    (r"swan|merge|medic|hemo|haemo", "a susceptibility-weighted image"),
    (r"press|csi", "spectroscopy"),
    (r"bold|resting", "functional MRI"),
    (r"twist", "a dynamic T1 series"),
    (r"drive", "a steady-state image"),
    (r"dir", "a double inversion recovery image"),
    (r"mtr?|mtc|apt", "a magnetisation transfer image"),
    (r"fa|md|rd|ad|l[123]", "a diffusion tensor map"),
    (r"trace|b ?0|b ?\d{3,4}|resolve", "a diffusion-weighted image"),
    (r"phase|pha", "a phase image"),
    (r"pca", "an angiogram"),
)
"""Words that are surnames, places and codes as well ('MD Anderson', 'FA_001', 'Swan'): see `keywords`."""

ADC = r"d?adc|adc ?(?:maps?|images?)?|apparent diffusion(?: coefficient)?"
DWI = r"dwi|dti|dsi|hardi|diffusion|diffusione|difusion|difusao|tracew|trace w|(?:ep2d|epi|se) ?diff|dw ?epi"
DSC = r"dsc(?: ?perf(?:usion)?)?|perf|perfusion|perfusie|perfusione|pwi|perfu|ep2d ?perf|fe ?epi"
FLAIR = (
    r"flair|t2f|fla|tir2d\d{0,2}|tirm|dark ?fl(?:uid)?|da ?fl(?:uid)?|drk ?fl(?:uid)?|dk ?fl(?:uid)?|d fluid"
    r"|spc ?ir|space ?ir|fluid ?att(?:en(?:uated|uation)?)?(?: inversion recovery)?|liquor ?suppr(?:ession|imiert)?"
)
T1 = r"t1|t1w|t1wi|t1n|unit1|t1c|t1ce|t1 weighted|t1 gewichtet"
T1_TECHNIQUES = (
    r"mp ?rage|memp ?rage|mp2rage|(?:ir )?f?spgr|efgre3d|bravo|tfl3d\d{0,2}|thrive|vibe|lava(?: flex)?|mpr"
)
"""Techniques of T1-weighted images; they count where no weighting is named."""
T2 = r"t2|t2w|t2wi|t2 (?:tse|fse|weighted)|(?:fr)?fse ?t2|cube ?t2"
PD = r"pd|pdw|proton(?: density)?|rho"
POST_OP = (
    r"post ?ops?|post ?operativ(?:e|o|a|)|post ?operatoi?re|post ?operatori[oa]|post ?surg(?:ery|ical)?|postop"
    r"|s p resection|status post|intra ?op(?:erative|erativ)?|imri|after (?:surgery|resection|craniotomy)"
    r"|post ?resect(?:ion)?|post ?biops(?:y|ie|ia)|post ?craniotomy|nach op|na operatie|apres chirurgie"
)
PROCESSED = (
    r"reformat(?:ted|s|ting)?|recon|rfmt|reconst(?:ruction|ructed)?|bias ?(?:corr(?:ected)?)?|n4|stripped"
    r"|skull ?stripped|bet|registered|reg|coreg(?:istered)?|resampled?|warped|aligned|derivatives?"
)
STANDARD_SPACES = r"mni\w*|sri\w*|talairach|atlas|template"

_NEUTRAL_WORDS = (
    "ax axial axi tra trans transverse transversal transversale tr sag sagittal sagital cor coronal koronar "
    "obl oblique 3d 2d iso isotropic brain head cranial cranio kopf schadel schaedel crane encephale encefalo "
    "cerebro cerebral cerebrale cranium neuro se tse fse ffe tfe gre fl2d fl3d flash spc space cube vista ir "
    "fs fatsat fat sat spair spir chess dixon mdixon flex water whole wb hr hires highres res high low thin "
    "stereo navi navigation stealth nav brainlab acc sense ipat grappa asset cs mm w wi weighted image images "
    "img im scan series ser mr mri mpr new rpt repeat rep motion norm nd dis2d dis3d n4 bias corr corrected "
    "recon reformat bet stripped registered reg coreg resampled and the of with orig original raw prop "
    "propeller blade multivane irm rm rmn mrt se2d1 tse2d1 uni den t1 t2 t1w t2w t1wi t2wi flair tirm dark "
    "fluid pd mprage mp2rage spgr fspgr bravo vibe lava thrive adc dwi dti dsc perf ep2d epi map maps swi gd "
    "gad gado km ce post pre c contrast late delayed iv supp suppressed sup hf tesla 3t 15t volume vol in opp phase "
)
NEUTRAL = frozenset(_NEUTRAL_WORDS.split())
"""Words that occur among the informative ones in descriptions and say nothing by themselves."""
