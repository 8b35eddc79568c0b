// What the live page and the backtest's report share of the plotting library: loading, colours, axes, hover boxes.
// A plain script, because a report is opened from a disk, where browsers load no modules.
"use strict";
const Figure = (() => {
  const drawn = new Set();
  let loading = null;

  // Load the library once. While it loads it adds style sheets of its map plots to the head, which the content policy
  // of the page blocks and no plot here needs: they are left out, so that the policy is never violated.
  function load(source) {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script"), head = document.head;
      const done = settle => () => { delete head.appendChild; settle(); };
      head.append(script);
      head.appendChild = node => node.nodeName === "STYLE" ? node : Node.prototype.appendChild.call(head, node);
      script.onload = done(resolve);
      script.onerror = done(() => { loading = null; script.remove(); reject(new Error("the plotting library did not load")); });
      script.src = source;
    });
    return loading;
  }

  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = i => css(`--c${i % 8}`);
  const faint = (hex, alpha) => hex + Math.round(255 * alpha).toString(16).padStart(2, "0");

  // Plotly reads a few tags in texts. What comes from a daemon or a scenario is text and nothing else.
  const escape = text => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  // Break a sentence into lines for a hover box.
  function wrapped(text, width = 56) {
    const lines = [""];
    for (const word of String(text).split(/\s+/)) {
      const last = lines.length - 1;
      if (lines[last] && lines[last].length + word.length >= width) lines.push(word);
      else lines[last] += (lines[last] ? " " : "") + word;
    }
    return lines.slice(0, 12).map(escape).join("<br>");
  }

  const axis = extra => ({
    gridcolor: css("--line"), linecolor: css("--line"), zeroline: false, automargin: false, fixedrange: true,
    tickfont: { size: 11, color: css("--soft") }, title: { font: { size: 11, color: css("--soft") }, standoff: 6 }, ...extra,
  });

  // The base of every layout. `rows` are the plots under one another, each with its share of the height and its y axis.
  function layout({ height, rows, x = {}, left = 52, right = 8, top = 8, ...rest }) {
    const gap = 0.07, whole = rows.reduce((sum, row) => sum + (row.share ?? 1), 0), free = 1 - gap * (rows.length - 1);
    const found = {
      height, margin: { l: left, r: right, t: top, b: 26 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", size: 12, color: css("--ink") },
      hovermode: "x unified", hoversubplots: "axis", showlegend: false, uirevision: "kept",
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { size: 12, color: css("--ink") }, namelength: -1, align: "left" },
      xaxis: axis({ fixedrange: false, showgrid: true, showspikes: false, type: "date", anchor: rows.length > 1 ? `y${rows.length}` : "y", ticks: "outside", ticklen: 4, tickcolor: css("--line"), nticks: 8, ...x }),
      ...rest,
    };
    let upper = 1;
    rows.forEach((row, i) => {
      const lower = Math.max(0, upper - free * (row.share ?? 1) / whole), { share: _, title, ...own } = row;
      found[i ? `yaxis${i + 1}` : "yaxis"] = axis({ domain: [lower, upper], rangemode: "tozero", nticks: 4, ...own });
      found.annotations = [...(found.annotations ?? []), {
        text: escape(title), xref: "paper", yref: "paper", x: 0, y: upper, xanchor: "left", yanchor: "bottom", showarrow: false,
        font: { size: 11, color: css("--soft") }, bgcolor: faint(css("--card"), 0.8), yshift: -1,
      }];
      upper = lower - gap;
    });
    found.margin.t = Math.max(top, 18);
    return found;
  }

  // Draw, or draw anew: what a person has zoomed into stays.
  async function draw(place, traces, shape) {
    await Plotly.react(place, traces, shape, { displayModeBar: false, responsive: true, showTips: false });
    drawn.add(place);
    return place;
  }

  function remove(place) {
    if (drawn.delete(place)) Plotly.purge(place);
  }

  // Call `make` when `place` comes into sight for the first time; a page with many plots draws those that are looked at.
  const waiting = new Map();
  const watcher = new IntersectionObserver(entries => {
    for (const entry of entries) if (entry.isIntersecting && waiting.has(entry.target)) {
      const make = waiting.get(entry.target);
      waiting.delete(entry.target); watcher.unobserve(entry.target); make();
    }
  }, { rootMargin: "300px" });
  function whenSeen(place, make) { waiting.set(place, make); watcher.observe(place); }

  return { load, css, colour, faint, escape, wrapped, layout, draw, remove, whenSeen, isDrawn: place => drawn.has(place) };
})();
