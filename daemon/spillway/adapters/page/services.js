// A card for each service: its figures, a table of its regions, and the places of its plots.

import { at, count, el, errors, keyed, known, moment, percent, rate, renew, say, seconds, setClass, setLabel, setText, span } from "./text.js";
import { drawRegion, drawService, forget } from "./plots.js";

const MANY = 12;
const MOST_SERVICES = 200, MOST_REGIONS = 200;
const OLD = 600, VERY_OLD = 1200; // seconds; Monitoring itself is some four minutes late

// What Spillway does with a region, in words; other states are words already. `control/told.py` has the same.
const LEVER_WORDS = { serving: "open", degraded: "capped", draining: "closing", drained: "closed", recovering: "opening", edited: "changed by others" };
const LEVER_TONES = { degraded: "shut", draining: "moving", drained: "shut", recovering: "moving", joining: "moving", leaving: "moving", held: "held", pinned: "held", edited: "held", standby: "out" };
const COLUMNS = [["w-region", "region"], ["w-word", "health"], ["w-word", "Spillway"], ["w-wide", "traffic of ceiling"], ["w-wide", "latency of SLO"], ["w-num num", "errors"], ["w-num num", "healthy"], ["w-num num", "data"]];

const folded = new Map(); // by service: open or not, as a person has set it
const opened = new Set(); // "service/region" whose plots are open
let lateness = 0; // seconds since the last tick

function bar(cls, words, share, limit, mark) {
  const made = el("span", `bar ${cls}`);
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", words);
  made.style.setProperty("--share", `${(100 * Math.min(1, share)).toFixed(1)}%`);
  made.style.setProperty("--limit", `${(100 * Math.min(1, limit)).toFixed(1)}%`);
  made.style.setProperty("--mark", mark ? "1" : "0");
  return made;
}

function traffic(b, out) {
  if (out && !known(b.served)) return [el("span", "dim", "–")];
  const ceiling = known(b.target) ? b.target * b.scaler_wanted : null, full = Math.max(b.target || 0, b.served || 0) || 1;
  const over = !out && known(ceiling) && b.served > ceiling * 1.02;
  const words = `${rate(b.served)} requests/s served, ceiling ${rate(ceiling)} of target ${rate(b.target)}`;
  return [
    el("span", `figure${out ? " dim" : ""}`, rate(b.served), el("small", "", known(ceiling) && !out ? ` of ${rate(ceiling)} /s` : " /s")),
    bar(over ? "hot" : "", words, (b.served || 0) / full, known(ceiling) ? ceiling / full : 1, known(ceiling) && ceiling / full < 0.99),
  ];
}

function latency(b, slo) {
  if (!known(b.latency)) return [el("span", "dim", "–")];
  const late = slo && b.latency > slo.latency;
  const figure = el("span", `figure${late ? " over" : ""}`, seconds(b.latency), el("small", "", slo ? ` of ${seconds(slo.latency)} p${slo.percentile}` : ""));
  return slo ? [figure, bar(late ? "hot" : "latency", `${seconds(b.latency)} of ${seconds(slo.latency)}`, b.latency / (1.5 * slo.latency), 1 / 1.5, true)] : [figure];
}

function lever(b) {
  const word = LEVER_WORDS[b.state] ?? b.state;
  const drift = known(b.scaler_observed) && Math.abs(b.scaler_observed - b.scaler_wanted) >= 0.005;
  const told = b.member && !["serving", "draining", "drained"].includes(b.state) && !(b.state === "held" && b.scaler_wanted === 1), scaler = told ? ` at ${b.scaler_wanted.toFixed(2)}` : "";
  return el("span", `lever ${LEVER_TONES[b.state] ?? ""}`, word, el("small", "", scaler), drift && b.member ? el("small", "now", `now ${b.scaler_observed.toFixed(2)}`) : null);
}

function age(b) {
  if (!known(b.age)) return el("span", "dim", "–");
  const old = b.age + lateness;
  return el("span", old > VERY_OLD ? "aged" : old > OLD ? "aging" : "", span(old));
}

function cells(service, b) {
  const out = !b.member, figure = (text, over, quiet) => el("span", `figure${over ? " over" : quiet ? " dim" : ""}`, text);
  const health = b.health ?? "unknown";
  return [
    [el("span", `badge ${health}`, health)], [lever(b)], traffic(b, out), latency(b, service.slo),
    [figure(errors(b.error_ratio), b.error_ratio > 0.05, !b.error_ratio)],
    [figure(percent(b.healthy_share), known(b.healthy_share) && b.healthy_share < 0.5, !known(b.healthy_share))], [age(b)],
  ];
}

function cell(tag, cls, role, label) {
  const made = el(tag, cls);
  made.setAttribute("role", role);
  if (label) made.dataset.label = label;
  return made;
}

function regionRow(service, place) {
  const row = el("tr", "");
  row.setAttribute("role", "row");
  const name = cell("th", "w-region", "rowheader"), button = el("button", `region mine-${place.number % 8}`, place.b.region);
  name.scope = "row";
  button.type = "button";
  button.title = "Show or hide the plots of this region";
  button.addEventListener("click", () => {
    const id = `${service}/${place.b.region}`;
    if (!opened.delete(id)) opened.add(id);
    refresh();
  });
  name.append(button);
  row.append(name, ...COLUMNS.slice(1).map(([cls, label]) => cell("td", cls, "cell", label)));
  return row;
}

// A row that spans the table: the notes of a region, or its plots.
function wideRow(cls) {
  const row = el("tr", cls), only = cell("td", "", "cell");
  row.setAttribute("role", "row");
  only.colSpan = COLUMNS.length;
  row.append(only);
  return row;
}

