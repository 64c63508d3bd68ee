"""The scanner: signal equations, and what coils, slices, movement and noise do to the image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.simulate.fields import Field, smooth_noise
from gliotype.simulate.tissue import Tissue, TissueParameters
from gliotype.study import Sequence


def spin_echo(pd: Field, t1_ms: Field, t2_ms: Field, tr_ms: float, te_ms: float) -> Field:
    """Signal of a spin echo: ``PD (1 - exp(-TR/T1)) exp(-TE/T2)``.

    Example:
        >>> one = np.float32(1.0)
        >>> round(float(spin_echo(0.72 * one, 900 * one, 75 * one, 600, 12)), 3)
        0.299
    """
    return np.asarray(pd * (1 - np.exp(-tr_ms / t1_ms)) * np.exp(-te_ms / t2_ms))


def inversion_recovery(
    pd: Field, t1_ms: Field, t2_ms: Field, tr_ms: float, te_ms: float, ti_ms: float
) -> Field:
    """Magnitude signal of FLAIR: ``PD |1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2)``."""
    recovered = np.abs(1 - 2 * np.exp(-ti_ms / t1_ms) + np.exp(-tr_ms / t1_ms))
    return np.asarray(pd * recovered * np.exp(-te_ms / t2_ms))


def spoiled_gradient_echo(
    pd: Field, t1_ms: Field, t2_ms: Field, tr_ms: float, te_ms: float, flip_deg: float
) -> Field:
    """Signal of a spoiled gradient echo (Ernst), with T2* taken as 0.6 T2."""
    e1, angle = np.exp(-tr_ms / t1_ms), np.radians(flip_deg)
    return np.asarray(
        pd * np.sin(angle) * (1 - e1) / (1 - np.cos(angle) * e1) * np.exp(-te_ms / (0.6 * t2_ms))
    )


MPRAGE_ECHO_SPACING_MS, MPRAGE_PULSES, MPRAGE_FLIP_DEG = 7.0, 160, 9.0
"""Excitations of the gradient-echo train that reads one inversion out."""


def prepared_gradient_echo(pd: Field, t1_ms: Field, ti_ms: float, tr_ms: float) -> Field:
    """Magnitude signal of MPRAGE at the centre of k-space, in the steady state of inversion, train and recovery.

    The excitations drive the magnetisation towards a smaller value with a shorter T1 (Deichmann 2000), so that grey
    matter is not nulled as the inversion alone would have it.

    Example:
        >>> t1 = np.array([950, 1500, 4300], np.float32)  # white matter, grey matter, CSF
        >>> s = prepared_gradient_echo(np.array([0.72, 0.84, 1.0], np.float32), t1, 900, 2300)
        >>> [round(float(v), 2) for v in s / s[0]]
        [1.0, 0.65, 0.15]
    """
    train = MPRAGE_ECHO_SPACING_MS * MPRAGE_PULSES
    driven_t1 = 1 / (1 / t1_ms - np.log(np.cos(np.radians(MPRAGE_FLIP_DEG))) / MPRAGE_ECHO_SPACING_MS)
    driven = driven_t1 / t1_ms
    before, during = np.exp(-max(ti_ms - train / 2, 0.0) / t1_ms), np.exp(-train / driven_t1)
    after = np.exp(-max(tr_ms - ti_ms - train / 2, 0.0) / t1_ms)
    # m is the magnetisation when the train begins; each step is linear in it, and it must repeat.
    constant = 1 - (1 + 1 - (1 - driven * (1 - during)) * after) * before
    m = constant / (1 + during * after * before)
    return np.asarray(pd * np.abs(driven + (m - driven) * np.sqrt(during)))


@dataclass(frozen=True)
class Protocol:
    """How one sequence is acquired.

    Attributes:
        sequence: T1, T1C, T2 or FLAIR.
        technique: ``"SE"``, ``"IR"``, ``"SPGR"`` or ``"MPRAGE"``.
        tr_ms: repetition time.
        te_ms: echo time.
        ti_ms: inversion time (IR, MPRAGE).
        flip_deg: flip angle (SPGR).
        contrast: whether contrast agent has been given.
        thickness_mm: slice thickness and distance.
        slice_axis: voxel axis along which slices lie.
        in_plane_mm: in-plane resolution.
        bias: standard deviation of the log of the coil's inhomogeneity.
        noise: standard deviation of noise over the signal of white matter.
        gamma: exponent of a monotone distortion of the grey scale, 1 for none.
        ghost: strength of the copies of the head that motion leaves along the phase axis, 0 to 1.
        kept_k_space: fraction of k-space along the phase axis that is sampled; less than 1 leaves Gibbs ringing.
        coil: random seed of the coil's inhomogeneity; sequences with the same seed have the same bias field.
        first_slice: 0 to 1, where within a slice distance the first slice lies.
    """

    sequence: Sequence
    technique: str
    tr_ms: float
    te_ms: float
    ti_ms: float
    flip_deg: float
    contrast: bool
    thickness_mm: float
    slice_axis: int
    in_plane_mm: float
    bias: float
    noise: float
    gamma: float
    ghost: float = 0.0
    kept_k_space: float = 1.0
    coil: int = 0
    first_slice: float = 0.0


FLUID_T1_MS = 4300.0
"""T1 of cerebrospinal fluid, the same at 1.5 and 3 T."""

INVERSION_ERROR_MS = 50.0
"""Standard deviation of a FLAIR's inversion time around the null of fluid."""


