// The map of customers, drawn when it comes into view: the charting library is large, and no other picture needs it.
// Colours are the page's CSS variables, so it is drawn again when the screen turns dark or light.
import { ask, address, element, known, segments } from "./data.js";
import { percent, score as scoreText, whole } from "./words.js";

const NARROW_PIXELS = 560;
const PAPER_PIXELS = 640; // they fit the width of an A4 or Letter page
const SYMBOLS = { circle: "circle", diamond: "diamond-open", square: "square-open" }; // by a segment's shape
const box = document.getElementById("chart-map");
let map = null;

const seen = new IntersectionObserver(([entry]) => {
  if (!entry.isIntersecting) return;
  seen.disconnect();
  start();
}, { rootMargin: "300px" });
if (box) seen.observe(box);

async function start() {
  box.textContent = "The map is being drawn …";
  try {
    [map] = await Promise.all([ask("/analytics/map"), loadPlotly()]);
  } catch (problem) {
    box.textContent = `${problem.message} The table below has the numbers.`;
    return;
  }
  box.textContent = "";
  noteWhatIsShown();
  draw();
  new ResizeObserver(later(draw)).observe(box.parentElement);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  document.addEventListener("paper", () => draw());
  box.on("plotly_click", ({ points }) => {
    const id = points[0]?.customdata;
    if (id !== undefined) location.assign(address(`/ui/customers/${encodeURIComponent(id)}`));
  });
}

function loadPlotly() {
  return new Promise((loaded, failed) => {
    const script = document.createElement("script");
    script.src = known.plotly;
    script.onload = loaded;
    script.onerror = () => failed(new Error("The charting library does not load here."));
    document.head.append(script);
  });
}

function draw(width = document.documentElement.classList.contains("paper") ? PAPER_PIXELS : box.clientWidth) {
  if (width <= 0) return;
  const { traces, layout } = customerMap(width);
  const touch = matchMedia("(pointer: coarse)").matches;
  Plotly.react(box, traces, { ...common(), width, ...layout, dragmode: touch ? false : layout.dragmode }, {
    displayModeBar: false,
    responsive: false, // the observer above draws again, with margins for the new width
    doubleClick: "reset",
  });
}

function later(action) {
  let width = document.documentElement.clientWidth;
  let wait = 0;
  return () => {
    if (width === document.documentElement.clientWidth) return;
    width = document.documentElement.clientWidth;
    clearTimeout(wait);
    wait = setTimeout(action, 120);
  };
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function common() {
  return {
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("ink") },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: { bgcolor: colour("sheet"), bordercolor: colour("soft"), font: { color: colour("ink") }, align: "left" },
  };
}

const axis = (title) => ({
  title: { text: title, standoff: 10 }, gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("line"),
});

// Plotly reads markup in its texts; a text from the data is to be seen as it is.
function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

// A segment's name on several lines of at most `most` characters.
function lines(name, most) {
  const rows = [""];
  for (const word of name.split(" ")) {
    const longer = `${rows.at(-1)} ${word}`.trim();
    if (longer.length <= most) rows[rows.length - 1] = longer;
    else rows.push(word);
  }
  return rows.filter(Boolean).map(plain).join("<br>");
}

function customerMap(width) {
  const narrow = width < NARROW_PIXELS;
  const hover = (id, segment, score) =>
    `Customer ${plain(id)}<br>${plain(segments.get(segment)?.name ?? segment)}<br>Anomaly score ${scoreText(score)}`;
  const points = (group) => ({ type: "scatter", mode: "markers", x: group.x, y: group.y, customdata: group.customer_id, hoverinfo: "text" });
  const order = known.segments.map(({ segment }) => map.segments.find((group) => group.segment === segment)).filter(Boolean);
  const traces = order.map((group) => {
    const segment = segments.get(group.segment);
    return {
      ...points(group),
      name: plain(segment.name),
      hovertext: group.customer_id.map((id, index) => hover(id, group.segment, group.anomaly_score[index])),
      marker: mark(segment, narrow ? 4 : 5),
    };
  });
  const odd = map.anomalies;
  traces.push({
    ...points(odd),
    name: `Unusual (${whole(odd.x.length)})`,
    hovertext: odd.customer_id.map((id, index) => `${hover(id, odd.segment[index], odd.anomaly_score[index])}: unusual`),
    marker: { color: colour("anomaly"), symbol: "x-thin-open", size: narrow ? 7 : 8, line: { width: 1.5, color: colour("anomaly") } },
  });
  const [right, up] = known.axes;
  const [first, second] = map.explained_variance;
  const height = (narrow ? 400 : 580);
  const title = (name, share, words, room) => {
    const part = share === undefined ? "" : narrow ? ` (${percent(share)})` : ` (${percent(share)} of the differences)`;
    return `${name}${part}${words && !narrow ? `<br><span style="font-size:0.9em">${lines(words, (room - 120) / 6.5)}</span>` : ""}`;
  };
  return {
    traces,
    layout: {
      height: height + 24 * Math.ceil(traces.length / (narrow ? 1 : 3)), dragmode: "zoom", hovermode: "closest", hoverdistance: 12,
      margin: { l: narrow ? 58 : 72, r: 8, t: 8, b: 10 },
      xaxis: { ...axis(title("First component", first, right && `to the right: ${right}`, width)), zeroline: false, automargin: true },
      yaxis: { ...axis(title("Second component", second, up && `upwards: ${up}`, height)), zeroline: false, automargin: true },
      showlegend: true,
      legend: { orientation: "h", x: 0, xref: "container", y: 0, yref: "container", yanchor: "bottom", itemsizing: "constant" },
    },
  };
}

// How a segment's customers look on the map: discs let others shine through, outlines need a wider line.
function mark(segment, size) {
  const disc = segment.shape === "circle";
  return { color: colour(segment.colour), symbol: SYMBOLS[segment.shape], size: disc ? size : size + 2, opacity: disc ? 0.75 : 1, line: { width: disc ? 0 : 1.5 } };
}

function noteWhatIsShown() {
  const note = document.getElementById("map-note");
  if (map.shown < map.customers) {
    note.textContent = `It shows ${whole(map.shown)} of ${whole(map.customers)} customers: a random sample, and the unusual ones.`;
  }
  if (matchMedia("(pointer: fine)").matches) note.after(element("span", { class: "screen" }, " Drag to zoom in, double-click to zoom out."));
}
