// One case: its progress, its answer next to its images, the report, which image is which, and the files.

import * as api from "./api.js";
import { duration, h, percent, replace, say } from "./dom.js";
import { patientFields, readPatient } from "./patient.js";
import { REGIONS, Viewer } from "./viewer.js";

const STAGE_WORDS = {
  read: "Read the files", prepare: "Register and prepare the images", segment: "Find the tumour", measure: "Measure it",
  predict: "Ask every method", answer: "Weigh the evidence", report: "Write the report",
};
const TABS = [["images", "Images"], ["report", "Report"], ["identification", "Which image is which"], ["files", "Files"]];

export function casePage(id, refreshList) {
  const page = h("div", { class: "page case" });
  const message = h("p", { class: "message", role: "alert" });
  let viewer = null, viewed = "", rendered = "", timer = 0, closed = false, tab = "images", was = null;

  async function load() {
    window.clearTimeout(timer);
    let pause = 8000;
    try {
      const found = await api.showCase(id);
      if (closed) return;
      render(found);
      if (isBusy(found)) pause = 800;
      announce(found);
    } catch (error) {
      if (!closed) message.textContent = error.message;
      if (!rendered) replace(page, h("h1", {}, id), message);
    }
    timer = window.setTimeout(load, pause);
  }

  function announce(found) {
    const { state, stage, reason } = found.progress;
    const now = state === "running" ? STAGE_WORDS[stage] ?? "The computation has begun" : state;
    if (was !== null && now !== was) {
      say(state === "done" ? `Done: ${answerWords(found)}` : state === "failed" ? `Failed: ${reason}` : now ?? "");
      refreshList();
    }
    was = now;
  }

  async function act(action) {
    message.textContent = "";
    try {
      await action();
      await load();
      refreshList();
    } catch (error) {
      message.textContent = error.message;
    }
  }

  function render(found) {
    progress.update(found);
    const now = JSON.stringify({ ...found, progress: [found.progress.state, found.progress.reason], stages: 0 });
    if (now === rendered) return;
    rendered = now;
    if (!page.firstChild) replace(page, heading, message, progress.element, body);
    replace(heading, h("h1", {}, id), h("span", { class: "row" },
      found.prediction ? h("a", { class: "button", href: api.address(id, "/results.zip"), download: true }, "Download all (zip)") : null,
      found.prediction ? h("a", { class: "button", href: api.address(id, "/files/report.pdf"), download: true }, "PDF") : null,
      h("button", { type: "button", class: "quiet danger", onclick: remove }, "Delete")));
    renderBody(found);
  }

  const heading = h("div", { class: "heading" });
  const body = h("div", { class: "body" });
  const progress = progressPanel(() => act(() => api.cancel(id)), () => act(() => api.predict(id)));

  async function remove() {
    if (window.confirm(`Delete the case ${id}, with its images and results?`)) {
      await act(async () => { await api.removeCase(id); location.hash = "new"; });
    }
  }

  // ---- tabs

  const panels = Object.fromEntries(TABS.map(([name]) => [name, h("div", { role: "tabpanel", id: `panel-${name}`, "aria-labelledby": `tab-${name}`, class: `panel ${name}` })]));
  const tabs = h("div", { role: "tablist", "aria-label": "Parts of the case", class: "tabs", onkeydown: moveTab },
    TABS.map(([name, words]) => h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, onclick: () => choose(name) }, words)));

  function choose(name) {
    tab = name;
    for (const [each] of TABS) {
      const button = tabs.querySelector(`#tab-${each}`);
      button.setAttribute("aria-selected", String(each === name));
      button.tabIndex = each === name ? 0 : -1;
      panels[each].hidden = each !== name;
    }
    if (name === "report" && !panels.report.querySelector("iframe")) {
      replace(panels.report, h("iframe", { src: `${api.address(id, "/report")}?at=${Date.now()}`, title: `Report of the case ${id}` }));
    }
    if (name === "images" && viewer?.nv) viewer.nv.resizeListener?.();
  }

  function moveTab(event) {
    const names = TABS.map(([name]) => name), by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    choose(names[(names.indexOf(tab) + by + names.length) % names.length]);
    tabs.querySelector(`#tab-${tab}`).focus();
  }

  function renderBody(found) {
    if (!found.prediction) {
      replace(body);
      return;
    }
    if (!body.firstChild) replace(body, tabs, Object.values(panels));
    replace(panels.report);
    replace(panels.identification, identification(found, (sequences) => act(() => api.predict(id, { sequences }))));
    replace(panels.files, files(found));
    renderImages(found);
    choose(tab);
  }

  function renderImages(found) {
    const answer = answerPanel(found, act);
    const { prepared } = { prepared: JSON.stringify([found.volumes.sequences, found.prediction.sequences]) };
    const outline = JSON.stringify([found.corrected, found.prediction.tumour]);
    const cached = found.volumes.sequences.length > 0;
    if (viewer && (viewed.prepared === prepared || isBusy(found))) {
      panels.images.lastChild.replaceWith(answer);
      if (isBusy(found)) return;
      if (viewed.outline !== outline && viewer.nv?.back) viewer.loadOutline();
    } else {
      viewer?.close();
      viewer = cached ? new Viewer(id, found.volumes, { onSave, onUpload }) : null;
      const instead = h("section", { class: "viewer empty-viewer" }, h("p", {}, "The images of this case were not cached, because it was predicted on the command line. The report shows its pictures."));
      replace(panels.images, viewer?.element ?? instead, answer);
      viewer?.open();
    }
    viewed = { prepared, outline };
  }

  const stated = () => readPatient(panels.images, "answer");
  const onSave = (voxels) => act(async () => { await api.putDrawing(id, voxels); await api.revise(id, { ...stated(), mask: true }); });
  const onUpload = (file) => act(async () => { await api.putMask(id, file); await api.revise(id, { ...stated(), mask: true }); });

  load();
  return { element: page, close: () => { closed = true; window.clearTimeout(timer); viewer?.close(); } };
}