def null_inversion_ms(tr_ms: float, t1_ms: float = FLUID_T1_MS) -> float:
    """Compute the inversion time at which a tissue gives no signal: ``T1 ln(2 / (1 + exp(-TR/T1)))``.

    Example:
        >>> round(null_inversion_ms(9000.0))
        2481
    """
    return t1_ms * math.log(2 / (1 + math.exp(-tr_ms / t1_ms)))


def draw_protocol(
    rng: np.random.Generator, sequence: Sequence, *, thickness_mm: float | None = None
) -> Protocol:
    """Draw a protocol as hospitals run them: FLAIR with TR 7-11 s, TE 85-155 ms, a TI that nulls fluid, and so on.

    Args:
        rng: source of randomness.
        sequence: T1, T1C, T2 or FLAIR.
        thickness_mm: slice thickness; drawn from 1 to 7 mm when None.
    """
    contrast = sequence is Sequence.T1C or (sequence is Sequence.FLAIR and rng.random() < 0.1)
    tr, te, ti, flip, technique = 0.0, 10.0, 0.0, 90.0, "SE"
    if sequence is Sequence.FLAIR:
        technique, tr, te = "IR", rng.uniform(7000, 11000), rng.uniform(85, 155)
        error = INVERSION_ERROR_MS * rng.standard_normal()
        ti = null_inversion_ms(tr) + float(np.clip(error, -2 * INVERSION_ERROR_MS, 2 * INVERSION_ERROR_MS))
    elif sequence is Sequence.T2:
        tr, te = rng.uniform(2500, 6500), rng.uniform(75, 125)
    else:
        technique = str(rng.choice(["SE", "SE", "SPGR", "MPRAGE"]))
        if technique == "SE":
            tr, te = rng.uniform(400, 800), rng.uniform(8, 20)
        elif technique == "SPGR":
            tr, te, flip = rng.uniform(6, 30), rng.uniform(2, 6), rng.uniform(12, 30)
        else:
            tr, te, ti = rng.uniform(1900, 2500), 3.0, rng.uniform(850, 1150)
    if thickness_mm is None:
        thickness_mm = float(rng.choice([rng.uniform(1.0, 2.0), rng.uniform(3.0, 7.0)]))
    return Protocol(
        sequence=sequence,
        technique=technique,
        tr_ms=float(tr),
        te_ms=float(te),
        ti_ms=float(ti),
        flip_deg=float(flip),
        contrast=bool(contrast),
        thickness_mm=float(thickness_mm),
        slice_axis=int(rng.choice([2, 2, 2, 2, 1, 0])) if thickness_mm > 2 else 2,
        in_plane_mm=float(rng.uniform(0.5, 1.2)),
        bias=float(rng.uniform(0.0, 0.2)),
        noise=float(rng.uniform(0.005, 0.06)),
        gamma=1.0,
        ghost=float(rng.uniform(0.0, 0.08)) if rng.random() < 0.3 else 0.0,
        kept_k_space=float(rng.uniform(0.7, 1.0)),
        coil=int(rng.integers(2**32)),
        first_slice=float(rng.random()),
    )


