"""The shipped template as an anatomy, for those who have no label maps."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage

from gliotype.atlas import atlas
from gliotype.simulate.head.anatomy import Anatomy
from gliotype.simulate.tissue import Tissue
from gliotype.study import Sequence

_VENTRICLES = ("lateral_ventricle", "third_ventricle", "fourth_ventricle")
_DEEP_GREY = ("thalamus", "caudate", "putamen", "pallidum", "subthalamic_nucleus")


@cache
def template_anatomy() -> Anatomy:
    """Build a whole-head tissue map from the ICBM 2009a templates, tissue fractions and structures.

    Within the brain the largest tissue fraction counts; outside it, scalp fat is bright on T1, bone is dark on
    both templates, fluid (eyes) is bright on T2, and the rest is muscle.
    """
    white, grey, fluid = (
        atlas.tissue(kind).array for kind in (atlas.Tissue.WHITE, atlas.Tissue.GREY, atlas.Tissue.CSF)
    )
    labels, codes = atlas.structures()
    brain = np.asarray(atlas.brain().array, dtype=np.bool_)
    kinds = np.array([Tissue.WHITE_MATTER, Tissue.GREY_MATTER, Tissue.CSF], np.uint8)
    tissue = kinds[np.argmax(np.stack([white, grey, fluid]), axis=0)]
    structure = np.asarray(labels.array)
    deep = np.isin(structure, [codes[name] for name in _DEEP_GREY if name in codes])
    tissue[deep & (tissue == Tissue.GREY_MATTER)] = Tissue.DEEP_GREY
    tissue[np.isin(structure, [codes[name] for name in _VENTRICLES if name in codes])] = Tissue.VENTRICLE
    if "brainstem" in codes:
        tissue[structure == codes["brainstem"]] = Tissue.BRAINSTEM
    tissue[~brain] = _outside_brain()[~brain]
    return Anatomy(atlas.brain().with_array(tissue), np.eye(4))


def _outside_brain() -> np.ndarray:
    t1 = ndimage.gaussian_filter(atlas.template(Sequence.T1).array.astype(np.float32), 0.7)
    t2 = ndimage.gaussian_filter(atlas.template(Sequence.T2).array.astype(np.float32), 0.7)
    head = ndimage.binary_closing(t1 > 0.12 * t1.max(), iterations=3)
    head = np.stack([ndimage.binary_fill_holes(part) for part in np.moveaxis(head, 2, 0)], axis=2)
    tissue = np.full(t1.shape, Tissue.MUSCLE, np.uint8)
    tissue[t1 > 0.62 * t1.max()] = Tissue.SCALP
    tissue[(t1 < 0.3 * t1.max()) & (t2 < 0.3 * t2.max())] = Tissue.BONE
    tissue[t2 > 0.7 * t2.max()] = Tissue.EYE
    tissue[~head] = Tissue.AIR
    return tissue
