// The form that scores a made-up customer. The server checks the numbers; its words come to their fields.
import { ask, element, known, message, segments, swatch } from "./data.js";
import { comparison, expectation, standing, verdict } from "./standing.js";
import { typed, written } from "./words.js";

const form = document.getElementById("score-form");
const result = document.getElementById("score-result");
const { names } = known;
const field = (name) => form.elements[name];
let ownAverage = false; // the reader typed an average order value
let asked = 0;

fill();
start();

function start() {
  form.addEventListener("input", (event) => {
    if (event.target.name === "AverageOrderValue") ownAverage = event.target.value.trim() !== "";
    else workOutAverage();
    clearErrors(event.target.name);
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    fill();
    asked += 1;
    result.replaceChildren();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    score();
  });
}

// Medians of single features need not fit together: Recency is at most Tenure.
function typical() {
  const median = Object.fromEntries(names.map((name) => [name, known.features[name].median]));
  return { ...median, Frequency: Math.max(median.Frequency, 1), Tenure: Math.max(median.Tenure, median.Recency) };
}

function fill() {
  ownAverage = false;
  for (const [name, value] of Object.entries(typical())) field(name).value = written(value);
  workOutAverage();
  names.forEach(clearErrors);
}

function workOutAverage() {
  if (ownAverage) return;
  const average = typed(field("Monetary").value) / typed(field("Frequency").value);
  const sensible = field("Monetary").value.trim() && Number.isFinite(average) && average >= 0;
  field("AverageOrderValue").value = sensible ? written(average) : "";
}

// What is in the form; text that is no number goes to the server as text, which says what is wrong with it.
function row() {
  const values = {};
  for (const name of names) {
    if (name === "AverageOrderValue" && !ownAverage) continue; // the server divides without rounding
    const text = field(name).value.trim();
    if (text !== "") values[name] = Number.isFinite(typed(text)) ? typed(text) : text;
  }
  return values;
}

async function score() {
  const turn = ++asked;
  names.forEach(clearErrors);
  const given = row();
  try {
    const answer = await ask("/score", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(given),
    });
    if (turn === asked) result.replaceChildren(card(given, answer));
  } catch (problem) {
    if (turn === asked) result.replaceChildren(refused(problem.message));
  }
}

function card(given, answer) {
  const customer = { ...given, ...answer };
  customer.AverageOrderValue ??= given.Monetary / given.Frequency;
  const segment = segments.get(answer.segment);
  const shown = element("div", {},
    element("h3", {}, swatch(answer.segment), answer.segment_name),
    ...standing(answer),
    ...expectation(answer),
    verdict(answer));
  if (segment) shown.append(element("p", { class: "action" }, element("b", {}, "What to do with the segment"), segment.action));
  shown.append(comparison(customer, segment));
  return shown;
}

// "Row 0, column Recency: given 300, expected at most Tenure." goes to its field; whatever names no field, below the form.
function refused(text) {
  let problems = [...text.matchAll(/Row 0, column (\w+): (.*?)\.(?=\s|$)/g)].filter(([, name]) => names.includes(name));
  // An average that was worked out is wrong only because what it comes from is.
  const typed = problems.filter(([, name]) => ownAverage || name !== "AverageOrderValue");
  if (typed.length > 0) problems = typed;
  if (problems.length === 0) return message(text);
  for (const [, name, problem] of problems) {
    const line = document.getElementById(`error-${name}`);
    line.textContent = `${line.textContent} ${plain(problem)}`.trim();
    field(name).setAttribute("aria-invalid", "true");
  }
  field(names.find((name) => field(name).getAttribute("aria-invalid"))).focus();
  return message("Not scored: see the marked fields.");
}

function plain(problem) {
  if (problem === "missing") return "Fill this in.";
  const words = names.reduce(
    (text, name) => text.replace(new RegExp(`\\b${name}\\b`, "g"), known.features[name].label.toLowerCase()),
    problem.replace(/^given/, "Given"),
  );
  return `${words}.`;
}

function clearErrors(name) {
  if (!names.includes(name)) return;
  document.getElementById(`error-${name}`).textContent = "";
  field(name).removeAttribute("aria-invalid");
}
