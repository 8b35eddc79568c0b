// The last decisions, newest first; each opens its explanation.

import { at, clock, day, el, ended, keyed, known, percent, renew, say } from "./text.js";

const PATIENCE = 15000;

const moveWords = m => m.lever === "posture" ? "posture" : `${m.region} ${m.lever}`;

function moveLine(m) {
  return el("div", "move", el("b", "", `${moveWords(m)} ${m.before} → ${m.after}`), ` in ${m.service}. `, say(m.reason?.sentence ?? m.sentence ?? ""));
}

// An alarm that came up with a pass, or ended with it.
function alarmLine(a) {
  const over = a.ended || a.status === "resolved", where = [a.service, a.region].filter(Boolean).join(" · ");
  return el("div", over ? "move no" : "move failed", el("b", "", over ? "Alarm over: " : "Alarm: "), `${where}${where ? ": " : ""}${say(a.sentence)}`);
}

const verdictText = v => typeof v === "string" ? v : v.sentence;

function summary(d) {
  const when = el("time", "", clock(d.at), el("span", "", d.times > 1 ? `${d.times} × until ${clock(d.last_at).slice(0, 5)}` : d.kind === "health" ? "health pass" : `tick ${d.tick}`));
  when.title = day(d.at);
  const told = d.moves.length || d.advice.length, waits = d.sentence.indexOf("Not written:");
  const body = el("div", "", told ? null : el("div", "said", say(d.sentence)), ...d.moves.map(moveLine));
  if (told && waits >= 0) body.append(el("div", "move failed", d.sentence.slice(waits)));
  for (const m of d.advice) { const made = moveLine(m); made.append(" Advice only: the mode of this service writes nothing."); body.append(made); }
  for (const r of d.refusals) body.append(el("div", "move no", `Not done: ${moveWords(r)} → ${r.wanted} in ${r.service}. `, say(r.sentence)));
  for (const v of d.verdicts) body.append(el("div", "move no", `Came of it${v.service ? ` in ${v.service}` : ""}: `, ended(verdictText(v))));
  for (const a of d.alarms ?? []) body.append(alarmLine(a));
  if (d.applied && !["done", "unchanged"].includes(d.applied.outcome)) body.append(el("div", "move failed", el("b", "", d.applied.outcome), `. ${d.applied.sentence}`));
  return el("summary", "", when, body);
}

function item(d) {
  const details = el("details", "", summary(d)), made = el("li", "", details);
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    const box = el("div", "why");
    details.append(box);
    const told = d.moves.length ? d.moves : d.advice.length ? d.advice : d.refusals, [first] = told;
    const alone = told.every(m => m.service === first.service), region = told.length === 1 ? first.region : null;
    explain(box, { at: d.last_at, ...(first && alone ? { service: first.service } : {}), ...(region ? { region } : {}) });
  });
  return made;
}

// The list, from one answer of /status. An entry that is open stays open.
export function showDecisions(s) {
  at("decisions").hidden = !s.decisions.length;
  keyed(at("list"), s.decisions.slice(0, 60), d => `${d.tick} ${d.kind} ${d.at}`, item, (node, d) => {
    renew(node.querySelector("summary"), summary(d));
    node.className = d.moves.length || d.advice.length || d.applied ? "" : "silent";
  });
}

const head = text => el("h4", "", text);
const list = items => el("ul", "", ...items.map(text => el("li", "", text)));

// Put the explanation of one moment into `box`, with the way to the one before and after.
export async function explain(box, query) {
  box.replaceChildren(el("p", "about", "Asking the daemon …"));
  let found;
  try {
    const answer = await fetch(`explain?${new URLSearchParams(query)}`, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
    found = answer.headers.get("content-type")?.startsWith("application/json") ? await answer.json() : { error: answer.status === 404 ? "this daemon keeps no explanations" : await answer.text() };
  } catch (problem) {
    found = { error: `no answer: ${problem.message}` };
  }
  if (found.error) { box.replaceChildren(el("p", "", say(found.error), found.remedy ? ` ${found.remedy}` : "")); return; }
  const parts = [el("h4", "", `${found.region ? `${found.region} in ` : ""}${found.service ?? ""} at ${day(found.at)} ${clock(found.at)} UTC, tick ${found.tick}`), el("p", "", say(found.headline.replace(/^[-0-9]+ [:0-9]+ UTC: /, "")))]; // the title has the time
  if (found.events?.length) parts.push(head("Shortly before"), list(found.events.map(e => `${clock(e.at)} ${e.kind}: ${ended(e.sentence)}`)));
  if (found.situation?.length) parts.push(head("What was seen"), list(found.situation.map(ended)));
  if (found.did?.length) parts.push(head("What was done"), ...found.did.map(moveLine));
  if (found.advice?.length) parts.push(head("What was advised"), ...found.advice.map(moveLine));
  if (found.alternatives?.length) parts.push(head("What else could have been done"), alternatives(found.alternatives));
  if (found.limits?.length) parts.push(head("What was not allowed"), list(found.limits.map(l => `${moveWords(l)} → ${l.wanted} in ${l.service}: ${ended(l.sentence)}`)));
  if (found.alarms?.length) parts.push(head("Alarms"), list(found.alarms.map(a => say(a.sentence))));
  if (found.effect) parts.push(head("What came of it"), el("p", "", say(verdictText(found.effect))));
  const nav = el("nav", "");
  for (const [id, words] of [[found.before, "← the decision before"], [found.after, "the decision after →"]]) {
    if (!known(id)) continue;
    const go = Object.assign(el("button", "", words), { type: "button" });
    go.addEventListener("click", () => explain(box, { id }));
    nav.append(go);
  }
  if (nav.children.length) parts.push(nav);
  box.replaceChildren(...parts);
}

function alternatives(rows) {
  const header = el("tr", "", ...["what", "bad requests", "why not"].map(text => Object.assign(el("th", "", text), { scope: "col" })));
  const body = rows.slice(0, 12).map(r => el("tr", "", el("td", "", r.what), el("td", "", known(r.bad_share) ? percent(r.bad_share, 2) : "–"), el("td", "", r.why_not ?? "")));
  return el("table", "", el("thead", "", header), el("tbody", "", ...body));
}
