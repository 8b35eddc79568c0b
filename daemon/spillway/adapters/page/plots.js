// Plots of a service and of a region over a chosen range, from /history. Each is drawn when it comes into sight.

import { at, known, percent, rate, seconds, setText } from "./text.js";
import { explain } from "./decisions.js";

const POINTS = 360, MOST_LAYERS = 12, MOST_LINES = 120, MOST_RUNS = 24, PATIENCE = 20000;
const REFRESH = { 3600: 15, 21600: 30, 86400: 120, 604800: 600 }; // real seconds between two readings, by range
const HEALTH_TONES = { slow: "--warn", saturated: "--warn", failing: "--bad", dead: "--bad", unknown: "--quiet" };

let range = 21600, now = () => Date.now() / 1000, pace = 1; // range and now in the world's seconds
const plots = new Map(); // element -> what it shows
const read = new Map(); // "service range" -> { at, document }

export function setRange(value) {
  range = value;
  for (const [place, plot] of plots) { plot.due = 0; if (Figure.isDrawn(place)) renew(place, plot); }
}

// Clock of the world, from /status.
export function setClock(world, speed) {
  const since = Date.now();
  now = () => world + (Date.now() - since) / 1000 * speed;
  pace = speed;
}

export function drawService(place, service, regions) { place_(place, { service, regions, figure: serviceFigure }); }
export function drawRegion(place, service, region, number) { place_(place, { service, region, number, figure: regionFigure }); }

function place_(place, plot) {
  if (plots.has(place)) { plots.get(place).regions = plot.regions; return; }
  plots.set(place, { ...plot, due: 0 });
  Figure.whenSeen(place, () => renew(place, plots.get(place)));
}

export function forget(place) {
  plots.delete(place);
  Figure.remove(place);
}

// Draw anew what is due and in sight; called every few seconds.
export function refreshPlots() {
  for (const [place, plot] of plots) {
    if (!place.isConnected) { forget(place); continue; }
    const box = place.getBoundingClientRect(), seen = box.bottom > -300 && box.top < innerHeight + 300;
    if (Figure.isDrawn(place) && seen && Date.now() >= plot.due) renew(place, plot);
  }
}

export function redrawPlots() {
  for (const [place, plot] of plots) if (Figure.isDrawn(place)) renew(place, plot);
}

async function renew(place, plot) {
  if (!plot) return;
  plot.due = Date.now() + 1000 * REFRESH[range] / (pace > 1 ? 5 : 1);
  try {
    await Figure.load("page/plotly.js");
    const past = await history(plot.service);
    if (!plots.has(place) || !place.isConnected) return;
    const { traces, layout } = plot.figure(plot, past);
    await Figure.draw(place, traces, layout);
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", `Plot of ${plot.region ?? plot.service}. The table above has the newest figures.`);
    if (!plot.clicks) { plot.clicks = true; place.on("plotly_click", event => clicked(place, event)); }
    tell(past.problem ? `The plots are not whole: ${past.problem}` : past.left ? `${past.left} older moves are not marked.` : "");
  } catch (problem) {
    tell(`No plots: ${problem.message}`);
  }
}

function tell(words) {
  at("plot-problem").hidden = !words;
  setText(at("plot-problem"), words);
}

// The past of a service in one form, whatever the daemon answers; plots of one service share a reading.
async function history(service) {
  const name = `${service} ${range}`, kept = read.get(name);
  if (kept && Date.now() - kept.at < 4000) return kept.past;
  const until = now(), since = until - range;
  const query = new URLSearchParams({ since: since.toFixed(0), until: until.toFixed(0), service, points: POINTS });
  const answer = await fetch(`history?${query}`, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.error ?? answer.statusText);
  const found = document.services[service] ?? {};
  const past = {
    since: 1000 * since, until: 1000 * until, step: 1000 * (document.step ?? 60), at: document.at.map(t => 1000 * t), problem: document.problem ?? "", left: document.marks_left_out ?? 0,
    demand: found.demand, capacity: found.capacity, bad: found.bad_share, regions: found.regions ?? found,
    marks: (document.marks ?? []).filter(m => m.service === service),
  };
  if (read.size > 40) read.clear();
  read.set(name, { at: Date.now(), past });
  return past;
}

const line = (x, y, name, extra) => ({ x, y, name: Figure.escape(name), type: "scatter", mode: "lines", ...extra });
const xaxis = past => ({ range: [past.since, past.until], hoverformat: "%Y-%m-%d %H:%M:%S", tickformatstops: [{ dtickrange: [null, 43200000], value: "%H:%M" }, { dtickrange: [43200000, null], value: "%b %-d" }] });
const narrow = () => innerWidth < 600;

