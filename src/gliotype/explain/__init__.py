"""Which voxels and which numbers moved an answer."""

from gliotype.explain.occlusion import occlusion_map
from gliotype.explain.shares import SaliencyShares, saliency_shares

__all__ = ["SaliencyShares", "occlusion_map", "saliency_shares"]
