"""Build the atlas files in ``src/gliotype/atlas/data`` from packages that anyone can install.

    pip install nilearn==0.14.1 && pip install --no-deps raidionicsrads==1.3.2
    python tools/build_atlas.py

Sources (licences and credits: ``src/gliotype/atlas/data/README.md``):

- raidionicsrads: ICBM 2009a nonlinear symmetric T1 and T2 averages of the whole head, brain mask and
  the lobe atlas of the same template (Collins 1999), all by the Montreal Neurological Institute;
- nilearn: grey and white matter probability maps of the same template.

All are on one 197 x 233 x 189 grid of 1 mm in MNI152 coordinates. The lobe atlas has no insula; it is
drawn here by `insula` from the putamen, the tissue maps and the sagittal outline of the island.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray
from scipy import ndimage

DATA = Path(__file__).resolve().parents[1] / "src" / "gliotype" / "atlas" / "data"
ORIGIN = (98, 134, 72)
"""Voxel of the MNI origin in the source grid."""

STRUCTURES: dict[str, tuple[int, tuple[int, ...]]] = {
    "frontal": (1, (210, 211)),
    "insula": (2, ()),
    "occipital": (3, (8, 4)),
    "parietal": (4, (6, 2)),
    "temporal": (5, (218, 219)),
    "thalamus": (6, (102, 203)),
    "caudate": (7, (39, 53)),
    "putamen": (8, (14, 16)),
    "pallidum": (9, (12, 11)),
    "subthalamic_nucleus": (10, (33, 23)),
    "fornix": (11, (29, 254)),
    "cerebellum": (12, (67, 76)),
    "brainstem": (13, (20,)),
    "lateral_ventricle": (14, (3, 9)),
    "third_ventricle": (15, (232,)),
    "fourth_ventricle": (16, (233,)),
    "csf": (17, (255,)),
}
"""Name -> our code, codes in the lobe atlas (left, right)."""

INSULA_OUTLINE_YZ = (
    (-26, 18), (-22, 6), (-10, -6), (0, -14), (10, -20), (20, -16),
    (27, -6), (29, 4), (26, 13), (10, 15), (-8, 18),
)  # fmt: skip
"""The circular sulcus on the sagittal plane |x| = 38 of the template, MNI y and z in mm, drawn by us."""


def package(name: str) -> Path:
    """Folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{name} is not installed: see the head of this script")
    return Path(spec.submodule_search_locations[0])


def load(path: Path) -> NDArray[np.float64]:
    image = nib.load(path)
    expected = np.eye(4)
    expected[:3, 3] = -np.array(ORIGIN)
    if image.shape != (197, 233, 189) or not np.allclose(image.affine, expected):
        raise SystemExit(f"{path.name} is not on the ICBM 2009a grid")
    return np.asarray(image.get_fdata())


def insula(
    putamen: NDArray[np.bool_], lobes: NDArray[np.bool_], tissue: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Draw the insula of both sides: cortex and extreme capsule between putamen and Sylvian fissure.

    On each left-right line through the outline, it begins 3 mm lateral of the putamen (at |x| = 29 mm
    where the line misses it) and ends at the fissure, the first point from |x| = 34 mm on with less
    than 65 % tissue; where the gyri touch, at |x| = 42 mm.

    Args:
        putamen: mask of the putamen.
        lobes: voxels that belong to a cerebral lobe.
        tissue: fraction of grey plus white matter.
    """
    y, z = np.meshgrid(np.arange(233) - ORIGIN[1], np.arange(189) - ORIGIN[2], indexing="ij")
    inside = Polygon(INSULA_OUTLINE_YZ).contains_points(np.column_stack([y.ravel(), z.ravel()]))
    both = (tissue + tissue[::-1]) / 2
    nucleus = putamen | putamen[::-1]
    drawn = np.zeros_like(lobes)
    for j, k in np.argwhere(inside.reshape(y.shape)):
        lateral = np.flatnonzero(nucleus[ORIGIN[0] :, j, k])
        start = max(lateral.max() + 3, 29) if lateral.size else 29
        gap = np.flatnonzero(both[ORIGIN[0] + 34 :, j, k] < 0.65)
        stop = min(34 + gap[0] if gap.size else 42, 42)
        drawn[ORIGIN[0] + start : ORIGIN[0] + stop + 1, j, k] = True
        drawn[ORIGIN[0] - stop : ORIGIN[0] - start + 1, j, k] = True
    smooth = ndimage.gaussian_filter(drawn.astype(np.float32), 1.0) > 0.5
    return np.asarray(smooth & lobes)


def label_map(lobe_atlas: NDArray[np.float64], tissue: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Recode the lobe atlas, sides joined, and add the insula."""
    source = lobe_atlas.round().astype(int)
    labels = np.zeros(source.shape, np.uint8)
    for code, theirs in STRUCTURES.values():
        labels[np.isin(source, theirs)] = code
    lobes = np.isin(
        labels, [STRUCTURES[name][0] for name in ("frontal", "parietal", "temporal", "occipital")]
    )
    island = insula(labels == STRUCTURES["putamen"][0], lobes, tissue)
    labels[island] = STRUCTURES["insula"][0]
    return labels


def to_bytes(image: NDArray[np.float64], step: int = 1) -> NDArray[np.uint8]:
    """Scale to 0-255 (99.9th percentile) in steps; coarser steps compress better."""
    scaled = np.clip(image / np.percentile(image, 99.9), 0, 1) * 255
    return (np.round(scaled / step) * step).clip(0, 255).astype(np.uint8)


def to_sixteenths(fraction: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.round(np.clip(fraction, 0, 1) * 16).astype(np.uint8)


def save(name: str, array: NDArray[np.uint8]) -> str:
    """Write a compressed NIfTI whose bytes depend on the content only; return its SHA-256."""
    affine = np.eye(4)
    affine[:3, 3] = -np.array(ORIGIN)
    image = nib.Nifti1Image(array, affine)
    image.header.set_sform(affine, 4)
    image.header.set_qform(affine, 4)
    image.header.set_xyzt_units("mm")
    path = DATA / name
    path.write_bytes(gzip.compress(image.to_bytes(), 9, mtime=0))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    icbm = package("raidionicsrads") / "Atlases" / "mni_icbm152_nlin_sym_09a"
    maps = package("nilearn") / "datasets" / "data"
    grey = load(maps / "mni_icbm152_gm_tal_nlin_sym_09a_converted.nii.gz") / 255
    white = load(maps / "mni_icbm152_wm_tal_nlin_sym_09a_converted.nii.gz") / 255
    brain = load(icbm / "mni_icbm152_t1_tal_nlin_sym_09a_mask.nii") > 0.5
    labels = label_map(load(icbm / "reduced_lobes_brain.nii.gz"), grey + white)
    DATA.mkdir(exist_ok=True)
    hashes = {
        f"{name}.nii.gz": save(
            f"{name}.nii.gz", to_bytes(load(icbm / f"mni_icbm152_{name}_tal_nlin_sym_09a.nii"), step=3)
        )
        for name in ("t1", "t2")
    }
    hashes["brain.nii.gz"] = save("brain.nii.gz", brain.astype(np.uint8))
    hashes["grey.nii.gz"] = save("grey.nii.gz", to_sixteenths(grey * brain))
    hashes["white.nii.gz"] = save("white.nii.gz", to_sixteenths(white * brain))
    hashes["structures.nii.gz"] = save("structures.nii.gz", labels)
    card = {"structures": {name: code for name, (code, _) in STRUCTURES.items()}, "sha256": hashes}
    (DATA / "atlas.json").write_text(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    main()
