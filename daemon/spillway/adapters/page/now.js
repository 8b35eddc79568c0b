// The top of the page: what is wrong now, what people have ordered, and what could not be read.

import { at, clock, day, el, keyed, known, moment, renew, say, setClass, setText, span } from "./text.js";

const MOST = 50;
const RANK = { page: 0, ticket: 1, note: 2 };
const WORD = { page: "Page", ticket: "Ticket", note: "Note" };

const severity = alarm => alarm.severity in RANK ? alarm.severity : "ticket";

function alarmItem(alarm, now) {
  const silenced = known(alarm.silenced_until);
  const where = [alarm.service, alarm.region].filter(Boolean).join(" · ");
  const item = el("li", `alarm ${silenced ? "muted" : severity(alarm)}`, el("span", "tag", WORD[severity(alarm)]));
  const what = el("span", "what", where ? el("span", "where", `${where}: `) : null, say(alarm.sentence));
  // the code is what `spillway silence` wants; the place in the runbook has it already
  if (alarm.code && !alarm.runbook?.endsWith(`#${alarm.code}`) || /^https?:/.test(alarm.runbook ?? "")) what.append(" ", el("span", "about", alarm.code));
  if (/^https?:\/\//.test(alarm.runbook ?? "")) what.append(" ", Object.assign(el("a", "", "What to do"), { href: alarm.runbook, rel: "noreferrer" }));
  else if (alarm.runbook) what.append(" ", el("span", "about", `What to do: ${alarm.runbook}`));
  item.append(what);
  const until = silenced ? `silenced until ${moment(alarm.silenced_until, now)}` : "";
  const since = known(alarm.since) ? `since ${moment(alarm.since, now)}, ${span(now - alarm.since)}` : "";
  item.append(el("span", "since", [since, until].filter(Boolean).join(", ")));
  return item;
}

// Alarms of the same place and code are one item; its text is made anew only when it says something else.
function alarmList(list, alarms, now) {
  const shown = alarms.slice(0, MOST).map((alarm, i) => ({ alarm, name: `${alarm.code}/${alarm.service}/${alarm.region ?? ""}/${i}` }));
  keyed(list, shown, ({ name }) => name, ({ alarm }) => alarmItem(alarm, now), (node, { alarm }) => renew(node, alarmItem(alarm, now)));
  if (alarms.length > MOST) list.append(el("li", "alarm note", "", `and ${alarms.length - MOST} more: spillway status`));
}

function orderItem(order, now) {
  const what = { mode: `mode ${order.mode}`, pin: `pin of ${order.region} at ${order.scaler?.toFixed(2)}`, drain: `drain of ${order.region}` }[order.kind] ?? order.kind;
  const end = known(order.until) ? `until ${moment(order.until, now)}` : "until it is taken back";
  return [el("span", "tag", "Order"), el("span", "what", el("b", "", `${order.number}: ${what}`), ` in ${order.service || "all services"}${order.force ? ", by force" : ""}, by ${order.by || "somebody"}: ${order.reason}`), el("span", "since", end)];
}

function freezeItem(freeze, now) {
  const [word, what] = freeze.region ? ["Planned", `${freeze.region} is kept empty`] : ["Freeze", "nothing moves"];
  return [el("span", "tag", word), el("span", "what", el("b", "", freeze.service), `: ${what}: ${freeze.reason}`), el("span", "since", `until ${moment(freeze.end, now)}`)];
}

const others = n => [el("span", "tag", ""), el("span", "what", `and ${n} more: spillway orders`), el("span", "since", "")];

function banners(s) {
  const orders = s.orders ?? [], freezes = s.services.flatMap(x => (x.calendar ?? []).map(freeze => ({ ...freeze, service: x.service })));
  const rows = [
    ...orders.slice(0, 12).map(o => [`order ${o.number}`, orderItem(o, s.now)]), ...(orders.length > 12 ? [["more", others(orders.length - 12)]] : []),
    ...freezes.slice(0, 12).map((f, i) => [`freeze ${f.service} ${i}`, freezeItem(f, s.now)]),
  ];
  keyed(at("orders"), rows, ([name]) => name, () => el("li", "order"), (node, [, parts]) => renew(node, el("li", "order", ...parts)));
  const problems = s.problems.slice(0, 6).map((text, i) => [`problem ${i}`, text]);
  keyed(at("problems"), problems, ([name]) => name, () => el("li", "order problem"), (node, [, text]) => renew(node, el("li", "order problem", el("span", "tag", "Problem"), el("span", "what", say(text)))));
}

function facts(s) {
  const rows = [];
  if (s.at) rows.push(["tick", `${s.tick} at ${clock(s.at)} UTC`]);
  const ages = s.services.flatMap(x => x.backends.filter(b => b.member && known(b.age)).map(b => b.age + Math.max(0, s.now - s.at)));
  if (ages.length) rows.push(["newest figures", `${span(Math.min(...ages))} old`]);
  if (s.address) rows.push(["address", s.address]);
  if (s.missed_ticks) rows.push(["missed ticks", String(s.missed_ticks)]);
  const pair = ([name, value]) => [el("dt", "", name), el("dd", "", value)];
  keyed(at("facts"), rows, ([name]) => name, row => el("div", "", ...pair(row)), (node, [, value]) => setText(node.lastChild, value));
}

// Everything above the services, from one answer of /status.
export function showNow(s) {
  const by = (a, b) => RANK[severity(a)] - RANK[severity(b)] || (a.since ?? 0) - (b.since ?? 0);
  const loud = s.alarms.filter(a => !known(a.silenced_until)).sort(by), muted = s.alarms.filter(a => known(a.silenced_until)).sort(by);
  const worst = loud.length ? severity(loud[0]) : "";
  const moving = s.services.some(x => x.backends.some(b => ["draining", "recovering", "joining", "leaving"].includes(b.state)));
  const urgent = loud.filter(a => severity(a) === "page").length;
  const stopped = !s.ready && !s.tick && s.problems.length > 0; // a daemon that stays up to say what is wrong
  const many = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const said = loud.length ? many(loud.length, "alarm") + (urgent && urgent < loud.length ? `, ${urgent} of them to be answered now` : urgent ? ", to be answered now" : "") : stopped ? "Stopped until somebody acts" : !s.tick ? "Starting" : moving ? "No alarm; traffic is being moved" : "No alarm";
  setText(at("headline"), said);
  setClass(at("dot"), `dot ${stopped ? "bad" : !s.ready ? "" : worst === "page" ? "bad" : worst === "ticket" ? "warn" : "good"}`);
  setText(at("sentence"), say(s.sentence));
  setText(at("name"), `${s.name} in ${s.project}${s.cloud === "sandbox" ? ` · sandbox, ${s.speed} × real time` : ""}`);
  facts(s);
  alarmList(at("alarms"), loud, s.now);
  at("silenced").hidden = !muted.length;
  setText(at("silenced").querySelector("summary"), `${many(muted.length, "silenced alarm")} ▸`);
  alarmList(at("silenced").querySelector("ul"), muted, s.now);
  banners(s);
  parts(s);
  document.title = `${worst === "page" || stopped ? "!! " : worst === "ticket" ? "! " : ""}Spillway · ${s.name}`;
}

const ANSWERS = { alarm: "stays until a person decides", respect: "stays", revert: "is written back" };

// What stands beside the configuration: drift, parts that are not written, settings that are kept, certificates.
function parts(s) {
  const row = (...texts) => el("tr", "", ...texts.map(text => el("td", "", text)));
  const part = p => `${p.kind} ${p.name}`;
  const since = d => known(d.since) ? `${day(d.since)} ${clock(d.since).slice(0, 5)}` : "";
  const rows = (s.drift ?? []).map(d => row(part(d), d.field || "the whole part", d.expected, d.found, since(d), d.field ? ANSWERS[d.answer] : d.answer === "revert" ? "is made anew" : "stays gone until a person decides"));
  rows.push(...(s.held ?? []).map(h => row(part(h), h.field, "", "set by somebody else", "", "nothing of it is written")));
  rows.push(...(s.kept ?? []).map(k => row(part(k), k.field, "", k.value, "", "kept, not managed")));
  rows.push(...(s.certificates ?? []).map(c => row(`certificate ${c.name}`, "status", "ACTIVE", c.status, "", known(c.expires) ? `expires ${day(c.expires)}` : "")));
  at("parts").hidden = !rows.length;
  setText(at("parts-at"), known(s.parts_at) ? `looked at ${clock(s.parts_at)} UTC` : "");
  renew(at("parts-list"), el("tbody", "", ...rows.slice(0, 200)));
}
