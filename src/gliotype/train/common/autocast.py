"""The numbers in which a network learns: bfloat16 where the machine computes in it, else single precision."""

from __future__ import annotations

import torch


def autocast(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 where the device does so itself.

    A processor without it does not fail but imitates it, far slower than single precision.

    Args:
        device: on which a network learns.

    Example:
        >>> with autocast(torch.device("cpu")):
        ...     product = torch.ones(2, 3) @ torch.ones(3, 2)
        >>> (product.dtype == torch.bfloat16) == computes_in_bfloat16(torch.device("cpu"))
        True
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=computes_in_bfloat16(device))


def computes_in_bfloat16(device: torch.device) -> bool:
    """Determine whether a device computes in bfloat16 itself."""
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
