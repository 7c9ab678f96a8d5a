// What the page was filled with, how it asks the server, and how it makes elements.

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
  const version = announceVersion(answer);
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

// The model version that an answer came from; whoever listens for "version" hears it.
export function announceVersion(answer) {
  const header = answer.headers.get("X-Model-Version");
  if (header === null) return null;
  const version = Number(header);
  document.dispatchEvent(new CustomEvent("version", { detail: version }));
  return version;
}

// An element with attributes and children; strings become text, never markup.
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

// A segment's colour and shape; nothing for a segment that the page does not know.
export function swatch(number) {
  const segment = segments.get(number);
  if (!segment) return "";
  return element("span", { class: `swatch ${segment.shape}`, style: `--colour: var(--${segment.colour})`, "aria-hidden": "true" });
}

export const message = (text) => element("div", {}, element("p", { class: "error" }, text));