const isBusy = (found) => ["waiting", "running"].includes(found.progress.state);
const answerWords = ({ prediction, calls }) => (prediction ? calls[prediction.call] + (prediction.probability === null ? "" : `, probability of IDH mutation ${percent(prediction.probability)}`) : "");

/** The stages of a running job, or why there is no answer. */
function progressPanel(cancel, again) {
  const element = h("section", { class: "card progress", hidden: true, "aria-label": "Progress" });
  let built = "";
  let clock = null, bar = null;
  function update(found) {
    const { state, stage, ahead, seconds, reason, revises } = found.progress;
    const unfinished = !found.prediction && !state;
    element.hidden = !(isBusy(found) || state === "failed" || state === "cancelled" || unfinished);
    const now = JSON.stringify([state, stage, ahead, reason, unfinished, found.open]);
    if (clock && isBusy(found)) clock.textContent = duration(seconds);
    if (now === built || element.hidden) return;
    built = now;
    clock = null;
    if (unfinished) {
      replace(element, h("p", {}, found.open ? "The files of this case are being uploaded." : "The upload of this case has not been finished: delete it, and upload it again."));
    } else if (state === "failed") {
      replace(element, h("h2", {}, revises ? "The new answer failed" : "The prediction failed"), h("p", { class: "message" }, sentence(reason)),
        revises ? h("p", { class: "soft" }, "The answer below is the one before.") : h("p", { class: "row" }, found.uploaded ? h("button", { type: "button", onclick: again }, "Try again") : null));
    } else if (state === "cancelled") {
      replace(element, h("p", {}, "The computation was cancelled."), revises ? null : h("p", { class: "row" }, h("button", { type: "button", onclick: again }, "Predict now")));
    } else {
      const stages = revises ? found.stages.filter((each) => !["prepare", "segment"].includes(each)) : found.stages;
      const at = stages.indexOf(stage);
      clock = h("span", { class: "soft" }, duration(seconds));
      bar = h("progress", { max: stages.length, value: Math.max(0, at), "aria-label": "Stages done" });
      replace(element,
        h("div", { class: "row between" }, h("h2", {}, state === "waiting" ? (ahead ? `Waiting: ${ahead} before it in the queue` : "Waiting") : STAGE_WORDS[stage] ?? "Starting"), h("span", { class: "row" }, clock, h("button", { type: "button", onclick: cancel }, "Cancel"))),
        bar,
        h("ol", { class: "stages" }, stages.map((each, n) => h("li", { class: n < at ? "past" : n === at ? "current" : "", "aria-current": n === at ? "step" : null }, STAGE_WORDS[each]))));
    }
  }
  return { element, update };
}

