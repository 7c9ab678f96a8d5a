// Numbers and features as people read them: contract/words.py in the browser. tests/test_words.py holds the table
// that both must give. A number is rounded as it is written, and a half goes up, away from zero.
import { known } from "./data.js";

export const NOTHING = "–"; // what is not known

const formats = [0, 1, 2].map((decimals) => new Intl.NumberFormat("en", {
  minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay: "negative",
}));
const percents = [0, 1].map((decimals) => new Intl.NumberFormat("en", {
  style: "percent", minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay: "negative",
}));

const rounded = (value, format) => (value == null || Number.isNaN(value) ? NOTHING : format.format(value));

export const whole = (value) => rounded(value, formats[0]);
export const number = (value) => rounded(value, formats[1]).replace(/\.0$/, "");
export const score = (value) => rounded(value, formats[2]);

export function amount(value) {
  const cents = Math.abs(value) > 0 && Math.abs(value) < 99.995;
  return rounded(value, formats[cents ? 2 : 0]);
}

export function percent(share) {
  const size = Math.abs(share);
  if (size > 0 && size < 0.001) return share > 0 ? "under 0.1%" : "over -0.1%";
  if (size > 0.999 && size < 1) return share > 0 ? "over 99.9%" : "under -99.9%";
  const tenth = (size > 0 && size < 0.0995) || (size > 0.99 && size < 1);
  return rounded(share, percents[tenth ? 1 : 0]);
}

export function counted(value, noun) {
  const text = number(value);
  return `${text} ${noun}${text === "1" ? "" : "s"}`;
}

// A feature's value by its unit.
export const measure = (feature, value) => (known.features[feature].unit === "money" ? amount : number)(value);

// An anomaly's reason with the features' everyday names.
export function plainly(reason) {
  const names = new RegExp(`\\b(${Object.keys(known.labels).join("|")})\\b`, "g");
  const text = (reason ?? "").replace(names, (name) => known.labels[name]);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
