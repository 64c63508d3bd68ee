// The frame of the page: the list of cases, the theme, the keys, and which case is shown.

import * as api from "./api.js";
import { casePage } from "./case.js";
import { h, isTyping, percent, replace } from "./dom.js";
import { newCasePage } from "./newcase.js";

const main = document.getElementById("main");
const list = document.getElementById("list");
let shown = { id: undefined, page: null };
let listed = "";

const activity = { waiting: "waiting", running: "computing", failed: "failed", cancelled: "cancelled" };
const calls = { mutant: "IDH-mutant", wildtype: "IDH-wildtype", indeterminate: "Indeterminate", no_tumour: "No tumour found" };

function stateOf(line) {
  const state = line.progress.state;
  if (state === "running" || state === "waiting") return { words: line.progress.stage ?? activity[state], kind: "busy" };
  if (line.call) return { words: calls[line.call] + (line.probability === null ? "" : `, ${percent(line.probability)}`), kind: line.call };
  if (line.open) return { words: "uploading", kind: "busy" };
  return { words: activity[state] ?? "upload not finished", kind: "failed" };
}

async function refresh() {
  let pause = 4000;
  try {
    const { cases, version } = await api.listCases();
    document.getElementById("version").textContent = `Gliotype ${version}`;
    document.body.classList.remove("offline");
    const now = JSON.stringify(cases.map((line) => [line.id, stateOf(line), line.id === shown.id]));
    if (now !== listed) replace(list, cases.length ? cases.map(entry) : h("li", { class: "soft empty" }, "No case yet."));
    listed = now;
    if (cases.some((line) => ["waiting", "running"].includes(line.progress.state))) pause = 1000;
  } catch (error) {
    document.body.classList.add("offline");
    if (listed !== error.message) replace(list, h("li", { class: "message", role: "alert" }, error.message));
    listed = error.message;
  }
  window.clearTimeout(refresh.timer);
  refresh.timer = window.setTimeout(refresh, pause);
}

function entry(line) {
  const { words, kind } = stateOf(line);
  const current = line.id === shown.id ? "page" : null;
  return h("li", {}, h("a", { href: `#case=${encodeURIComponent(line.id)}`, "aria-current": current },
    h("span", { class: "case-id" }, line.id),
    h("span", { class: `state ${kind}` }, h("i", { "aria-hidden": "true" }), words)));
}

function route() {
  const match = location.hash.match(/^#case=(.+)$/);
  const id = match ? decodeURIComponent(match[1]) : null;
  if (id === shown.id) return;
  shown.page?.close?.();
  const page = id === null ? { element: newCasePage((made) => { location.hash = `case=${encodeURIComponent(made)}`; }) } : casePage(id, refresh);
  shown = { id, page };
  replace(main, page.element);
  document.title = id === null ? "New case - Gliotype" : `${id} - Gliotype`;
  refresh();
}

const themes = ["system", "light", "dark"];
function theme(name) {
  document.documentElement.dataset.theme = name;
  document.getElementById("theme").textContent = `Theme: ${name}`;
  localStorage.setItem("theme", name);
}

document.getElementById("theme").addEventListener("click", () => theme(themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length]));
document.getElementById("new").addEventListener("click", () => { location.hash = "new"; main.focus(); });
document.getElementById("help").addEventListener("click", () => document.getElementById("keys").showModal());
document.addEventListener("keydown", (event) => { if (event.key === "?" && !isTyping(event)) document.getElementById("keys").showModal(); });
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
window.addEventListener("hashchange", route);
theme(themes.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "system");
route();

