// A new case: choose a study, state what is known of the patient, upload it and let it be predicted.

import * as api from "./api.js";
import { bytes, h, replace, say } from "./dom.js";
import { filesOfDrop, filesOfInput, sendAll } from "./files.js";
import { patientFields, readPatient } from "./patient.js";

export function newCasePage(open) {
  let files = [];
  let abort = null;
  const message = h("p", { class: "message", role: "alert" });
  const chosen = h("p", { class: "chosen", id: "chosen" }, "No study chosen yet.");
  const folder = h("input", { type: "file", id: "folder", webkitdirectory: true, multiple: true, class: "visually-hidden", tabindex: "-1", "aria-hidden": "true" });
  const file = h("input", { type: "file", id: "file", multiple: true, class: "visually-hidden", tabindex: "-1", "aria-hidden": "true" });
  const drop = h(
    "div", { class: "drop" },
    h("div", { class: "drop-icon", "aria-hidden": "true" }, "⇪"),
    h("p", { class: "drop-title" }, "Drop a folder or a zip of the study here"),
    h("p", { class: "soft" }, "DICOM or NIfTI, as it comes from the scanner: T1, T1c, T2, FLAIR, perfusion and diffusion are found by themselves."),
    h("p", { class: "row centre" },
      h("button", { type: "button", onclick: () => folder.click() }, "Choose a folder"),
      h("button", { type: "button", onclick: () => file.click() }, "Choose a zip or files")),
    folder, file,
  );
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Upload" });
  const count = h("span", { class: "soft" });
  const stop = h("button", { type: "button", onclick: () => abort?.abort() }, "Cancel the upload");
  const sending = h("div", { class: "sending", hidden: true }, bar, h("p", { class: "row between" }, count, stop));
  const start = h("button", { type: "submit", class: "primary", disabled: true }, "Upload and predict");
  const name = h("input", { type: "text", id: "name", maxlength: "60", autocomplete: "off", placeholder: "such as case-12" });
  const form = h(
    "form", { class: "card stated", onsubmit: submit },
    h("h2", {}, "Patient"),
    h("div", { class: "fields" },
      h("p", { class: "field" }, h("label", { for: "name" }, "Name of the case"), name),
      ...patientFields("new", {})),
    h("p", { class: "soft" }, "No patient's name, please. Age and sex are read from DICOM headers if left empty; all can be changed later."),
    message, sending,
    h("p", { class: "row" }, start, chosen),
  );

  function choose(found) {
    files = found;
    const size = files.reduce((sum, each) => sum + each.file.size, 0);
    const text = files.length ? `${files.length.toLocaleString("en-GB")} file${files.length > 1 ? "s" : ""}, ${bytes(size)}` : "No file was found there.";
    replace(chosen, text);
    start.disabled = !files.length;
    message.textContent = "";
    say(text);
  }

  async function submit(event) {
    event.preventDefault();
    message.textContent = "";
    let id = null;
    try {
      const stated = { name: name.value, ...readPatient(form, "new") };
      ({ id } = await api.addCase(stated));
      abort = new AbortController();
      start.disabled = true;
      sending.hidden = false;
      const total = files.reduce((sum, each) => sum + each.file.size, 0);
      await sendAll(
        files,
        (path, one, onBytes, signal) => api.putFile(id, path, one, onBytes, signal),
        (done, sent) => {
          bar.value = total ? Math.min(1, sent / total) : 1;
          replace(count, `${done.toLocaleString("en-GB")} of ${files.length.toLocaleString("en-GB")} files, ${bytes(sent)} of ${bytes(total)}`);
        },
        abort.signal,
      );
      await api.predict(id);
      say("Uploaded. The prediction has begun.");
      open(id);
    } catch (error) {
      abort?.abort();
      if (id !== null) await api.removeCase(id).catch(() => {});
      message.textContent = error.name === "AbortError" ? "The upload was cancelled, and nothing was kept." : error.message;
      sending.hidden = true;
      start.disabled = !files.length;
    }
  }

  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    replace(chosen, "Listing the files …");
    choose(await filesOfDrop(event.dataTransfer));
  });
  for (const input of [folder, file]) input.addEventListener("change", () => choose(filesOfInput(input)));

  return h("div", { class: "page new" }, h("h1", {}, "New case"), drop, form);
}
