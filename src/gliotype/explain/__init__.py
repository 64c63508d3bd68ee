"""Which voxels and which numbers moved an answer."""

from gliotype.explain.occlusion import occlusion_map
from gliotype.explain.saliency import SaliencyFractions, saliency_fractions

__all__ = ["SaliencyFractions", "occlusion_map", "saliency_fractions"]