const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) + (/[.!?)]$/.test(text) ? "" : ".") : "No reason was given.");

function answerPanel(found, act) {
  const { prediction, calls, settings } = found;
  const { call, probability, interval, prevalence, tumour } = prediction;
  const sum = h("div", { class: "waterfall" });
  if (probability !== null) drawWaterfall(found.id, sum);
  const age = prediction.findings.find((finding) => finding.method === "age");
  const form = h("form", { class: "stated", onsubmit: (event) => { event.preventDefault(); act(() => api.revise(found.id, { ...readPatient(form, "answer"), mask: found.corrected })); } },
    h("div", { class: "fields three" }, patientFields("answer", { ...settings, ageHint: prediction.age === null ? "" : String(Number(prediction.age.toFixed(1))) })),
    h("p", { class: "row" }, h("button", { type: "submit", disabled: isBusy(found) || !found.volumes.sequences.length }, "Answer again"),
      found.corrected ? h("button", { type: "button", disabled: isBusy(found), onclick: () => act(() => api.revise(found.id, { ...readPatient(form, "answer"), mask: false })) }, "Back to the outline that was found") : null));
  const list = (title, items) => (items.length ? [h("h3", {}, title), h("ul", {}, items.map((item) => h("li", {}, sentence(item))))] : []);
  return h("section", { class: "answer", "aria-label": "Answer" },
    h("div", { class: `card call ${call}` },
      h("p", { class: "call-words" }, calls[call]),
      probability === null ? h("p", {}, prediction.explanation) : h("p", { class: "sure" }, "Probability of IDH mutation ", h("b", {}, percent(probability)), h("br"),
        h("span", { class: "soft" }, `range ${percent(interval[0])} to ${percent(interval[1])}, at a prevalence of ${percent(prevalence)}`)),
      age && age.probability !== null ? h("p", { class: "soft" }, `Age alone: ${percent(age.probability)}`) : null),
    probability === null ? null : h("div", { class: "card" }, h("h2", {}, "From the prevalence to the answer"), sum, h("p", { class: "soft caption" }, "The line across the answer is its range.")),
    h("div", { class: "card" }, h("h2", {}, "Outline"), regions(tumour, found.corrected)),
    h("div", { class: "card" }, h("h2", {}, "Patient and prevalence"), form),
    h("div", { class: "card notes" }, list("Why it is indeterminate", prediction.reasons), list("Warnings", prediction.warnings),
      prediction.reasons.length + prediction.warnings.length ? null : h("p", { class: "soft" }, "No warnings.")));
}

async function drawWaterfall(id, element) {
  try {
    const text = new TextDecoder().decode(await api.fetchBytes(api.address(id, "/waterfall")));
    const svg = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    replace(element, document.importNode(svg, true));
  } catch (error) {
    replace(element, h("p", { class: "message" }, error.message));
  }
}

function regions(tumour, corrected) {
  const source = corrected ? "corrected by you" : tumour.source === "model1" ? "found by Model 1" : "given";
  if (!tumour.volume_ml) return h("p", {}, "No tumour.");
  return [
    h("p", { class: "soft" }, `Whole tumour ${tumour.volume_ml.toFixed(1)} ml, ${source}.`),
    h("ul", { class: "regions" }, REGIONS.map(({ name, words }) => h("li", {}, h("i", { class: `swatch ${name}`, "aria-hidden": "true" }), words,
      h("span", { class: "value" }, tumour.regions_ml[name] === null ? "not known" : `${tumour.regions_ml[name].toFixed(1)} ml`)))),
  ];
}