function rows(service) {
  const shown = service.backends.slice(0, MOST_REGIONS).flatMap((b, number) => {
    const own = [{ kind: "row", b, number }];
    if (b.notes.length) own.push({ kind: "note", b });
    if (opened.has(`${service.service}/${b.region}`)) own.push({ kind: "plots", b, number });
    return own;
  });
  const left = service.backends.length - MOST_REGIONS;
  if (left > 0) shown.push({ kind: "more", b: { region: "" }, left });
  return shown;
}

function makeRow(service, place) {
  if (place.kind === "row") return regionRow(service.service, place);
  const row = wideRow(place.kind === "plots" ? "plots" : "note");
  if (place.kind === "plots") {
    const plot = el("div", "plot area");
    row.firstChild.append(plot);
    drawRegion(plot, service.service, place.b.region, place.number);
  }
  return row;
}

function updateRow(row, service, place) {
  if (place.kind === "note") setText(row.firstChild, place.b.notes.map(n => say(n.sentence)).join(" "));
  else if (place.kind === "more") setText(row.firstChild, `and ${place.left} more regions: spillway status`);
  else if (place.kind === "row") {
    setClass(row, place.b.notes.length ? "noted" : "");
    setLabel(row.querySelector("button"), "aria-expanded", String(opened.has(`${service.service}/${place.b.region}`)));
    cells(service, place.b).forEach((parts, i) => {
      const td = row.children[i + 1], fresh = el("td", td.className, ...parts);
      renew(td, fresh);
    });
  }
}

function makeCard(service) {
  const card = el("details", "card"), head = el("tr", ""), table = el("table", "regions"), body = el("tbody", ""), thead = el("thead", "", head);
  card.append(el("summary", "", el("h3", "", service.service), el("span", "about"), el("span", "chip"), el("span", "chip")), el("p", "estimate"), table, el("div", "plot service"), key());
  for (const [node, role] of [[table, "table"], [thead, "rowgroup"], [body, "rowgroup"], [head, "row"]]) node.setAttribute("role", role);
  head.append(...COLUMNS.map(([cls, label]) => Object.assign(cell("th", cls, "columnheader"), { scope: "col", textContent: label })));
  table.append(el("caption", "sr", `Regions of ${service.service}`), thead, body);
  card.addEventListener("toggle", () => { folded.set(service.service, card.open); refresh(); });
  return card;
}

const key = () => el("ul", "key", ...[["all", "served, by region"], ["dash", "demand"], ["dots", "capacity of the regions"], ["red", "bad requests"], ["mark", "moves: point at one to read it, click it to read why"]].map(([cls, words]) => el("li", cls, el("i", ""), words)));

function facts(s) {
  const found = [`demand ${rate(s.demand)} requests/s`];
  if (known(s.capacity)) found.push(`capacity ${rate(s.capacity)}`);
  if (known(s.headroom)) found.push(s.headroom >= 3 ? `room for ${(1 + s.headroom).toFixed(0)} × demand` : `headroom ${percent(s.headroom)}`);
  if (known(s.bad_share)) found.push(`${percent(s.bad_share, 2)} bad`);
  const burn = Math.max(0, ...Object.values(s.burn ?? {}).filter(v => Number.isFinite(v)));
  if (burn > 1) found.push(`burn rate ${burn.toFixed(burn < 10 ? 1 : 0)}`);
  if (known(s.survives_loss)) found.push(s.survives_loss ? "survives the loss of its largest region" : "would not survive the loss of its largest region");
  return found.join(" · ");
}

// What acting has saved, or would have saved, by the model.
function estimate(s) {
  const e = s.estimate;
  if (!e) return "";
  if (!e.saved_requests && !e.advised_requests) return `Estimate by the model, since ${moment(e.since)}: ${e.mode === "act" ? "acting has kept" : "its advice would have kept"} no requests from being bad so far.`;
  const saved = `acting has kept ${count(e.saved_requests)} requests from being bad`, advised = `its advice would have kept ${count(e.advised_requests)}`;
  const parts = e.mode === "act" ? [saved, e.advised_requests ? advised : ""] : [e.saved_requests ? saved : "", advised];
  return `Estimate by the model, since ${moment(e.since)}: ${parts.filter(Boolean).join("; ")}.`;
}

function updateCard(card, s, many) {
  const set = folded.get(s.service), ill = s.shortage || s.alarms.length || s.backends.some(b => !["serving", "standby"].includes(b.state) || !["ok", "idle", "unknown"].includes(b.health ?? "unknown"));
  const open = set === undefined ? !many || Boolean(ill) : set;
  if (card.open !== open) card.open = open;
  const [summary, told, table, plot] = card.children, [, about, posture, mode] = summary.children;
  setText(about, facts(s));
  setText(posture, `posture ${s.posture}`);
  setText(mode, `mode ${s.mode}`);
  const words = estimate(s);
  told.hidden = !words;
  setText(told, words);
  if (!open) { // a card that nobody looks at costs nothing
    for (const each of card.querySelectorAll(".plot")) forget(each);
    table.tBodies[0].replaceChildren();
    return;
  }
  keyed(table.tBodies[0], rows(s), place => `${place.kind} ${place.b.region}`, place => makeRow(s, place), (row, place) => updateRow(row, s, place));
  drawService(plot, s.service, s.backends.map(b => b.region));
}

let last = null;

// All services, from one answer of /status.
export function showServices(s) {
  last = s;
  refresh();
}

function refresh() {
  if (!last) return;
  lateness = last.at ? Math.max(0, last.now - last.at) : 0;
  const many = last.services.length > MANY;
  for (const gone of at("services").querySelectorAll(".plots .plot")) if (!opened.size) forget(gone);
  keyed(at("services"), last.services.slice(0, MOST_SERVICES), s => s.service, makeCard, (card, s) => updateCard(card, s, many));
}