PAIRED_FRACTION = 0.8
"""Proportion of studies whose T1c repeats the T1 of the same session; a design value."""


def pair_post_contrast(
    rng: np.random.Generator, protocols: Mapping[Sequence, Protocol]
) -> dict[Sequence, Protocol]:
    """Let T1c repeat T1 in most studies, as scanners acquire them, and leave the two independent in the others.

    A repeated T1 has the same technique, timing, slices, coil and noise; only contrast agent and motion are T1c's own.

    Args:
        rng: source of randomness.
        protocols: one per sequence, drawn independently.
    """
    protocols = dict(protocols)
    paired = rng.random() < PAIRED_FRACTION
    if paired and Sequence.T1 in protocols and Sequence.T1C in protocols:
        own = protocols[Sequence.T1C]
        protocols[Sequence.T1C] = replace(
            protocols[Sequence.T1], sequence=Sequence.T1C, contrast=True, ghost=own.ghost
        )
    return protocols


def draw_protocols(
    rng: np.random.Generator, sequences: Iterable[Sequence], thickness_mm: tuple[float, float]
) -> dict[Sequence, Protocol]:
    """Draw the protocols of one study, T1 and T1c paired as in `pair_post_contrast`.

    Args:
        rng: source of randomness.
        sequences: which the study has.
        thickness_mm: range of slice thickness.

    Example:
        >>> drawn = draw_protocols(np.random.default_rng(1), [Sequence.T1, Sequence.T1C], (3.0, 6.0))
        >>> same_session(drawn[Sequence.T1], drawn[Sequence.T1C])
        True
    """
    drawn = {s: draw_protocol(rng, s, thickness_mm=float(rng.uniform(*thickness_mm))) for s in sequences}
    return pair_post_contrast(rng, drawn)


def same_session(one: Protocol, other: Protocol) -> bool:
    """Whether two sequences were acquired one after the other with the same coil."""
    return one.coil == other.coil


def signals(tissue: TissueParameters, protocol: Protocol) -> Field:
    """Signal of every tissue under a protocol, indexed by tissue code."""
    t1 = tissue.t1_gd_ms if protocol.contrast else tissue.t1_ms
    if protocol.technique == "IR":
        return inversion_recovery(tissue.pd, t1, tissue.t2_ms, protocol.tr_ms, protocol.te_ms, protocol.ti_ms)
    if protocol.technique == "SPGR":
        return spoiled_gradient_echo(
            tissue.pd, t1, tissue.t2_ms, protocol.tr_ms, protocol.te_ms, protocol.flip_deg
        )
    if protocol.technique == "MPRAGE":
        return prepared_gradient_echo(tissue.pd, t1, protocol.ti_ms, protocol.tr_ms)
    return spin_echo(tissue.pd, t1, tissue.t2_ms, protocol.tr_ms, protocol.te_ms)


def ideal_image(
    signal: Field,
    healthy: NDArray[np.uint8],
    compartment: NDArray[np.uint8],
    infiltration: Field,
    texture: Field,
) -> Field:
    """Paint a digital patient with the signal of its tissues.

    Args:
        signal: per tissue code.
        healthy: tissue codes of the head without tumour.
        compartment: tissue codes of the tumour, 0 elsewhere.
        infiltration: 0 to 1.
        texture: relative deviation of signal per voxel.
    """
    image = signal[healthy]
    image += infiltration * (signal[compartment] - image)
    return np.asarray(image * (1 + texture), dtype=np.float32)


