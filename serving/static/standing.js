// What the model says of a made-up customer, in words, and beside the typical customers.
import { element, known } from "./data.js";
import { amount, counted, measure, NOTHING, number, percent, plainly, score as scoreText, whole } from "./words.js";

// Where a customer stands between two orders; nothing where the version does not know.
export function standing({ state }) {
  if (!state) return [];
  return [element("p", {}, element("b", {}, `${plainly(state)}: `), `${known.states[state]}.`)];
}

// What such a customer is expected to bring; nothing where no forecast holds.
export function expectation(customer) {
  if (known.forecast_days === null || customer.expected_spend == null) return [];
  const days = `${known.forecast_days} days`;
  return [element("p", { class: "expected" }, element("b", {}, `Expected in the next ${days}: `),
    `${amount(customer.expected_spend)} and ${counted(customer.expected_orders, "order")}, on average. `,
    `${percent(customer.likely_to_buy)} of such customers buy at all; four in five spend between `,
    `${amount(customer.spend_low)} and ${amount(customer.spend_high)}.`)];
}

// Whether a customer is unusual, in words.
export function verdict(customer) {
  const score = scoreText(customer.anomaly_score);
  if (!customer.is_anomaly) {
    return element("p", {}, `Not unusual: anomaly score ${score}; above 1 is unusual.`);
  }
  return element("p", { class: "unusual" },
    element("b", {}, "Unusual. "),
    `${plainly(customer.anomaly_reason)}. Anomaly score ${score}; above 1 is unusual.`);
}

// A customer beside the typical one of the segment and of the whole shop.
export function comparison(customer, segment, who = "Made-up customer") {
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
