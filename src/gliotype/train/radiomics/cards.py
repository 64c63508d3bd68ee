"""The model cards of the predictors fitted on tables, written from what was fitted."""

from __future__ import annotations

from typing import Any

import jinja2

_TEMPLATE = """\
{%- macro auroc(ends) -%}
{{ "%.3f" | format(ends[0]) }} ({{ "%.3f" | format(ends[1]) }}-{{ "%.3f" | format(ends[2]) }})
{%- endmacro -%}
# Model card: {{ name }}

{% block what %}{% endblock %}

**Intended use.** Research on adults with diffuse glioma before surgery. Not a medical device.

**Data.** {{ data.name }} ({{ data.citation }}). Licence: {{ data.licence }}.
{%- if derived %} The {{ derived }}.{% endif %}
Left out: {{ left_out | join(", ") }}, whose image is one of our development images.
Gliomas of grade 4: {{ "%.0f" | format(100 * grade_4) }} %.

**Method.** Ridge logistic regression on standardised features; penalty by the log-loss of 5-fold
cross-validation; {{ models[0].bootstrap | length }} bootstrap resamples within each class give the 95 % interval.
Log-odds are stored for a prevalence of one half, and shifted to the prevalence asked for. A value outside
the range of the training patients counts as the edge of that range. Fitted by
`gliotype.train.radiomics.fit.fit` with seed {{ seed }}.

{% block results %}{% endblock %}
"""

_AGE = """\
{% extends "card" %}
{% set model = models[0] %}
{% set slope = model.coefficients[0] / model.sd[0] %}
{% block what -%}
P(IDH mutation) from the patient's age alone: the yardstick for every other method.
{%- endblock %}
{% block results -%}
**Model.** Log-odds change by {{ "%+.4f" | format(slope) }} a year; at a prevalence of one half they are
even at {{ "%.1f" | format(model.mean[0] - model.intercept / slope) }} years.

**Results.** UCSF-PDGM, 5 x 5 cross-validation: AUROC {{ auroc(model.auroc) }}, n = {{ model.patients }},
{{ model.mutants }} mutant. On patients of other hospitals, at their own prevalence:

| cohort | n | mutant | AUROC (95 %) | Brier | slope | intercept |
| --- | --- | --- | --- | --- | --- | --- |
{% for each in external -%}
| {{ each.cohort }} | {{ each.patients }} | {{ each.mutants }} | {{ auroc(each.auroc) }} | {{ each.brier }} |
{#- #} {{ each.calibration_slope }} | {{ "%+.2f" | format(each.calibration_intercept) }} |
{% endfor %}
**Limits.** A slope below 1 means that the probabilities are too extreme there: among gliomas of grade 2-3
age is much less informative than in a cohort that mixes them with glioblastoma. Ages of TCGA are at diagnosis.
{%- endblock %}
"""

_RADIOMICS = """\
{% extends "card" %}
{% set full = models[-1] %}
{% block what -%}
P(IDH mutation) from the tumour's shape, its signal on T1c, T2 and FLAIR over its surroundings, and age.
There is a model for every subset of these parts, so that a missing input degrades the answer.
{%- endblock %}
{% block results -%}
**Features.** Chosen on the same table on which they are then cross-validated, which flatters the results below;
few, and chosen to survive a change of mask and scanner (docs/explanation/predictors.md):
flatness instead of sphericity, the ring's median instead of its mean. Definitions:
docs/reference/measurements.md. The full model, log-odds per standard deviation:

| feature | mean | SD | coefficient |
| --- | --- | --- | --- |
{% for name in full.features -%}
{% set i = loop.index0 -%}
| {{ name }} | {{ "%.3g" | format(full.mean[i]) }} | {{ "%.2g" | format(full.sd[i]) }} |
{#- #} {{ "%+.2f" | format(full.coefficients[i]) }} |
{% endfor %}
{% if errors -%}
**Errors of found outlines.** The coefficients are fitted to the table's numbers with errors added, as they were
measured in {{ errors.log_ratios | length }} patients whose outline was both found and drawn by an expert (answer.md).

{% endif -%}
**Results.** UCSF-PDGM, experts' masks without added errors, 5 x 5 cross-validation (95 % interval after DeLong).
Models are fitted on all grades; their AUROC within grades is given as well.
Only {{ full.strata["grade 2-3"].patients }} patients of grade 2-3
({{ full.strata["grade 2-3"].mutants }} mutant) have signal ratios.

| parts | n | mutant | AUROC | within grade 2-3 | within grade 4 |
| --- | --- | --- | --- | --- | --- |
{% for each in models -%}
| {{ each.parts | join(" + ") }} | {{ each.patients }} | {{ each.mutants }} | {{ auroc(each.auroc) }} |
{#- #} {{ auroc(each.strata["grade 2-3"].auroc) }} | {{ auroc(each.strata["grade 4"].auroc) }} |
{% endfor %}
**Limits.** One hospital, one protocol, experts' masks at 1 mm. Predicted masks, thick slices and other
protocols shift the features; results through the whole pipeline are printed by benchmarks/real_cases.py.
{%- endblock %}
"""

_CARDS = jinja2.Environment(
    loader=jinja2.DictLoader({"card": _TEMPLATE, "age": _AGE, "radiomics": _RADIOMICS}),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    autoescape=False,
)


def card(document: dict[str, Any]) -> str:
    """Write the card, in Markdown, of the predictor named in what `gliotype.train.radiomics.fit.fit` wrote."""
    return _CARDS.get_template(document["name"]).render({"derived": "", **document})
