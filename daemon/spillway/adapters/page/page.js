// The live page: asks the daemon, shows what it says, and says in large when it says nothing.

import { at, clock, setText, span } from "./text.js";
import { showNow } from "./now.js";
import { showServices } from "./services.js";
import { showDecisions } from "./decisions.js";
import { redrawPlots, refreshPlots, setClock, setRange } from "./plots.js";

const POLL = 2000, PATIENCE = 8000;
const SILENT = 10; // seconds without an answer from which the daemon counts as gone
const LATE_TICKS = 3; // ticks without a new one from which the loop counts as standing still

let answered = Date.now() / 1000, shown = null, problem = "", title = document.title;

async function ask() {
  const answer = await fetch("status", { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
  if (!answer.ok) throw new Error(`it answers ${answer.status}`);
  return answer.json();
}

async function poll() {
  try {
    const status = await ask();
    answered = Date.now() / 1000;
    problem = "";
    show(status);
  } catch (found) {
    problem = found.message;
    console.warn(`status: ${problem}`);
  }
  judge();
  setTimeout(poll, POLL);
}

function show(status) {
  shown = status;
  at("first")?.remove();
  at("live").hidden = false;
  setClock(status.now, status.speed);
  showNow(status);
  showServices(status);
  showDecisions(status);
  setText(at("engine"), `engine ${status.engine}`);
  setText(at("version"), `Spillway ${status.version}`);
  title = document.title;
  refreshPlots();
}

// Whether what is shown is of now. What is not, cannot look as if it were.
function judge() {
  const silent = Date.now() / 1000 - answered;
  if (silent > SILENT) return stale("The daemon does not answer", `Since ${shown ? `${clock(shown.now)} UTC` : "this page was opened"}, ${span(silent)}. What stands below is from then, and may be wrong by now.`, `no answer, ${span(silent)}`);
  if (shown?.at) {
    const age = shown.now - shown.at;
    if (age > LATE_TICKS * shown.tick_seconds) return stale("No tick has finished", `Since ${clock(shown.at)} UTC, ${span(age)}; one is due every ${span(shown.tick_seconds)}. The daemon answers, and its loop stands still: see /healthz and the log.`, `last tick ${span(age)} ago`);
  }
  if (shown && !shown.healthy) return stale("The loop makes no progress", "The daemon answers, and no pass has finished lately: see /healthz and the log.", "no progress");
  at("stale").hidden = true;
  document.body.classList.remove("old");
  document.title = title;
  setText(at("fresh"), shown ? `live, answered ${span(silent)} ago` : "asking");
}

function stale(what, since, short) {
  at("stale").hidden = false;
  document.body.classList.add("old");
  setText(at("stale-what"), what);
  setText(at("stale-since"), since);
  setText(at("fresh"), short);
  document.title = `✕ ${what} · Spillway`;
}

for (const choice of document.querySelectorAll("input[name=range]")) choice.addEventListener("change", () => setRange(Number(choice.value)));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawPlots);
document.addEventListener("visibilitychange", () => { if (!document.hidden) judge(); });
setInterval(judge, 1000);
setInterval(refreshPlots, 5000);
poll();
