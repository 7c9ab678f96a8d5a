// Numbers and features as people read them: contract/words.py in the browser. tests/test_words.py holds the table
// that both must give. A number is rounded as it is written, and a half goes up, away from zero; then it is written with
// the marks of the reader's language, as contract/languages.py does.
import { known } from "./data.js";

export const NOTHING = "–"; // what is not known

const formats = [0, 1, 2].map((decimals) => new Intl.NumberFormat("en", {
  minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay: "negative",
}));
const percents = [0, 1].map((decimals) => new Intl.NumberFormat("en", {
  style: "percent", minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay: "negative",
}));

const english = (value, format) => (value == null || Number.isNaN(value) ? NOTHING : format.format(value));

// A finished English text with its numbers as the reader writes them: 1,234.5 and 61%, but no 0.2.0 and no 10:30.
const ENGLISH_NUMBER = /(?<![\w.,:/])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(%?)(?![\w/]|[.,:]\d)/g;
export function localised(text, { thousands, decimals, percent: before } = known.marks) {
  return text.replace(ENGLISH_NUMBER, (_, digits, fraction, sign) =>
    digits.replaceAll(",", thousands) + (fraction ?? "").replace(".", decimals) + (sign && before + sign));
}

const rounded = (value, format) => localised(english(value, format));

export const whole = (value) => rounded(value, formats[0]);
export const number = (value) => localised(english(value, formats[1]).replace(/\.0$/, ""));
export const score = (value) => rounded(value, formats[2]);

export function amount(value) {
  const cents = Math.abs(value) > 0 && Math.abs(value) < 99.995;
  return rounded(value, formats[cents ? 2 : 0]);
}

export function percent(share) {
  const size = Math.abs(share);
  if (size > 0 && size < 0.001) return localised(share > 0 ? "under 0.1%" : "over -0.1%");
  if (size > 0.999 && size < 1) return localised(share > 0 ? "over 99.9%" : "under -99.9%");
  const tenth = (size > 0 && size < 0.0995) || (size > 0.99 && size < 1);
  return rounded(share, percents[tenth ? 1 : 0]);
}

// A number for a field, and what is in a field as a number: nan where it is none. A field takes what it shows.
export const written = (value) => String(Math.round(100 * value) / 100).replace(".", known.marks.decimals);
export function typed(text) {
  const { thousands, decimals } = known.marks;
  const plain = text.replace(/\s/g, "");
  const grouped = new RegExp(`^-?\\d{1,3}(?:\\${thousands.trim() || " "}\\d{3})+(?=$|\\${decimals})`);
  const english = (grouped.test(plain) ? plain.replaceAll(thousands, "") : plain).replace(decimals, ".");
  return english === "" ? NaN : Number(english);
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
  return localised(text.charAt(0).toUpperCase() + text.slice(1));
}