function markTraces(marks, top) {
  if (!marks.length) return [];
  const words = m => `${m.region ? `${m.region}: ` : ""}${m.lever} ${m.before} → ${m.after}. ${m.sentence}${m.outcome && m.outcome !== "done" ? ` (${m.outcome})` : ""}`;
  return [{
    x: marks.map(m => 1000 * m.at), y: marks.map(() => top), text: marks.map(m => Figure.wrapped(words(m))), customdata: marks.map(m => m.id ?? ""), name: "moves",
    type: "scatter", mode: "markers", meta: "marks", cliponaxis: false, hovertemplate: "%{text}<extra></extra>",
    marker: { symbol: "triangle-down", size: 10, color: marks.map(m => Figure.css(["done", "", undefined].includes(m.outcome) ? "--accent" : "--quiet")) },
  }];
}

const markLines = marks => marks.slice(-MOST_LINES).map(m => ({ type: "line", xref: "x", yref: "paper", x0: 1000 * m.at, x1: 1000 * m.at, y0: 0, y1: 1, line: { color: Figure.css("--accent"), width: 1, dash: "dot" }, opacity: 0.45, layer: "below" }));

const most = (...series) => Math.max(1, ...series.flat().filter(v => Number.isFinite(v)));

// Runs of moments at which something is known: [from, to) each. Plotly draws what is missing in a filled area as 0, so
// each run is an area of its own, and a time without figures stays empty. Of very many the oldest are one.
function runs(moments, knownAt) {
  const found = [];
  for (let i = 0; i < moments; i++) {
    if (!knownAt(i)) continue;
    const last = found[found.length - 1];
    if (last && last[1] === i) last[1] = i + 1;
    else found.push([i, i + 1]);
  }
  const older = found.splice(0, Math.max(0, found.length - MOST_RUNS));
  return older.length ? [[older[0][0], older[older.length - 1][1]], ...found] : found;
}

const pieces = (past, seen, y, name, extra) => seen.map(([from, to]) => line(past.at.slice(from, to), y.slice(from, to), name, extra(from)));
const area = (past, y, name, extra) => pieces(past, runs(y.length, i => known(y[i])), y, name, () => ({ fill: "tozeroy", ...extra }));

// What a service served, stacked by region, against demand and capacity; the share of bad requests below.
function serviceFigure({ regions }, past) {
  const name = r => past.regions[r]?.served, shown = regions.filter(name), sum = r => past.regions[r].served.reduce((a, v) => a + (v ?? 0), 0);
  const layers = shown.length > MOST_LAYERS ? [...shown].sort((a, b) => sum(b) - sum(a)).slice(0, MOST_LAYERS) : shown;
  const rest = shown.filter(r => !layers.includes(r)), total = past.at.map((_, i) => shown.reduce((a, r) => a + (past.regions[r].served[i] ?? 0), 0));
  const seen = runs(past.at.length, i => shown.some(r => known(past.regions[r].served[i])));
  const layer = (y, label, colour) => pieces(past, seen, y, label, from => ({ stackgroup: `served ${from}`, line: { width: 1, color: colour }, fillcolor: Figure.faint(colour, 0.5), hovertemplate: "%{y:.4~g} /s" }));
  const traces = shown.filter(r => layers.includes(r)).flatMap(r => layer(past.regions[r].served, r, Figure.colour(regions.indexOf(r))));
  if (rest.length) traces.push(...layer(past.at.map((_, i) => rest.reduce((a, r) => a + (past.regions[r].served[i] ?? 0), 0)), `${rest.length} others`, Figure.css("--quiet")));
  const own = { hovertemplate: "%{y:.4~g} /s" };
  if (past.capacity) traces.push(line(past.at, past.capacity, "can carry", { ...own, line: { width: 1.5, color: Figure.css("--soft"), dash: "dot" } }));
  if (past.demand) traces.push(line(past.at, past.demand, "demand", { ...own, line: { width: 1.5, color: Figure.css("--ink"), dash: "dash" } }));
  const top = 1.12 * most(total, past.demand ?? [], (past.capacity ?? []).filter(v => v < 3 * most(total)));
  const rows = [{ title: "requests/s", share: 2.4, range: [0, top] }];
  const bad = (past.bad ?? []).some(known) ? past.bad : failed(past, shown), what = bad === past.bad ? "bad requests" : "failed requests";
  if (bad.some(known)) {
    const red = { yaxis: "y2", line: { width: 1.2, color: Figure.css("--bad") }, fillcolor: Figure.faint(Figure.css("--bad"), 0.3), hovertemplate: "%{y:.2%}" };
    traces.push(...area(past, bad, what, red));
    rows.push({ title: `${what}, share`, tickformat: "~%", range: [0, Math.max(0.02, 1.15 * Math.max(0, ...bad.filter(known)))] });
  }
  traces.push(...markTraces(past.marks, 0.97 * top));
  return { traces, layout: Figure.layout({ height: 310, rows, x: xaxis(past), left: narrow() ? 40 : 52, shapes: markLines(past.marks) }) };
}

