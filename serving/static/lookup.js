// Look-up of a customer by id. ?customer=17850 in the address opens the page with that customer.
import { ask, element, known, message, segments, swatch } from "./data.js";
import { amount, measure, NOTHING, number, percent, plainly, score as scoreText, whole } from "./words.js";

const form = document.getElementById("lookup-form");
const field = document.getElementById("customer");
const result = document.getElementById("lookup-result");
let asked = 0;

export function startLookup() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    lookUp(field.value);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-customer]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    lookUp(link.dataset.customer, true);
  });
  window.addEventListener("popstate", fromAddress);
  fromAddress();
}

function fromAddress() {
  const given = new URLSearchParams(location.search).get("customer");
  if (given) {
    show(given);
  } else {
    asked += 1;
    result.replaceChildren();
  }
}

// Look a customer up and write it into the address; `go` when the reader is elsewhere on the page.
export async function lookUp(id, go = false) {
  const here = new URL(location.href);
  here.searchParams.set("customer", id);
  here.hash = "lookup";
  if (here.href !== location.href) history.pushState(null, "", here);
  await show(id);
  if (go) {
    document.getElementById("lookup").scrollIntoView({ block: "start" });
    field.focus({ preventScroll: true });
  }
}

async function show(id) {
  const turn = ++asked;
  field.value = id;
  let shown;
  try {
    if (!id.trim()) {
      shown = message("Type a customer id.");
    } else {
      shown = card(await ask(`/analytics/customer/${encodeURIComponent(id)}`));
    }
  } catch (problem) {
    shown = message(problem.message);
  }
  if (turn === asked) result.replaceChildren(shown);
}

function card(customer) {
  const segment = segments.get(customer.segment);
  const returned = customer.Returned > 0 ? `${measure("Monetary", customer.Returned)} given back in returns` : null;
  const about = [customer.country, customer.is_anomaly && customer.returns_note ? null : customer.returns_note || returned];
  const facts = element("div", {},
    element("h3", {}, swatch(customer.segment), `Customer ${customer.customer_id}: ${customer.segment_name}`),
    element("p", { class: "quiet" }, about.filter(Boolean).join(" · ")),
  );
  facts.append(...standing(customer), ...expectation(customer), verdict(customer));
  if (segment) facts.append(element("p", { class: "action" }, element("b", {}, "What to do with the segment"), segment.action));
  facts.append(comparison(customer, segment));
  return facts;
}

// Where a customer, of the shop or made up, stands between two orders; nothing where the version does not know.
export function standing({ state }) {
  if (!state) return [];
  return [element("p", {}, element("b", {}, `${plainly(state)}: `), `${known.states[state]}.`)];
}

// What such a customer, of the shop or made up, is expected to bring; nothing where no forecast holds.
export function expectation(customer) {
  if (known.forecast_days === null || customer.expected_spend == null) return [];
  const days = `${known.forecast_days} days`;
  return [element("p", { class: "expected" }, element("b", {}, `Expected in the next ${days}: `),
    `${amount(customer.expected_spend)} and ${number(customer.expected_orders)} orders, on average. `,
    `${percent(customer.likely_to_buy)} of such customers buy at all; four in five spend between `,
    `${amount(customer.spend_low)} and ${amount(customer.spend_high)}.`)];
}

// Whether a customer, of the shop or made up, is unusual, in words.
export function verdict(customer) {
  const score = scoreText(customer.anomaly_score);
  if (!customer.is_anomaly) {
    return element("p", {}, `Not unusual: anomaly score ${score}; above 1 is unusual.`);
  }
  return element("p", { class: "unusual" },
    element("b", {}, "Unusual. "),
    customer.returns_note ? `${plainly(customer.returns_note)}. ` : "",
    `${plainly(customer.anomaly_reason)}. Anomaly score ${score}; above 1 is unusual.`);
}

// A customer beside the typical one of the segment and of the whole shop.
export function comparison(customer, segment, who = "This customer") {
  const head = ["", who, "Typical in segment", "Compared with segment", "Typical in shop"];
  const rows = known.names.map((name) => {
    const typical = segment?.[`median_${name}`];
    return element("tr", {},
      element("th", { scope: "row" }, known.features[name].label),
      element("td", { class: "n" }, measure(name, customer[name])),
      element("td", { class: "n" }, measure(name, typical)),
      element("td", {}, compared(customer[name], typical)),
      element("td", { class: "n" }, measure(name, known.features[name].median)));
  });
  const titles = head.map((text, column) =>
    column === 0
      ? element("td", {})
      : element("th", { scope: "col", class: column === 3 ? null : "n" }, text));
  const table = element("table", {},
    element("caption", {}, `${who} beside the typical (median) one`),
    element("thead", {}, element("tr", {}, ...titles)),
    element("tbody", {}, ...rows));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Comparison" }, table);
}

function compared(value, typical) {
  if (value == null || typical == null) return NOTHING;
  if (value === typical) return "the same";
  if (!(typical > 0)) return value > typical ? "above" : "below";
  const ratio = value / typical;
  if (ratio > 0.9 && ratio < 1.1) return "about the same";
  if (ratio >= 10) return `${whole(ratio)} times as much`;
  if (ratio >= 1.95) return `${number(ratio)} times as much`;
  if (ratio < 0.01) return "far below";
  return ratio > 1 ? `${percent(ratio - 1)} more` : `${percent(1 - ratio)} less`;
}
