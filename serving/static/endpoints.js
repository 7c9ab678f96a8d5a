// Try an endpoint: its live answer, as it comes, below it.
import { announceVersion, element, known, send } from "./data.js";
import { whole } from "./words.js";

const MOST_CHARACTERS = 20_000; // shown of an answer

for (const form of document.querySelectorAll("#api form")) {
  if (form.elements.body) form.elements.body.value = example();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(form);
  });
}

function example() {
  const { Recency, Frequency, Monetary, Tenure } = known.features;
  return JSON.stringify(
    { Recency: Recency.median, Frequency: Math.max(Frequency.median, 1), Monetary: Monetary.median,
      Tenure: Math.max(Tenure.median, Recency.median) },
    null, 2);
}

async function attempt(form) {
  const answer = form.querySelector(".answer");
  const url = target(form.elements.path.value);
  if (!url) {
    answer.replaceChildren(element("p", { class: "error" }, "Expected an address of this server, such as /health."));
    return;
  }
  const body = form.elements.body?.value;
  const options = { method: form.dataset.method, body };
  if (body !== undefined) options.headers = { "Content-Type": "application/json" };
  const began = performance.now();
  try {
    const response = await send(url, options);
    announceVersion(response);
    const text = await response.text();
    const took = Math.max(1, Math.round(performance.now() - began));
    answer.replaceChildren(
      element("p", {}, element("b", {}, `${response.status} ${response.statusText}`), ` in ${took} ms, ${whole(text.length)} characters `, closer(answer)),
      element("pre", { tabindex: "0", "aria-label": "The answer" }, shortened(pretty(text))));
  } catch (problem) {
    answer.replaceChildren(element("p", { class: "error" }, problem.message));
  }
}

function target(path) {
  try {
    const url = new URL(path.trim(), location.origin);
    return path.trim().startsWith("/") && url.origin === location.origin ? url : null;
  } catch {
    return null;
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function shortened(text) {
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)}\n… and ${whole(text.length - MOST_CHARACTERS)} more characters`;
}

function closer(answer) {
  const button = element("button", { type: "button" }, "Close");
  button.addEventListener("click", () => {
    answer.replaceChildren();
    answer.closest("form").querySelector("[type=submit]").focus();
  });
  return button;
}
