// Talk to the server of this page.

const json = { "content-type": "application/json" };

async function call(method, path, body, headers = {}, signal) {
  let response;
  try {
    response = await fetch(path, { method, body, headers, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer: is `gliotype serve` still running?");
  }
  const document = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(document.error ?? `the server answers with ${response.status}`);
  return document;
}

const at = (id, rest = "") => `/api/cases/${encodeURIComponent(id)}${rest}`;

export const address = at;
export const listCases = () => call("GET", "/api/cases");
export const showCase = (id) => call("GET", at(id));
export const addCase = (stated) => call("POST", "/api/cases", JSON.stringify(stated), json);
export const removeCase = (id) => call("DELETE", at(id));
export const predict = (id, stated = {}) => call("POST", at(id, "/predict"), JSON.stringify(stated), json);
export const revise = (id, stated) => call("POST", at(id, "/revise"), JSON.stringify(stated), json);
export const cancel = (id) => call("POST", at(id, "/cancel"));
export const putMask = (id, file) => call("PUT", at(id, "/mask"), file);
export const putDrawing = (id, voxels) => call("PUT", at(id, "/drawing"), voxels);

export async function fetchBytes(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? `the server answers with ${response.status}`);
  return response.arrayBuffer();
}

/** Send one file with its path inside the study; `onBytes` is called with the bytes sent so far. */
export function putFile(id, path, file, onBytes, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    signal.addEventListener("abort", stop);
    request.open("PUT", `${at(id, "/file")}?path=${encodeURIComponent(path)}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => onBytes(event.loaded);
    request.onload = () => (request.status < 300 ? resolve() : reject(new Error(request.response?.error ?? `the server answers with ${request.status}`)));
    request.onerror = () => reject(new Error(`${path} could not be sent: the server has refused it, or has stopped`));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    request.onloadend = () => signal.removeEventListener("abort", stop);
    request.send(file);
  });
}
