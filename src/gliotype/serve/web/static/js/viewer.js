// The viewer: one sequence with a map and the outline over it, in NiiVue. The outline is NiiVue's drawing, so that
// it is corrected where it is shown.

import { address } from "./api.js";
import { h, isTyping, replace, say } from "./dom.js";

export const REGIONS = [
  { label: 3, name: "enhancing", words: "Enhancing tumour", colour: [255, 110, 64] },
  { label: 1, name: "core", words: "Non-enhancing or necrotic core", colour: [86, 196, 255] },
  { label: 2, name: "oedema", words: "Oedema and infiltrated tissue", colour: [255, 225, 77] },
];
const SEQUENCES = { T1: "T1", T1C: "T1c", T2: "T2", FLAIR: "FLAIR" };
const MAPS = {
  saliency: "Saliency", perfusion_rcbv: "rCBV, leakage-corrected", perfusion_rcbv_uncorrected: "rCBV, uncorrected",
  perfusion_k2: "Leakage K2", perfusion_psr: "Signal recovery (PSR)", perfusion_ttp: "Time to peak", perfusion_fwhm: "Width of the bolus",
  perfusion_cbf: "rCBF", perfusion_mtt: "Mean transit time", adc: "ADC",
};
const VIEWS = [["all", "Three planes"], ["axial", "Axial"], ["coronal", "Coronal"], ["sagittal", "Sagittal"]];
const PLANES = { axial: 2, coronal: 1, sagittal: 0, all: 2 };
const NAMES = ["sagittal", "coronal", "axial"];

let library = null;

function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    const script = h("script", { src: "/static/niivue.umd.js" });
    script.onload = () => resolve(window.niivue);
    script.onerror = () => reject(new Error("the viewer could not be loaded: load the page again"));
    document.head.append(script);
  });
  return library;
}

