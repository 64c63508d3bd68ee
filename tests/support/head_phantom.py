"""A small head whose tumour has signals to be chosen, for the tests of what measures and predicts."""

from __future__ import annotations

import numpy as np

from gliotype.study import Label, PreparedStudy, Sequence, Tumour
from gliotype.volume import Volume


def head(
    *,
    t2: tuple[float, float] = (2.5, 2.5),
    flair: tuple[float, float] = (1.8, 1.8),
    t1c: tuple[float, float] = (0.8, 0.8),
    core_label: Label = Label.CORE,
    sequences: tuple[Sequence, ...] = (Sequence.T1C, Sequence.T2, Sequence.FLAIR),
    source: str = "model1",
) -> tuple[PreparedStudy, Tumour]:
    """Return a prepared study and its tumour: normal tissue, a CSF ball and an off-centre tumour.

    T2 and FLAIR have noise around 1.2 and 1.1 in normal tissue; the tumour is a ball of radius 12 mm with a
    core of radius 7 mm, and each signal is given for edge and core. Outside the brain all is 7.0, as bright
    scalp is.
    """
    affine = np.eye(4)
    affine[:3, 3] = (-30.0, -35.0, -20.0)
    empty = Volume(np.zeros((60, 70, 50), np.float32), affine)
    world = empty.grid.world()

    def away(*centre: float) -> np.ndarray:
        return np.asarray(np.linalg.norm(world - np.array(centre), axis=-1))

    brain, csf = away(0, 0, 5) < 27, away(-12, -10, 5) < 7
    tumour, core = away(10, 6, 2) < 12, away(10, 6, 2) < 7
    noise = np.random.default_rng(3).normal(size=(2, *brain.shape))

    def image(normal: np.ndarray, of_csf: float, edge_and_core: tuple[float, float]) -> Volume:
        tissue = np.where(tumour, edge_and_core[0], np.where(csf, of_csf, normal))
        return empty.with_array(
            np.where(brain, np.where(core, edge_and_core[1], tissue), 7.0).astype(np.float32)
        )

    images = {
        Sequence.T1C: image(np.full(brain.shape, 1.0), 0.3, t1c),
        Sequence.T2: image(1.2 + 0.2 * noise[0], 4.0, t2),
        Sequence.FLAIR: image(1.1 + 0.1 * noise[1], 0.2, flair),
    }
    labels = np.select([core, tumour], [int(core_label), int(Label.OEDEMA)], 0).astype(np.uint8)
    prepared = PreparedStudy(
        images={sequence: images[sequence] for sequence in sequences},
        brain=empty.with_array(brain),
        mni_from_prepared=np.eye(4),
        acquired_from_prepared={},
        acquired_grids={},
        reference=sequences[0],
        skull_stripped=False,
    )
    return prepared, Tumour(empty.with_array(labels), source)
