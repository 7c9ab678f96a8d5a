// Every page's own script: which model version answers, what Esc closes, and how the page goes to paper.
import { address, announceVersion, element, known, send } from "./data.js";

const LOOK_EVERY_MS = 15_000; // at /health

document.querySelector(".top [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center", behavior: "instant" });
watch();
document.addEventListener("keydown", closeWithEscape);
window.addEventListener("beforeprint", () => onPaper(true));
window.addEventListener("afterprint", () => onPaper(false));
document.getElementById("filter")?.addEventListener("submit", shorten);
document.getElementById("download")?.addEventListener("submit", download);

// An address without what was left as it was: it is to be read and sent.
function shorten({ target }) {
  const columns = [...target.querySelectorAll("[name=fields]")];
  const changed = columns.some((box) => box.checked !== box.defaultChecked);
  const asked = new URLSearchParams(location.search).has("fields");
  for (const field of target.elements) {
    const idle = field.value === "" || (field.name === "fields" && !changed && !asked);
    if (field.name && idle) field.disabled = true;
  }
  setTimeout(() => { // the browser's back button shows the form as it was
    for (const field of target.elements) field.disabled = false;
  });
}

// A download that the server refuses is told where it was asked for.
async function download(event) {
  event.preventDefault();
  const { target: form, submitter } = event;
  const problem = form.closest("details").querySelector("[role=alert]");
  const url = new URL(form.action);
  url.search = new URLSearchParams(new FormData(form, submitter));
  problem.textContent = "";
  const stop = new AbortController();
  try {
    const answer = await send(url, { signal: stop.signal });
    if (answer.ok) {
      stop.abort(); // the browser itself takes the file
      location.assign(url);
    } else {
      problem.textContent = (await answer.json()).error.message;
    }
  } catch (trouble) {
    problem.textContent = trouble.message;
  }
}

// Esc closes what is open around the reader; a term's meaning is closed by the browser itself.
function closeWithEscape(event) {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector(":popover-open")) return;
  const open = document.activeElement?.closest("main details[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
}

function onPaper(paper) {
  document.documentElement.classList.toggle("paper", paper);
  for (const hidden of document.querySelectorAll("details[data-print]")) hidden.open = paper;
  document.dispatchEvent(new Event("paper"));
}

function watch() {
  let live = known.version;
  let trouble = document.querySelector("#notice p")?.textContent ?? ""; // as the page came
  let shown = trouble;
  const show = () => {
    const moved = live !== known.version;
    const text = moved ? `Version ${live} is live now: reload. This page shows version ${known.version}.` : trouble;
    if (text === shown) return; // a screen reader would hear it again
    shown = text;
    document.getElementById("notice").replaceChildren(...(text ? [bar(text, moved)] : []));
  };
  const look = async () => {
    try {
      const answer = await fetch(address("/health"), { credentials: "same-origin" });
      const health = await answer.json();
      trouble = health.stale ?? (answer.ok ? "" : (health.error?.message ?? "The service is not ready."));
      announceVersion(answer);
    } catch {
      trouble = `The server does not answer. What you see is version ${known.version}.`;
    }
    show();
  };
  document.addEventListener("version", (event) => {
    live = event.detail;
    show();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });
  setInterval(look, LOOK_EVERY_MS);
  look();
}

function bar(text, reload) {
  const notice = element("div", {}, element("p", {}, text));
  if (reload) {
    const button = element("button", { type: "button" }, "Reload");
    button.addEventListener("click", () => location.reload());
    notice.append(button);
  }
  return notice;
}
