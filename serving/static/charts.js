// The three charts. Colours are the page's CSS variables, so a chart is drawn again when the screen turns dark or light.
import { ask, element, known, segments } from "./data.js";
import { lookUp } from "./lookup.js";
import { counted, measure, number, percent, score as scoreText, whole } from "./words.js";

const NARROW_PIXELS = 560;
const PAPER_PIXELS = 640; // they fit the width of an A4 or Letter page
const SYMBOLS = { circle: "circle", diamond: "diamond-open", square: "square-open" }; // on the map, by a segment's shape
const HATCHES = { circle: "", diamond: "/", square: "x" }; // of bars
const charts = ["chart-shares", "chart-profiles", "chart-map"].map((id) => document.getElementById(id));
const [sharesBox, profilesBox, mapBox] = charts;
const painters = new Map();

export async function startCharts() {
  try {
    await loadPlotly();
  } catch {
    for (const box of charts) box.textContent = "The chart cannot be drawn here. The table below has its numbers.";
    return;
  }
  painters.set(sharesBox, shares).set(profilesBox, profiles);
  drawAll();
  new ResizeObserver(later(drawAll)).observe(document.getElementById("charts"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  window.addEventListener("beforeprint", () => onPaper(true));
  window.addEventListener("afterprint", () => onPaper(false));
  try {
    const map = await ask("/analytics/map");
    noteWhatIsShown(map);
    painters.set(mapBox, (width) => customerMap(map, width));
    draw(mapBox);
    mapBox.on("plotly_click", ({ points }) => {
      const id = points[0]?.customdata;
      if (id !== undefined) lookUp(id, true);
    });
  } catch (problem) {
    mapBox.textContent = problem.message;
  }
}

function loadPlotly() {
  return new Promise((loaded, failed) => {
    const script = document.createElement("script");
    script.src = known.plotly;
    script.onload = loaded;
    script.onerror = failed;
    document.head.append(script);
  });
}

function drawAll() {
  for (const box of painters.keys()) draw(box);
}

function draw(box, width = document.documentElement.classList.contains("paper") ? PAPER_PIXELS : box.clientWidth) {
  if (width <= 0) return;
  const { traces, layout } = painters.get(box)(width);
  const touch = matchMedia("(pointer: coarse)").matches;
  Plotly.react(box, traces, { ...common(), width, ...layout, dragmode: layout.dragmode && !touch ? layout.dragmode : false }, {
    displayModeBar: false,
    responsive: false, // the observer above draws again, with margins for the new width
    doubleClick: "reset",
  });
}

function onPaper(paper) {
  document.documentElement.classList.toggle("paper", paper);
  for (const hidden of document.querySelectorAll("details[data-print]")) hidden.open = paper;
  drawAll();
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
const segmentColour = (segment) => colour(segment.colour);

function common() {
  return {
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("ink") },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: { bgcolor: colour("sheet"), bordercolor: colour("soft"), font: { color: colour("ink") }, align: "left" },
  };
}

// A colour mixed with the ground it lies on; see-through bars would show the grid.
function faded(hex, strength) {
  const parts = (text) => [1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16));
  const ground = parts(colour("sheet"));
  return `rgb(${parts(hex).map((part, index) => Math.round(strength * part + (1 - strength) * ground[index])).join(",")})`;
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

const mostLines = (names) => Math.max(...names.map((name) => name.split("<br>").length));

function shares(width) {
  const narrow = width < NARROW_PIXELS;
  const names = known.segments.map((segment) => lines(segment.name, narrow ? 14 : 22));
  const row = Math.max(62, 22 + 17 * mostLines(names));
  const bars = (name, key, strength, text) => ({
    type: "bar", orientation: "h", name, offsetgroup: name, showlegend: false,
    y: names, x: known.segments.map((segment) => 100 * segment[key]),
    text: known.segments.map((segment) => ` ${percent(segment[key])}`), textposition: "outside", cliponaxis: false,
    marker: {
      color: known.segments.map((segment) => faded(segmentColour(segment), strength)),
      pattern: { shape: known.segments.map((segment) => HATCHES[segment.shape]), fillmode: "overlay", fgopacity: 1, size: 7 },
    },
    hovertext: known.segments.map((segment) => `${plain(segment.name)}<br>${text(segment)}`), hoverinfo: "text",
  });
  // The legend speaks of light and full bars, not of one segment's colour.
  const key = (name, strength) => ({
    type: "bar", orientation: "h", name, offsetgroup: name, y: [names[0]], x: [null],
    marker: { color: faded(colour("soft"), strength) }, hoverinfo: "skip",
  });
  const [people, money] = ["Share of customers", "Share of revenue"];
  return {
    traces: [
      key(people, 0.4), key(money, 1),
      bars(people, "share", 0.4, (segment) => `${counted(segment.customers, "customer")}, ${percent(segment.share)} of all`),
      bars(money, "revenue_share", 1, (segment) => `${whole(segment.revenue)} revenue, ${percent(segment.revenue_share)} of all`),
    ],
    layout: {
      barmode: "group", bargap: 0.35, bargroupgap: 0.08,
      height: 110 + row * known.segments.length,
      margin: { l: narrow ? 110 : 180, r: 45, t: 40, b: 50 },
      xaxis: { ...axis("% of the whole shop"), fixedrange: true, rangemode: "tozero", ticksuffix: "%", zerolinecolor: colour("soft") },
      yaxis: { autorange: "reversed", fixedrange: true, ticks: "", ticklabelstandoff: 8 },
      legend: { orientation: "h", x: 0, xref: "container", y: 1, yref: "container", yanchor: "top", itemclick: false, itemdoubleclick: false, traceorder: "normal" },
    },
  };
}

function profiles(width) {
  const narrow = width < NARROW_PIXELS;
  const features = known.names.map((name) => [name, known.features[name]]);
  const columns = features.map(([, feature]) => lines(feature.column, narrow ? 7 : 14));
  const names = known.segments.map((segment) => lines(segment.name, narrow ? 12 : 22));
  const row = Math.max(58, 10 + 17 * mostLines(names));
  const ratio = (segment, [name, feature]) => {
    const value = segment[`median_${name}`];
    return value > 0 && feature.median > 0 ? value / feature.median : null;
  };
  const logs = known.segments.map((segment) => features.map((feature) => {
    const times = ratio(segment, feature);
    return times === null ? null : Math.log2(times);
  }));
  const most = Math.min(3, Math.max(1, ...logs.flat().map((value) => Math.abs(value ?? 0))));
  const ticks = [-3, -2, -1, 0, 1, 2, 3].filter((tick) => Math.abs(tick) <= most && (!narrow || most < 2.5 || tick % 2 === 0));
  const tickText = { "-3": "⅛×", "-2": "¼×", "-1": "½×", 0: "same", 1: "2×", 2: "4×", 3: "8×" };
  return {
    traces: [{
      type: "heatmap", x: columns, y: names, z: logs, zmin: -most, zmax: most, xgap: 3, ygap: 3,
      colorscale: [[0, colour("below")], [0.5, colour("same")], [1, colour("above")]],
      text: known.segments.map((segment) => features.map((feature) => {
        const times = ratio(segment, feature);
        const value = measure(feature[0], segment[`median_${feature[0]}`]);
        return times === null ? value : `${value}<br>${multiple(times)}`;
      })),
      texttemplate: "%{text}", textfont: { size: narrow ? 11 : 13, color: colour("ink") },
      hovertext: known.segments.map((segment) => features.map(([name, feature]) =>
        `${plain(segment.name)}<br>${feature.label}: ${measure(name, segment[`median_${name}`])}<br>All customers: ${measure(name, feature.median)}`)),
      hoverinfo: "text", hoverongaps: false,
      colorbar: {
        orientation: "h", y: 0, yanchor: "top", ypad: 14, thickness: 10, len: narrow ? 1 : 0.5, tickvals: ticks, outlinewidth: 0,
        ticktext: ticks.map((tick) => tickText[tick]), title: { text: "times the median of all customers", side: "top", font: { size: 12 } },
      },
    }],
    layout: {
      height: (narrow ? 215 : 185) + row * known.segments.length,
      margin: { l: narrow ? 104 : 180, r: 8, t: narrow ? 76 : 46, b: 90 },
      xaxis: { side: "top", fixedrange: true, ticks: "", showgrid: false, tickangle: 0, tickfont: { size: narrow ? 10.5 : 13 } },
      yaxis: { autorange: "reversed", fixedrange: true, ticks: "", showgrid: false, ticklabelstandoff: 8 },
    },
  };
}

function multiple(times) {
  if (times >= 0.95 && times < 1.05) return "same";
  return `${times >= 10 ? whole(times) : times < 0.095 ? scoreText(times) : number(times)}×`;
}

function customerMap(map, width) {
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
  return { color: segmentColour(segment), symbol: SYMBOLS[segment.shape], size: disc ? size : size + 2, opacity: disc ? 0.75 : 1, line: { width: disc ? 0 : 1.5 } };
}

function noteWhatIsShown(map) {
  const note = document.getElementById("map-note");
  if (map.shown < map.customers) {
    note.textContent = `It shows ${whole(map.shown)} of ${whole(map.customers)} customers: a random sample, and the unusual ones.`;
  }
  if (matchMedia("(pointer: fine)").matches) note.after(element("span", { class: "screen" }, " Drag to zoom in, double-click to zoom out."));
}