// The share of requests that failed, by the regions' own; for a past in which nobody counted those that came too late.
function failed(past, regions) {
  return past.at.map((_, i) => {
    const pairs = regions.map(r => [past.regions[r].served[i], past.regions[r].errors?.[i]]).filter(([served, errors]) => known(served) && known(errors));
    const all = pairs.reduce((sum, [served]) => sum + served, 0);
    return all ? pairs.reduce((sum, [served, errors]) => sum + served * errors, 0) / all : null;
  });
}

// One region: traffic against its ceiling, latency, what failed, and its scaler; the background tells its health.
function regionFigure({ region, number }, past) {
  const r = past.regions[region] ?? {}, colour = Figure.colour(number), marks = past.marks.filter(m => m.region === region), none = past.at.map(() => null);
  const step = { shape: "hv" }, perSecond = { hovertemplate: "%{y:.4~g} /s" };
  const traces = [
    ...area(past, r.served ?? none, "served", { ...perSecond, line: { width: 1.5, color: colour }, fillcolor: Figure.faint(colour, 0.25) }),
    line(past.at, r.ceiling ?? none, "ceiling", { ...perSecond, line: { ...step, width: 1.5, color: Figure.css("--ink") } }),
    line(past.at, r.latency ?? none, "latency", { yaxis: "y2", line: { width: 1.5, color: Figure.css("--latency") }, hovertemplate: "%{y:.3~g} s" }),
    ...area(past, r.errors ?? none, "errors", { yaxis: "y3", line: { width: 1.2, color: Figure.css("--bad") }, fillcolor: Figure.faint(Figure.css("--bad"), 0.3), hovertemplate: "%{y:.2%}" }),
  ];
  if (r.capacity) traces.push(line(past.at, r.capacity, "can carry", { ...perSecond, line: { width: 1.5, color: Figure.css("--soft"), dash: "dot" } }));
  if (r.too_many) traces.push(line(past.at, r.too_many, "too many requests", { yaxis: "y3", line: { width: 1.2, color: Figure.css("--warn") }, hovertemplate: "%{y:.2%}" }));
  const top = 1.12 * most(r.served ?? [], r.ceiling ?? []), share = Math.max(0.02, 1.15 * Math.max(0, ...[...(r.errors ?? []), ...(r.too_many ?? [])].filter(known)));
  const rows = [{ title: "requests/s", share: 1.6, range: [0, top] }, { title: "latency, s" }, { title: "failed, share", tickformat: "~%", range: [0, share] }];
  if (r.scaler) {
    traces.push(...area(past, r.scaler, "scaler", { yaxis: "y4", line: { ...step, width: 1.2, color: Figure.css("--accent") }, fillcolor: Figure.faint(Figure.css("--accent"), 0.25), hovertemplate: "%{y:.2f}" }));
    rows.push({ title: "scaler", share: 0.6, range: [0, 1.1], tickvals: [0, 1] });
  }
  traces.push(...markTraces(marks, 0.97 * top));
  const shapes = [...healthBands(past, r.health), ...markLines(marks)];
  return { traces, layout: Figure.layout({ height: r.scaler ? 470 : 400, rows, x: xaxis(past), left: narrow() ? 40 : 52, shapes }) };
}

// Stretches in which the region was not well.
function healthBands(past, health) {
  const bands = [];
  (health ?? []).forEach((word, i) => {
    if (!(word in HEALTH_TONES)) return;
    const last = bands[bands.length - 1], from = Math.max(past.at[i - 1] ?? past.since, past.at[i] - 2 * past.step);
    if (last && last.word === word && last.x1 === from) last.x1 = past.at[i];
    else bands.push({ word, x0: from, x1: past.at[i] });
  });
  return bands.slice(-MOST_LINES).map(({ word, x0, x1 }) => ({ type: "rect", xref: "x", yref: "paper", x0, x1, y0: 0, y1: 1, fillcolor: Figure.css(HEALTH_TONES[word]), opacity: 0.1, line: { width: 0 }, layer: "below", label: { text: word, textposition: "top left", font: { size: 10, color: Figure.css("--soft") } } }));
}

// A mark that is clicked opens its explanation below the plot.
function clicked(place, event) {
  const point = event.points.find(p => p.data.meta === "marks" && p.customdata);
  if (!point) return;
  const next = place.nextElementSibling, box = next?.classList.contains("why") ? next : place.parentNode.insertBefore(Object.assign(document.createElement("div"), { className: "why under" }), next);
  explain(box, { id: point.customdata });
}