/** The table in which a click overrules what an image was taken for. */
function identification(found, apply) {
  const { prediction, settings } = found;
  const names = { T1: "T1", T1C: "T1c", T2: "T2", FLAIR: "FLAIR", DSC: "DSC perfusion", ADC: "ADC or diffusion", none: "not used" };
  const rows = [...Object.entries(prediction.sequences).map(([sequence, image]) => ({ sequence, ...image })), ...prediction.other_images];
  const changed = new Map();
  const button = h("button", { type: "button", class: "primary", disabled: true, onclick: () => apply(Object.fromEntries(changed)) }, "Predict again with these");
  const cannot = found.uploaded ? null : h("p", { class: "soft" }, "This case was predicted on the command line: give --image there.");
  function select(row, n) {
    const stated = settings.sequences[row.source];
    const automatic = stated ? "back to automatic" : `${names[row.sequence] ?? "other"} (automatic)`;
    const control = h("select", { id: `image-${n}`, disabled: !found.uploaded || isBusy(found), "aria-label": `Take ${row.source} as`, onchange: () => {
      changed.set(row.source, control.value);
      if (control.value === (stated ?? "auto")) changed.delete(row.source);
      button.disabled = !changed.size;
    } }, h("option", { value: "auto", selected: !stated }, automatic), Object.entries(names).map(([value, words]) => h("option", { value, selected: stated === value }, words)));
    return control;
  }
  return h("section", { "aria-label": "Which image is which" },
    h("p", {}, "What every image was taken for, and why. Choose something else where that is wrong; the study is then prepared anew."), cannot,
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of the images" }, h("table", {}, h("thead", {}, h("tr", {}, ["Image", "Taken as", "Confidence", "Voxels (mm)", "Reason"].map((words) => h("th", { scope: "col" }, words)))),
      h("tbody", {}, rows.map((row, n) => h("tr", { class: row.sequence && found.prediction.sequences[row.sequence]?.source === row.source ? "used" : "" },
        h("th", { scope: "row" }, row.source), h("td", {}, select(row, n)), h("td", { class: "n" }, `${Math.round(100 * row.confidence)} %`),
        h("td", { class: "n" }, row.spacing_mm.map((mm) => Number(mm.toPrecision(3))).join(" × ")), h("td", { class: "reason" }, row.reason)))))),
    h("p", { class: "row" }, button));
}

const FILE_WORDS = {
  "report.pdf": "Report, one page (PDF)", "report.html": "Report (HTML)", "prediction.json": "Answer, numbers and reasons (JSON)", "tumour.nii.gz": "Tumour (NIfTI)", "brain.nii.gz": "Brain (NIfTI)",
  "saliency.nii.gz": "Saliency (NIfTI)", "perfusion_rcbv.nii.gz": "rCBV, leakage-corrected (NIfTI)", "perfusion_rcbv_uncorrected.nii.gz": "rCBV, uncorrected (NIfTI)",
  "perfusion_k2.nii.gz": "Leakage K2 (NIfTI)", "perfusion_psr.nii.gz": "Signal recovery, PSR (NIfTI)", "perfusion_ttp.nii.gz": "Time to peak (NIfTI)", "perfusion_fwhm.nii.gz": "Width of the bolus (NIfTI)",
  "perfusion_cbf.nii.gz": "rCBF (NIfTI)", "perfusion_mtt.nii.gz": "Mean transit time (NIfTI)", "adc.nii.gz": "ADC (NIfTI)",
};

function files(found) {
  const dicom = found.downloads.filter((name) => name.startsWith("dicom/")), others = found.downloads.filter((name) => !name.startsWith("dicom/"));
  const link = (name) => h("li", {}, h("a", { href: api.address(found.id, `/files/${name.split("/").map(encodeURIComponent).join("/")}`), download: true }, FILE_WORDS[name] ?? name.replace("dicom/", "")));
  const order = (name) => { const at = Object.keys(FILE_WORDS).indexOf(name); return at < 0 ? 99 : at; };
  return h("section", { "aria-label": "Files" },
    h("h2", {}, "Results"), h("ul", { class: "filelist" }, others.sort((a, b) => order(a) - order(b)).map(link)),
    h("h2", {}, "DICOM"), dicom.length ? [h("p", { class: "row" }, h("a", { class: "button", href: api.address(found.id, "/results.zip?dicom"), download: true }, "Download all DICOM (zip)")), h("ul", { class: "filelist" }, dicom.map(link))]
      : h("p", { class: "soft" }, "None: results are written as DICOM where the study is DICOM."),
    found.progress.state === "done" && found.progress.reason ? h("p", { class: "message" }, `The DICOM results of this answer were not written: ${sentence(found.progress.reason)}`) : null);
}