def slice_blur(image: Field, spacing_mm: float, protocol: Protocol) -> Field:
    """Average over the slice profile, take one value per slice, and interpolate back to the grid.

    Args:
        image: on an isotropic grid.
        spacing_mm: of that grid.
        protocol: gives slice thickness, axis, first slice and in-plane resolution.
    """
    step = protocol.thickness_mm / spacing_mm
    in_plane = max(0.42 * protocol.in_plane_mm / spacing_mm, 0.55)
    sigma = [in_plane] * 3
    sigma[protocol.slice_axis] = max(in_plane, 0.35 * step)
    image = ndimage.gaussian_filter(image, sigma, truncate=2.5)
    if step <= 1.2:
        return np.asarray(image, dtype=np.float32)
    size = image.shape[protocol.slice_axis]
    centres = np.arange(protocol.first_slice * step, size, step)
    low = np.clip(np.floor(centres).astype(int), 0, size - 1)
    part = (centres - low).astype(np.float32)
    moved = np.moveaxis(image, protocol.slice_axis, 0)
    slices = moved[low] + part[:, None, None] * (moved[np.minimum(low + 1, size - 1)] - moved[low])
    at = np.clip((np.arange(size) - centres[0]) / step, 0, len(centres) - 1)
    low = np.minimum(np.floor(at).astype(int), max(len(centres) - 2, 0))
    part = (at - low).astype(np.float32)[:, None, None]
    back = slices[low] + part * (slices[np.minimum(low + 1, len(centres) - 1)] - slices[low])
    return np.ascontiguousarray(np.moveaxis(back, 0, protocol.slice_axis), dtype=np.float32)


def coil_inhomogeneity(protocol: Protocol, shape: tuple[int, ...], spacing_mm: float) -> Field:
    """Compute the bias field of a protocol's coil on a grid: a factor on the signal, about 1."""
    rng = np.random.default_rng(protocol.coil)
    return np.asarray(np.exp(protocol.bias * smooth_noise(rng, shape, rng.uniform(50, 110) / spacing_mm)))


def degrade(
    rng: np.random.Generator, image: Field, spacing_mm: float, white_matter: float, protocol: Protocol
) -> Field:
    """Add what the scanner adds: coil inhomogeneity, ringing, ghosts, slices, Rician noise, a distorted grey scale."""
    image = _sample_k_space(rng, image * coil_inhomogeneity(protocol, image.shape, spacing_mm), protocol)
    image = slice_blur(image, spacing_mm, protocol)
    sigma = protocol.noise * white_matter
    real = image + sigma * rng.standard_normal(image.shape, dtype=np.float32)
    image = np.hypot(real, sigma * rng.standard_normal(image.shape, dtype=np.float32))
    if protocol.gamma != 1.0:
        top = max(float(np.quantile(image[::3, ::3, ::3], 0.99)), 1e-6)
        image = top * (image / top) ** protocol.gamma
    return np.asarray(image, dtype=np.float32)


def _sample_k_space(rng: np.random.Generator, image: Field, protocol: Protocol) -> Field:
    """Leave out the far ends of k-space along the phase axis, and add the ghosts of a periodic motion."""
    axis = (protocol.slice_axis + 1) % 3
    size = image.shape[axis]
    if protocol.kept_k_space < 1.0:
        lines = np.fft.rfft(image, axis=axis)
        sampled = np.arange(lines.shape[axis]) <= protocol.kept_k_space * (lines.shape[axis] - 1)
        lines *= sampled.reshape([-1 if a == axis else 1 for a in range(3)])
        image = np.abs(np.fft.irfft(lines, size, axis=axis)).astype(np.float32)
    if protocol.ghost > 0.0:
        shift = int(rng.uniform(0.08, 0.5) * size)
        copies = np.roll(image, shift, axis) + np.roll(image, -shift, axis)
        image = (1 - protocol.ghost) * image + 0.5 * protocol.ghost * copies
    return image


def texture_field(
    rng: np.random.Generator, tissue: TissueParameters, code: NDArray[np.uint8], spacing_mm: float
) -> Field:
    """Draw texture: for each tissue, smooth noise of two scales with the tissue's own strength."""
    fine = smooth_noise(rng, code.shape, rng.uniform(1.0, 2.5) / spacing_mm)
    coarse = smooth_noise(rng, code.shape, rng.uniform(4.0, 12.0) / spacing_mm)
    fraction = float(rng.uniform(0.2, 0.8))
    return np.asarray(
        tissue.texture[code] * (fraction * fine + np.sqrt(1 - fraction**2) * coarse), dtype=np.float32
    )


def white_matter_signal(signal: Field) -> float:
    """Signal of white matter, the unit of noise."""
    return float(signal[Tissue.WHITE_MATTER])
