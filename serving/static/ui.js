// The dashboard's entry: starts its parts, and watches which model version answers.
import { startCharts } from "./charts.js";
import { address, announceVersion, element, known } from "./data.js";
import { startEndpoints } from "./endpoints.js";
import { startLists } from "./lists.js";
import { startLookup } from "./lookup.js";
import { startScore } from "./score.js";

const LOOK_EVERY_MS = 15_000; // at /health

startLists();
startLookup();
startScore();
startEndpoints();
startCharts();
watch();

function watch() {
  let live = known.version;
  let trouble = "";
  let shown = "";
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
