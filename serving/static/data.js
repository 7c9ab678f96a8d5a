// What the page was filled with, how it asks the server, and how it writes numbers.

export const known = JSON.parse(document.getElementById("known").textContent);
export const segments = new Map(known.segments.map((segment) => [segment.segment, segment]));

// An address of this server. The origin is spelt out because fetch refuses relative addresses on a page
// that was opened with a name and a password in its address.
export function address(path) {
  return new URL(location.origin + known.root + path);
}

export class Refused extends Error {}

// The JSON answer to a question. Throws Refused, with a message for a person, when there is none, and when
// another model version answered: a page never shows two versions at once.
export async function ask(path, options = {}) {
  const answer = await send(address(path), options);
  const version = tellVersion(answer);
  if (version !== null && version !== known.version) {
    throw new Refused(`Version ${version} is live now. Reload the page to see its answers.`);
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  const problem = new Refused(body?.error?.message ?? `The server answered ${answer.status}.`);
  problem.status = answer.status;
  throw problem;
}

export async function send(url, options = {}) {
  try {
    return await fetch(url, { credentials: "same-origin", ...options });
  } catch {
    throw new Refused("The server does not answer. Is it still running?");
  }
}

// The model version that an answer came from, told to whoever listens for "version".
export function tellVersion(answer) {
  const header = answer.headers.get("X-Model-Version");
  if (header === null) return null;
  const version = Number(header);
  document.dispatchEvent(new CustomEvent("version", { detail: version }));
  return version;
}

const wholes = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const cents = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export const whole = (value) => (value == null ? "–" : wholes.format(value));

export function amount(value) {
  if (value == null) return "–";
  return Math.abs(value) > 0 && Math.abs(value) < 100 ? cents.format(value) : wholes.format(value);
}

const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
export const orders = (value) => (value == null ? "–" : tenths.format(value));

export const number = (feature, value) => ({ money: amount, orders, days: whole })[known.features[feature].unit](value);

export function percent(share) {
  return `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)}%`;
}

// An anomaly's reason with the features' everyday names.
export function plainly(reason) {
  const names = new RegExp(`\\b(${known.names.join("|")})\\b`, "g");
  const text = reason.replace(names, (name) => known.features[name].label);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// An element with attributes and children; strings become text, never markup.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export function swatch(segment) {
  const place = segments.get(segment)?.place ?? 0;
  return element("span", {
    class: `swatch shape-${Math.floor(place / 7) % 2}`,
    style: `--colour: var(--segment-${place % 7})`,
    "aria-hidden": "true",
  });
}

export const message = (text) => element("div", {}, element("p", { class: "error" }, text));
