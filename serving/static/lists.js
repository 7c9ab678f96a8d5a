// Lists of customers, page by page: the audience of a segment, who left the best one, and the unusual customers.
import { address, ask, element, known } from "./data.js";
import { amount, counted, NOTHING, number, plainly, score, whole } from "./words.js";

const COLUMNS = {
  audience: (row) => [
    money(row.Monetary), count(row.Frequency), money(row.AverageOrderValue), count(row.Recency), count(row.Tenure),
    ...(known.forecast_days === null ? [] : [money(row.expected_spend)]),
    ...(row.state === undefined ? [] : [cell(row.state, "keep")]),
    cell(row.country ?? NOTHING, "keep"), row.is_anomaly ? why(row) : cell("no", "why"),
  ],
  fallen: (row) => [
    cell(row.to_name, "keep"), money(row.Monetary_before), money(row.Monetary_after), count(row.Recency),
  ],
  unusual: (row) => [
    why(row), cell(score(row.anomaly_score), "n"), cell(row.segment_name, "keep"),
    money(row.Monetary), count(row.Frequency), count(row.Recency), cell(row.country ?? NOTHING, "keep"),
  ],
};

const cell = (text, kind = null) => element("td", { class: kind }, text);
// Why a customer is unusual: what they gave back is the story of those who gave back much, and comes first.
function why(row) {
  const node = cell("", "why");
  if (row.returns_note) node.append(element("b", {}, `${plainly(row.returns_note)}.`), " ");
  node.append(plainly(row.anomaly_reason));
  return node;
}

const money = (value) => cell(amount(value), "n");
const count = (value) => cell(number(value), "n");

class List {
  constructor(box) {
    this.box = box;
    this.body = box.querySelector("tbody");
    this.pager = box.querySelector(".pager");
    this.state = this.pager.querySelector("[role=status]");
    this.cells = COLUMNS[box.dataset.columns];
    this.asked = 0;
    for (const button of this.pager.querySelectorAll("button")) {
      button.addEventListener("click", () => this.show(this.page + Number(button.dataset.step)));
    }
  }

  // The first page is on the page already.
  start(path, pages, total) {
    Object.assign(this, { path, page: 1, pages, total });
    this.showState();
  }

  // Another list: what was shown before is gone, whether or not an answer comes.
  open(path) {
    Object.assign(this, { path, page: 1, pages: 1, total: 0 });
    this.body.replaceChildren();
    this.showState();
    this.pager.hidden = false;
    this.state.textContent = "";
    return this.show(1);
  }

  async show(page) {
    const asked = ++this.asked;
    let answer;
    try {
      const query = this.path.includes("?") ? "&" : "?";
      answer = await ask(`${this.path}${query}page=${page}&limit=${known.rows}`);
    } catch (problem) {
      if (asked === this.asked) this.state.textContent = problem.message;
      return;
    }
    if (asked !== this.asked) return; // a later question was asked meanwhile
    Object.assign(this, { page, pages: answer.pages, total: answer.total });
    this.body.replaceChildren(...answer.customers.map((row) => this.row(row)));
    this.showState();
  }

  row(row) {
    const href = `/ui?customer=${encodeURIComponent(row.customer_id)}#lookup`;
    const open = element("a", { href, "data-customer": row.customer_id }, row.customer_id);
    return element("tr", {}, element("th", { scope: "row" }, open), ...this.cells(row));
  }

  showState() {
    const [back, forth] = this.pager.querySelectorAll("button");
    back.disabled = this.page <= 1;
    forth.disabled = this.page >= this.pages;
    this.pager.hidden = this.total === 0;
    this.state.textContent = `Page ${whole(this.page)} of ${whole(this.pages)}, ${counted(this.total, "customer")}`;
  }
}

export function startLists() {
  for (const [id, path] of [["unusual-list", "/analytics/anomalies"], ["fallen-list", "/analytics/movement"]]) {
    const box = document.getElementById(id);
    if (box) new List(box).start(path, Number(box.dataset.pages), Number(box.dataset.total));
  }

  for (const [section, panel] of [["segments", "audience"], ["states", "cell"]]) {
    const box = document.getElementById(panel);
    if (box) startAudience(document.getElementById(section), box);
  }
}

// What is chosen in a section, a segment or a cell of the grid, opens as a list in the section's panel.
function startAudience(section, panel) {
  const title = panel.querySelector("h3");
  const audience = new List(panel.querySelector(".list"));
  let opener = null;
  section.addEventListener("click", async (event) => {
    const chosen = event.target.closest("[data-audience]");
    if (!chosen || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    opener = chosen;
    const { audience: segment, state, title: name } = chosen.dataset;
    const query = state ? `?state=${encodeURIComponent(state)}` : "";
    title.textContent = `${name}: biggest spenders first`;
    say(panel, "advice", chosen.dataset.advice);
    say(panel, "expectation", chosen.dataset.expectation);
    say(panel, "statistics", chosen.dataset.statistics);
    panel.querySelector("[data-download]").href = address(`/analytics/segments/${segment}/customers.csv${query}`);
    panel.hidden = false;
    await audience.open(`/analytics/segments/${segment}/customers${query}`);
    title.focus({ preventScroll: true });
    panel.scrollIntoView({ block: "start" });
  });
  panel.querySelector("[data-close]").addEventListener("click", () => {
    panel.hidden = true;
    opener?.focus();
  });
}

// A sentence of the chosen cell in the panel's line for it; no line where there is none.
function say(panel, line, text) {
  const box = panel.querySelector(`[data-${line}]`);
  box.hidden = !text;
  (box.querySelector("span") ?? box).textContent = text ?? "";
}
