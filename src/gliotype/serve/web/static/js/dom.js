// Small helpers to build the page without templates: text is always text, never markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function replace(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
}

let spoken = 0;

/** Say a sentence to a screen reader; the same sentence again is said again. */
export function say(sentence) {
  const live = document.getElementById("live");
  live.textContent = "";
  window.clearTimeout(spoken);
  spoken = window.setTimeout(() => { live.textContent = sentence; }, 50);
}

export function percent(probability) {
  if (probability < 0.01) return "< 1 %";
  if (probability > 0.99) return "> 99 %";
  return `${Math.round(100 * probability)} %`;
}

export function bytes(size) {
  if (size >= 1e9) return `${(size / 1e9).toFixed(1)} GB`;
  if (size >= 1e6) return `${(size / 1e6).toFixed(0)} MB`;
  return `${Math.max(1, Math.round(size / 1e3))} kB`;
}

export function duration(seconds) {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Keys of the page do nothing while the user types. */
export function isTyping(event) {
  return event.target.closest("input:not([type=range]):not([type=checkbox]):not([type=radio]), select, textarea, dialog") !== null
    || event.ctrlKey || event.metaKey || event.altKey;
}
