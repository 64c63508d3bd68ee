from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.simulate.cohort.demo import DemoPatient, demo_seed
from gliotype.simulate.cohort.raw_study import raw_patient, raw_plan
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType, draw_plan
from gliotype.study import Label


@pytest.mark.parametrize(
    ("grade", "enhancing", "accepted"), [(2, 0, True), (3, 0, True), (4, 0, False), (2, 0.1, False)]
)
def test_a_typical_mutant_is_of_grade_2_or_3_and_does_not_enhance(
    grade: int, enhancing: float, accepted: bool
) -> None:
    plan = draw_plan(np.random.default_rng(0), GliomaType.ASTROCYTOMA)
    assert DemoPatient.MUTANT.accepts(replace(plan, grade=grade, enhancing_fraction=enhancing)) is accepted


def test_a_typical_wildtype_enhances_and_is_no_mutant() -> None:
    plan = replace(draw_plan(np.random.default_rng(0), GliomaType.GLIOBLASTOMA), enhancing_fraction=0.2)
    assert DemoPatient.WILDTYPE.accepts(plan)
    assert not DemoPatient.WILDTYPE.accepts(replace(plan, enhancing_fraction=0.0))
    assert not DemoPatient.WILDTYPE.accepts(replace(plan, type=GliomaType.ASTROCYTOMA))
    assert not DemoPatient.MUTANT.accepts(replace(plan, grade=3, enhancing_fraction=0.0))


@pytest.mark.slow
def test_the_seed_is_the_first_that_fits_and_another_start_gives_a_later_one() -> None:
    anatomy = template_anatomy()
    found = demo_seed(DemoPatient.MUTANT)
    fits = [
        DemoPatient.MUTANT.accepts(raw_plan(seed, GliomaType.ASTROCYTOMA, anatomy))
        for seed in range(found + 1)
    ]
    assert fits == [False] * found + [True]
    assert demo_seed(DemoPatient.MUTANT, first=found + 1) > found


@pytest.mark.slow
def test_the_patient_has_the_tumour_that_the_rule_was_asked_about() -> None:
    seed = demo_seed(DemoPatient.MUTANT)
    patient = raw_patient(seed, DemoPatient.MUTANT.glioma)
    assert patient.plan == raw_plan(seed, DemoPatient.MUTANT.glioma, template_anatomy())
    assert patient.tumour is not None
    assert not (patient.tumour.labels == Label.ENHANCING).any()
    assert (patient.tumour.labels > 0).any()
