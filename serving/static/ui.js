// The dashboard's entry: starts its parts, and watches which model version answers.
import { startCharts } from "./charts.js";
import { address, element, known, tellVersion } from "./data.js";
import { startEndpoints } from "./endpoints.js";
import { startLists } from "./lists.js";
import { startLookup } from "./lookup.js";
import { startScore } from "./score.js";

const EVERY = 15_000; // milliseconds between two looks at /health

startLists();
startLookup();
startScore();
startEndpoints();
startCharts();
watch();

function watch() {
  let live = known.version;
  let trouble = "";
  let said = "";
  const tell = () => {
    const moved = live !== known.version;
    const text = moved ? `Version ${live} is live now: reload. This page shows version ${known.version}.` : trouble;
    if (text === said) return; // a screen reader would hear it again
    said = text;
    document.getElementById("notice").replaceChildren(...(text ? [bar(text, moved)] : []));
  };
  const look = async () => {
    try {
      const answer = await fetch(address("/health"), { credentials: "same-origin" });
      const health = await answer.json();
      trouble = health.stale ?? (answer.ok ? "" : (health.error?.message ?? "The service is not ready."));
      tellVersion(answer);
    } catch {
      trouble = `The server does not answer. What you see is version ${known.version}.`;
    }
    tell();
  };
  document.addEventListener("version", (event) => {
    live = event.detail;
    tell();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });
  setInterval(look, EVERY);
  look();
}

function bar(text, reload) {
  const made = element("div", {}, element("p", {}, text));
  if (reload) {
    const button = element("button", { type: "button" }, "Reload");
    button.addEventListener("click", () => location.reload());
    made.append(button);
  }
  return made;
}