export class Viewer {
  /** Show the case `id` whose `volumes` the server lists; `onSave` is given the voxels of a corrected outline. */
  constructor(id, volumes, { onSave, onUpload }) {
    this.id = id;
    this.volumes = volumes;
    this.onSave = onSave;
    this.images = new Map();
    this.now = { sequence: null, map: "", view: "all", outline: true, contour: true, opacity: 0.8, mapOpacity: 0.6 };
    this.editing = false;
    this.element = this.build(onUpload);
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey, true);
  }

  close() {
    document.removeEventListener("keydown", this.onKey, true);
    this.observer?.disconnect();
    this.nv?.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }

  // ---- what is on the page

  build(onUpload) {
    const choice = (name, value, words, checked, change) => {
      const id = `${name}-${value}`;
      return [h("input", { type: "radio", name, id, value, checked, class: "visually-hidden", onchange: change }), h("label", { for: id }, words)];
    };
    this.canvas = h("canvas", { id: "picture", tabindex: "0", role: "application", "aria-roledescription": "image viewer", "aria-label": "Images of the case" });
    this.status = h("p", { class: "loading", role: "status" }, "Loading the images …");
    this.sequences = h("fieldset", { class: "segmented" }, h("legend", { class: "visually-hidden" }, "Sequence"),
      this.volumes.sequences.map((name, n) => choice("sequence", name, SEQUENCES[name] ?? name, n === 0, () => this.show(name))));
    this.views = h("fieldset", { class: "segmented" }, h("legend", { class: "visually-hidden" }, "View"),
      VIEWS.map(([name, words]) => choice("view", name, words, name === "all", () => this.view(name))));
    this.map = h("select", { id: "map", onchange: () => this.showMap(this.map.value) }, h("option", { value: "" }, "none"),
      this.volumes.maps.map((name) => h("option", { value: name }, MAPS[name] ?? name)));
    this.mapOpacity = h("input", { type: "range", id: "map-opacity", min: "0.1", max: "1", step: "0.05", value: "0.6", oninput: () => this.setMapOpacity(Number(this.mapOpacity.value)) });
    this.legend = h("span", { class: "map-legend soft" });
    this.mapTools = h("span", { class: "control", hidden: true }, h("label", { for: "map-opacity" }, "Map opacity"), this.mapOpacity, this.legend);
    this.outline = h("input", { type: "checkbox", id: "outline", checked: true, onchange: () => this.set({ outline: this.outline.checked }) });
    this.contour = h("input", { type: "checkbox", id: "contour", checked: true, onchange: () => this.set({ contour: this.contour.checked }) });
    this.opacity = h("input", { type: "range", id: "opacity", min: "0.1", max: "1", step: "0.05", value: "0.8", oninput: () => this.set({ opacity: Number(this.opacity.value) }) });
    this.slice = h("input", { type: "range", id: "slice", min: "1", max: "2", step: "1", value: "1", "aria-label": "Slice", oninput: () => this.goTo(Number(this.slice.value) - 1) });
    this.position = h("output", { for: "slice", class: "position" });
    this.edit = h("button", { type: "button", id: "edit", "aria-pressed": "false", onclick: () => this.setEditing(!this.editing) }, "Correct the outline");
    const file = h("input", { type: "file", accept: ".nii,.gz", id: "mask", class: "visually-hidden", tabindex: "-1", "aria-hidden": "true", onchange: () => { if (file.files[0]) onUpload(file.files[0]); file.value = ""; } });
    const control = (label, input) => h("span", { class: "control" }, h("label", { for: input.id }, label), input);
    return h("section", { class: "viewer", "aria-label": "Viewer" },
      h("div", { class: "toolbar" }, this.sequences, this.views),
      h("div", { class: "stage" }, this.canvas, this.status),
      h("div", { class: "toolbar slices" }, this.slice, this.position),
      h("div", { class: "toolbar" },
        h("span", { class: "control" }, this.outline, h("label", { for: "outline" }, "Outline")),
        h("span", { class: "control" }, this.contour, h("label", { for: "contour" }, "Contour only")),
        control("Opacity", this.opacity), control("Map", this.map), this.mapTools),
      h("div", { class: "toolbar correct" }, this.edit, h("button", { type: "button", onclick: () => file.click() }, "Upload an outline"), file, this.penTools()));
  }

  penTools() {
    this.pen = h("select", { id: "pen", onchange: () => this.setPen() }, REGIONS.map(({ label, words }) => h("option", { value: String(label) }, words)), h("option", { value: "0" }, "Eraser"));
    this.size = h("input", { type: "range", id: "pen-size", min: "1", max: "15", step: "2", value: "5", oninput: () => this.setPen() });
    this.filled = h("input", { type: "checkbox", id: "filled", onchange: () => this.setPen() });
    this.save = h("button", { type: "button", class: "primary", onclick: () => this.finish() }, "Save and answer again");
    this.tools = h("span", { class: "pens", hidden: true },
      h("span", { class: "control" }, h("label", { for: "pen" }, "Pen"), this.pen),
      h("span", { class: "control" }, h("label", { for: "pen-size" }, "Size"), this.size),
      h("span", { class: "control" }, this.filled, h("label", { for: "filled" }, "Fill a closed line")),
      h("button", { type: "button", onclick: () => this.undo() }, "Undo"),
      h("button", { type: "button", onclick: () => this.discard() }, "Discard"), this.save);
    return this.tools;
  }

  // ---- loading

  async open() {
    try {
      const niivue = await loadLibrary();
      this.nv = new niivue.Niivue({
        backColor: [0, 0, 0, 1], crosshairColor: [0.45, 0.85, 0.6, 0.7], crosshairWidth: 0.6, crosshairGap: 6, isRadiologicalConvention: true, sagittalNoseLeft: true,
        isOrientationTextVisible: true, multiplanarShowRender: niivue.SHOW_RENDER.NEVER, 
        dragAndDropEnabled: false, loadingText: "", viewModeHotKey: "", clipPlaneHotKey: "", cycleClipPlaneHotKey: "", logLevel: "error", fontMinPx: 12, tileMargin: 2,
      });
      this.niivue = niivue;
      await this.nv.attachToCanvas(this.canvas);
      this.nv.onLocationChange = (place) => this.located(place);
      this.nv.addColormap("towards_mutant", { R: [0, 0, 120], G: [60, 114, 200], B: [110, 178, 255], A: [0, 160, 255], I: [0, 128, 255] });
      this.nv.addColormap("towards_wildtype", { R: [110, 213, 255], G: [50, 94, 170], B: [0, 0, 60], A: [0, 160, 255], I: [0, 128, 255] });
      const colours = { R: [0, 0, 0, 0], G: [0, 0, 0, 0], B: [0, 0, 0, 0], A: [0, 255, 255, 255], labels: ["none", "core", "oedema", "enhancing"] };
      for (const { label, colour } of REGIONS) [colours.R[label], colours.G[label], colours.B[label]] = colour;
      this.nv.setDrawColormap(colours);
      await this.show(this.volumes.sequences[0]);
      await this.loadOutline();
      this.view("all");
      this.canvas.dataset.ready = "true";
    } catch (error) {
      this.status.hidden = false;
      this.status.setAttribute("role", "alert");
      this.status.textContent = `The viewer cannot show the images: ${error.message}`;
    }
  }

  async image(name, options) {
    if (!this.images.has(name)) {
      const url = address(this.id, `/volumes/${encodeURIComponent(name)}.nii`);
      this.images.set(name, await this.niivue.NVImage.loadFromUrl({ url, name: `${name}.nii`, ...options }));
    }
    return this.images.get(name);
  }

  /** Show another sequence beneath the map and the outline, at the same place. */
  async show(name) {
    this.status.hidden = false;
    const image = await this.image(name, { colormap: "gray" });
    this.status.hidden = true;
    if (this.now.sequence === name) return;
    this.put(image, 0);
    this.now.sequence = name;
    this.select("sequence", name);
    this.describe();
  }

  /** Put an image in the place of the one below (0) or above (1); everything is drawn anew once, which takes longest. */
  put(image, place) {
    this.nv.volumes.splice(place, 1, image);
    this.nv.setVolume(image, place);
  }

  async showMap(name) {
    this.map.value = name;
    this.now.map = name;
    if (!name && this.nv.volumes[1]) this.nv.removeVolume(this.nv.volumes[1]);
    replace(this.legend);
    this.mapTools.hidden = !name;
    if (name) {
      const signed = name === "saliency";
      const image = await this.image(name, signed ? { colormap: "towards_mutant" } : { colormap: "inferno" });
      if (this.now.map !== name) return;
      image.opacity = this.now.mapOpacity;
      image.cal_min = image.cal_max * (signed ? 0.25 : 0.04);
      if (signed) Object.assign(image, { colormapNegative: "towards_wildtype", cal_minNeg: -image.cal_max, cal_maxNeg: -image.cal_min });
      this.put(image, 1);
      const most = image.cal_max >= 10 ? image.cal_max.toFixed(0) : image.cal_max.toPrecision(2);
      const units = { perfusion_psr: " %", perfusion_ttp: " s", perfusion_fwhm: " s", perfusion_mtt: " s", perfusion_k2: " /s", adc: " × 10⁻³ mm²/s" };
      replace(this.legend, signed
        ? ["wildtype", h("i", { class: "ramp signed" }), "mutant"]
        : ["0", h("i", { class: "ramp" }), `${most}${units[name] ?? " × white matter"}`]);
    }
    this.describe();
  }

  async loadOutline() {
    const url = address(this.id, `/volumes/outline.nii?at=${Date.now()}`);
    const outline = await this.niivue.NVImage.loadFromUrl({ url, name: "outline.nii" });
    this.nv.loadDrawing(outline);
    this.saved = this.nv.drawBitmap.slice();
    this.set({});
    this.goToTumour();
  }

  /** Move to the slice with most of the tumour, at its middle. */
  goToTumour() {
    const [, nx, ny, nz] = this.nv.back.dimsRAS;
    const drawn = this.nv.drawBitmap;
    const inSlice = new Float64Array(nz);
    for (let z = 0, at = 0; z < nz; z++) for (let n = 0; n < nx * ny; n++, at++) if (drawn[at]) inSlice[z] += 1;
    const z = inSlice.indexOf(Math.max(...inSlice));
    let [sx, sy, count] = [0, 0, 0];
    for (let y = 0, at = z * nx * ny; y < ny; y++) for (let x = 0; x < nx; x++, at++) if (drawn[at]) { sx += x; sy += y; count += 1; }
    this.moveTo(count ? [Math.round(sx / count), Math.round(sy / count), z] : [nx >> 1, ny >> 1, nz >> 1]);
  }

  // ---- looking

  view(name) {
    this.now.view = name;
    this.select("view", name);
    const types = { axial: 0, coronal: 1, sagittal: 2 };
    if (name === "all") {
      this.nv.setCustomLayout([
        { sliceType: types.axial, position: [0, 0, 0.62, 1] },
        { sliceType: types.coronal, position: [0.62, 0, 0.38, 0.5] },
        { sliceType: types.sagittal, position: [0.62, 0.5, 0.38, 0.5] },
      ]);
    } else {
      this.nv.clearCustomLayout();
      this.nv.setSliceType(types[name]);
    }
    this.describe();
  }

  /** Change how the outline is shown. */
  set(changes) {
    Object.assign(this.now, changes);
    const { outline, contour, opacity } = this.now;
    Object.assign(this.outline, { checked: outline });
    Object.assign(this.contour, { checked: contour });
    this.opacity.value = String(opacity);
    // NiiVue draws no rim of what it does not draw at all.
    this.nv.drawRimOpacity = outline ? (contour ? opacity : Math.min(1, opacity + 0.2)) : -1;
    this.nv.setDrawOpacity(outline ? (contour ? 0.01 : opacity * 0.6) : 0);
    this.describe();
  }

  setMapOpacity(opacity) {
    this.now.mapOpacity = opacity;
    if (this.nv.volumes[1]) this.nv.setOpacity(1, opacity);
  }

  select(name, value) {
    const input = document.getElementById(`${name}-${value}`);
    if (input) input.checked = true;
  }

  get axis() { return PLANES[this.now.view]; }

  get place() {
    const [x, y, z] = this.nv.frac2vox([...this.nv.scene.crosshairPos]);
    return [x, y, z];
  }

  moveTo(voxel) {
    this.nv.scene.crosshairPos = this.nv.vox2frac(voxel);
    this.nv.createOnLocationChange();
    this.nv.drawScene();
    this.describe();
  }

  goTo(slice) {
    const voxel = this.place;
    voxel[this.axis] = slice;
    this.moveTo(voxel);
  }

  located() { this.describe(); }

  /** Describe next to the picture, and to a screen reader, what it shows. */
  describe() {
    if (!this.nv?.back) return;
    const size = this.nv.back.dimsRAS[this.axis + 1], slice = this.place[this.axis];
    this.slice.max = String(size);
    this.slice.value = String(slice + 1);
    const label = this.nv.drawBitmap?.[this.place[0] + this.nv.back.dimsRAS[1] * (this.place[1] + this.nv.back.dimsRAS[2] * this.place[2])] ?? 0;
    const region = REGIONS.find((each) => each.label === label)?.words ?? "outside the outline";
    this.position.textContent = `${NAMES[this.axis]} slice ${slice + 1} of ${size}; at the crosshair: ${region.toLowerCase()}`;
    const how = !this.now.outline ? "outline hidden" : this.now.contour ? "outline as contour" : "outline filled";
    const map = this.now.map ? `, ${MAPS[this.now.map] ?? this.now.map} as map` : "";
    this.canvas.setAttribute("aria-label", `${SEQUENCES[this.now.sequence]}, ${NAMES[this.axis]} slice ${slice + 1} of ${size}, ${how}${map}`);
    Object.assign(this.canvas.dataset, { sequence: this.now.sequence, slice: String(slice), outline: how, map: this.now.map });
  }

  // ---- correcting

  setEditing(editing) {
    this.editing = editing;
    this.edit.setAttribute("aria-pressed", String(editing));
    this.edit.textContent = editing ? "Stop correcting" : "Correct the outline";
    this.tools.hidden = !editing;
    if (editing) this.set({ outline: true });
    this.nv.setDrawingEnabled(editing);
    if (editing) this.setPen();
    say(editing ? "Correcting the outline: draw in the picture, or press Space to paint at the crosshair." : "No longer correcting.");
  }

  setPen() {
    this.nv.opts.penSize = Number(this.size.value);
    this.nv.setPenValue(Number(this.pen.value), this.filled.checked);
  }

  /** Paint a disc at the crosshair, in the plane that is shown. */
  paint() {
    const radius = Math.max(1, Number(this.size.value)) / 2, centre = this.place, across = [0, 1, 2].filter((axis) => axis !== this.axis);
    this.nv.drawAddUndoBitmap();
    const [, nx, ny] = this.nv.back.dimsRAS, dims = this.nv.back.dimsRAS.slice(1, 4), reach = Math.ceil(radius);
    for (let a = -reach; a <= reach; a++) for (let b = -reach; b <= reach; b++) {
      const voxel = [...centre];
      voxel[across[0]] += a;
      voxel[across[1]] += b;
      if (a * a + b * b <= radius * radius && voxel.every((at, axis) => at >= 0 && at < dims[axis])) {
        this.nv.drawBitmap[voxel[0] + nx * (voxel[1] + ny * voxel[2])] = Number(this.pen.value);
      }
    }
    this.nv.refreshDrawing(true);
    this.describe();
  }

  undo() { this.nv.drawUndo(); }

  discard() {
    this.nv.drawBitmap.set(this.saved);
    this.nv.refreshDrawing(true);
    this.setEditing(false);
  }

  async finish() {
    const voxels = this.nv.drawBitmap.slice();
    this.setEditing(false);
    await this.onSave(voxels);
  }

  // ---- keys

  key(event) {
    if (isTyping(event) || !this.nv?.back || document.querySelector("dialog[open]")) return;
    const inPicture = event.target === this.canvas;
    const act = this.action(event.key, inPicture, event.shiftKey);
    if (!act) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    act();
  }

  action(key, inPicture, shift) {
    const names = this.volumes.sequences;
    const other = (list, now, by) => list[(list.indexOf(now) + by + list.length) % list.length];
    if (/^[1-9]$/.test(key) && names[key - 1]) return () => this.show(names[key - 1]);
    const step = (axis, by) => () => { const voxel = this.place; voxel[axis] = Math.min(this.nv.back.dimsRAS[axis + 1] - 1, Math.max(0, voxel[axis] + by)); this.moveTo(voxel); };
    const [left, up] = [this.axis === 0 ? 1 : 0, this.axis === 2 ? 1 : 2];
    const keys = {
      o: () => this.set({ outline: !this.now.outline }),
      c: () => this.set({ contour: !this.now.contour }),
      "[": () => this.set({ opacity: Math.max(0.1, this.now.opacity - 0.1) }),
      "]": () => this.set({ opacity: Math.min(1, this.now.opacity + 0.1) }),
      m: () => this.showMap(other(["", ...this.volumes.maps], this.now.map, 1)),
      v: () => this.view(other(VIEWS.map(([name]) => name), this.now.view, 1)),
      e: () => this.setEditing(!this.editing),
      ...(this.editing ? { z: () => this.undo() } : {}),
      ...(inPicture ? {
        ArrowUp: shift ? step(up, 1) : step(this.axis, 1), ArrowDown: shift ? step(up, -1) : step(this.axis, -1),
        PageUp: step(this.axis, 5), PageDown: step(this.axis, -5),
        ArrowLeft: step(left, 1), ArrowRight: step(left, -1),
        ...(this.editing ? { " ": () => this.paint() } : {}),
      } : {}),
    };
    return keys[key.length === 1 ? key.toLowerCase() : key];
  }
}
