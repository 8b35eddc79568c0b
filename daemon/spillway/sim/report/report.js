// The plots of a backtest's report. Each file in data/ calls Report.add with the figures of one scenario and seed; it is
// read when the first of its plots comes into sight. A plain script: browsers load no modules from a disk.
"use strict";
const Report = (() => {
  const waiting = new Map(), found = new Map();

  function add(name, figures) {
    found.set(name, figures);
    waiting.get(name)?.resolve(figures);
  }

  // The figures of a run; their file is loaded once.
  function figuresOf(name) {
    if (found.has(name)) return Promise.resolve(found.get(name));
    if (!waiting.has(name)) {
      const entry = {};
      entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
      waiting.set(name, entry);
      const script = document.createElement("script");
      script.src = `data/${name}.js`;
      script.onerror = () => entry.reject(new Error(`data/${name}.js is missing`));
      document.head.append(script);
    }
    return waiting.get(name).promise;
  }

  // Times are seconds since the start, drawn as dates from 1970: an axis of hours and minutes, then of days.
  const moment = t => 1000 * t;
  const xaxis = f => ({
    range: [0, moment(f.duration)], nticks: 6, hoverformat: f.duration > 86400 ? "day %-j, %H:%M" : "%-H:%M",
    tickformatstops: [{ dtickrange: [null, 86399999], value: f.duration > 86400 ? "%-H:%M\nday %-j" : "%-H:%M" }, { dtickrange: [86400000, null], value: "day %-j" }],
  });
  const rate = { hovertemplate: "%{y:.4~g} /s" }, share = { hovertemplate: "%{y:.2%}" };
  const line = (x, y, name, extra) => ({ x: x.map(moment), y, name: Figure.escape(name), type: "scatter", mode: "lines", ...extra });
  const stepped = (steps, name, extra) => line(steps.map(s => s[0]), steps.map(s => s[1]), name, { line: { shape: "hv" }, ...extra });
  const area = (tone, alpha) => ({ fill: "tozeroy", line: { width: 1, color: Figure.css(tone) }, fillcolor: Figure.faint(Figure.css(tone), alpha) });

  const shade = (faults, extra = {}) => faults.map(f => ({ type: "rect", xref: "x", yref: "paper", x0: moment(f.at), x1: moment(f.until), y0: 0, y1: 1, fillcolor: Figure.css("--fault"), line: { width: 0 }, layer: "below", ...extra }));
  const writeLines = p => p.writes.slice(0, 120).map(w => ({ type: "line", xref: "x", yref: "paper", x0: moment(w.at), x1: moment(w.at), y0: 0, y1: 1, line: { width: 1, dash: "dot", color: Figure.css("--ink") }, opacity: 0.3, layer: "below" }));

  // Marks along the top: what went wrong in the world, and what was written.
  function marks(entries, name, top, symbol, tone, yaxis = "y") {
    if (!entries.length) return [];
    return [{ x: entries.map(e => moment(e.at)), y: entries.map(() => top), text: entries.map(e => Figure.wrapped(e.text ?? e.words)), name, yaxis, type: "scatter", mode: "markers", cliponaxis: false, hovertemplate: "%{text}<extra></extra>", marker: { symbol, size: 9, color: Figure.css(tone) } }];
  }

  const FIGURES = {
    // Demand by client, stacked; the same for all policies.
    demand(f) {
      const traces = f.clients.map((name, i) => line(f.time, f.demand[i], name, { ...rate, stackgroup: "demand", line: { width: 1, color: Figure.colour(i) }, fillcolor: Figure.faint(Figure.colour(i), 0.55) }));
      const top = 1.15 * Math.max(1, ...f.time.map((_, k) => f.demand.reduce((sum, d) => sum + (d[k] ?? 0), 0)));
      traces.push(...marks(f.faults, "faults", 0.97 * top, "diamond", "--bad"));
      return { traces, height: 210, rows: [{ title: "requests/s", range: [0, top] }], shapes: shade(f.faults) };
    },
    // Bad requests since the start, a line for each policy.
    bad_so_far(f) {
      const traces = f.policies.map((p, i) => line(p.time, p.bad_so_far, p.name, { line: { width: 1.8, color: Figure.colour(i) }, hovertemplate: "%{y:.4~s}" }));
      return { traces, height: 210, rows: [{ title: "bad requests so far", tickformat: "~s" }], shapes: shade(f.faults) };
    },
    // Share of requests that failed or came too late, and p95 over all regions against the SLO.
    service(f, p) {
      const traces = [
        line(p.time, p.bad, "bad requests", { ...share, ...area("--bad", 0.35) }),
        line(p.time, p.p95, "latency p95", { yaxis: "y2", hovertemplate: "%{y:.3~g} s", line: { width: 1.5, color: Figure.css("--latency") } }),
        line([0, f.duration], [f.slo, f.slo], "SLO", { yaxis: "y2", hovertemplate: "%{y:.3~g} s", line: { width: 1.2, dash: "dash", color: Figure.css("--bad") } }),
        ...marks(p.writes, "writes", 0.97 * f.worst, "triangle-down", "--mark-ink"),
      ];
      const rows = [{ title: "bad requests, share", tickformat: "~%", range: [0, f.worst] }, { title: "latency p95, s", range: [0, f.slowest] }];
      return { traces, height: 250, rows, shapes: [...shade(f.faults), ...writeLines(p)] };
    },
    // Load against ceiling and true capacity, a row for each region.
    regions(f, p) {
      const traces = [], shapes = writeLines(p), n = f.regions.length;
      f.regions.forEach((region, i) => {
        const own = { yaxis: i ? `y${i + 1}` : "y" }, mine = f.faults.filter(x => x.region === null || x.region === region);
        traces.push(
          line(p.time, p.load[i], "load", { ...rate, ...area("--load", 0.6), ...own }),
          line(p.time, p.failed[i], "failed", { ...rate, ...area("--bad", 0.5), ...own }),
          stepped(p.capacity[i], "true capacity", { ...rate, ...own, line: { shape: "hv", width: 1.2, dash: "dot", color: Figure.css("--bad") } }),
          stepped(p.ceiling[i], "ceiling", { ...rate, ...own, line: { shape: "hv", width: 1.5, color: Figure.css("--ink") } }),
        );
        shapes.push(...shade(mine, { yref: `${own.yaxis} domain` }));
      });
      return { traces, height: 74 * n + 40, rows: f.regions.map((region, i) => ({ title: region, range: [0, f.tops[i]], nticks: 3 })), shapes, hoversubplots: "single" };
    },
    // Scalers in effect; a gap where the region is no member.
    scalers(f, p, i) {
      const traces = p.scalers.map((s, k) => stepped(s.steps, "scaler", { yaxis: k ? `y${k + 1}` : "y", hovertemplate: "%{y:.2f}", fill: "tozeroy", line: { shape: "hv", width: 1.2, color: Figure.colour(i) }, fillcolor: Figure.faint(Figure.colour(i), 0.3) }));
      return { traces, height: 52 * p.scalers.length + 40, rows: p.scalers.map(s => ({ title: s.name, range: [0, 1.15], tickvals: [0, 1] })), shapes: [...shade(f.faults), ...writeLines(p)], hoversubplots: "single" };
    },
  };

  async function draw(place) {
    try {
      await Figure.load("assets/plotly.min.js");
      const f = await figuresOf(place.dataset.run), i = Number(place.dataset.policy ?? -1);
      const { traces, ...shape } = FIGURES[place.dataset.figure](f, f.policies[i], i);
      place.replaceChildren();
      await Figure.draw(place, traces, Figure.layout({ ...shape, x: xaxis(f), left: 46 }));
    } catch (problem) {
      place.textContent = `No plot: ${problem.message}.`;
    }
  }

  function start() {
    const places = [...document.querySelectorAll(".plot[data-figure]")];
    for (const place of places) Figure.whenSeen(place, () => draw(place));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => places.filter(Figure.isDrawn).forEach(draw));
  }

  document.addEventListener("DOMContentLoaded", start);
  return { add };
})();
