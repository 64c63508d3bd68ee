// Age, sex and prevalence: the same fields before a prediction and after it.

import { h } from "./dom.js";

export function patientFields(prefix, { age, sex, prevalence, ageHint = "" }) {
  const field = (label, control, hint) => h("p", { class: "field" }, h("label", { for: control.id }, label), control, hint ? h("small", { class: "soft" }, hint) : null);
  const option = (value, text) => h("option", { value, selected: (sex ?? "") === value }, text);
  const number = (name, value, attributes) => h("input", { type: "number", id: `${prefix}-${name}`, name, inputmode: "decimal", ...attributes, ...(value === null || value === undefined ? {} : { value: String(value) }) });
  return [
    field("Age (years)", number("age", age, { min: "0", max: "120", step: "any", placeholder: ageHint })),
    field("Sex", h("select", { id: `${prefix}-sex`, name: "sex" }, option("", "not stated"), option("F", "female"), option("M", "male"))),
    field("Prevalence of IDH mutation", number("prevalence", prevalence, { min: "0.01", max: "0.99", step: "0.01", placeholder: "0.3" })),
  ];
}

export function readPatient(form, prefix) {
  const read = (name) => form.querySelector(`#${prefix}-${name}`).value.trim();
  const number = (name) => (read(name) === "" ? null : Number(read(name)));
  return { age: number("age"), sex: read("sex") || null, prevalence: number("prevalence") };
}
