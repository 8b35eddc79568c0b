"""The exporter: takes in what the loop reports and serves it as metrics, status and page."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spillway.adapters.collector import Counters, LastPass, registry_with_process
from spillway.adapters.engine.recovery import RecoveryKind
from spillway.adapters.journal.answers import SECONDS, Answers
from spillway.adapters.journal.recent import Recent
from spillway.adapters.reads import MONITORING, Reads
from spillway.adapters.status_document import DECISIONS, About, StatusDocument
from spillway.adapters.web import Web
from spillway.config.access import Access
from spillway.control.report import TickReport
from spillway.core.values.alarms import ActiveAlarm, Silence
from spillway.core.values.orders import Orders
from spillway.core.values.policy import Policy
from spillway.core.values.topology import Fleet
from spillway.errors import SpillwayError
from spillway.ports import Applied

_log = logging.getLogger(__name__)


class Exporter:
    """Everything that the daemon shows to the outside.

    Args:
        listen: address of the web server.
        about: fixed facts.
        fleet: the fleet in force now.
        policies: policy of each service, by service name, in force now.
        now: the world's UTC seconds.
        health: progress and a sentence about it.
        missed: passes that did not happen in time, by kind.
        reads: calls, errors and seconds of all reads so far.
        lost: log lines lost so far.
        orders: operators' orders in force now.
        hosts: names by which the web server may be asked, beside addresses and those of this machine.
        access: TLS and token of the web server.
        recovered: what was put right after crashes, by kind.
        alarms: those that are up now, the most urgent first.
        silences: operators' silences in force now.
        journal: the journal's file; without one the past is what this process remembers.
        journal_problem: why the journal takes no record; empty where it does.
    """

    def __init__(
        self,
        listen: str,
        about: About,
        *,
        fleet: Callable[[], Fleet],
        policies: Callable[[], Mapping[str, Policy]],
        now: Callable[[], float],
        health: Callable[[], tuple[bool, str]],
        missed: Callable[[], Mapping[str, int]],
        reads: Callable[[], Reads],
        lost: Callable[[], int],
        orders: Callable[[], Orders],
        hosts: Sequence[str] = (),
        access: Access = Access(),  # noqa: B008 a frozen value
        recovered: Callable[[], Mapping[str, int]] = dict,
        alarms: Callable[[], tuple[ActiveAlarm, ...]] = tuple,
        silences: Callable[[], tuple[Silence, ...]] = tuple,
        journal: Path | None = None,
        journal_problem: Callable[[], str] = str,
    ) -> None:
        self._document = StatusDocument(
            about, policies=policies, now=now, orders=orders, alarms=alarms, silences=silences
        )
        self.registry = registry_with_process()
        self._counters = Counters(self.registry, fleet)
        self._health = health
        self._missed = missed
        self._reads = reads
        self._lost = lost
        self._recovered = recovered
        self._is_ready = False
        self._stopping = False
        self._blocked = ""
        self._reload_good = True
        self.registry.register(
            LastPass(
                last=self._document.last,
                fleet=fleet,
                now=now,
                policies=policies,
                figures=self._figures,
                orders=orders,
                alarms=alarms,
                info={"kind": about.engine, "cloud": about.cloud},
            )
        )
        self._recent = Recent()
        self.past = Answers(journal, self._recent, now=now, problem=journal_problem)
        self._now = now
        self._recalling: threading.Thread | None = None
        self._web = Web(listen, self, hosts=hosts, access=access)

    @property
    def url(self) -> str:
        """Where the page is."""
        return self._web.url

    def bind(self) -> None:
        """Take the address.

        Raises:
            TemporaryError: it is in use.
        """
        self._web.bind()

    def start(self) -> None:
        """Begin to serve, and read beside it what an earlier process has decided.

        Raises:
            TemporaryError: the server does not come up.
        """
        self._web.start()
        # a thread of its own: neither the first tick nor the first answer waits for the disk
        begun = self._now()
        self._recalling = threading.Thread(target=self._recall, args=(begun,), name="recall", daemon=True)
        self._recalling.start()

    def stop(self) -> None:
        """End within a bound."""
        self._web.stop()
        if self._recalling is not None:
            self._recalling.join(SECONDS)

    def report(self, report: TickReport) -> None:
        """Take in one finished pass."""
        self._counters.add(report)
        self._document.report(report)
        self._recent.add(report)

    def failed(self, kind: str) -> None:
        """A pass ended in a defect."""
        self._counters.failed.labels(kind).inc()

    def reloaded(self, outcome: str) -> None:
        """A reload ended: accepted, unchanged, refused, restart-needed or failed."""
        self._counters.reloads.labels(outcome).inc()
        self._reload_good = outcome in {"accepted", "unchanged"}

    def built(self, applied: Applied) -> None:
        """A start or a reload has built the load balancer, or tried to."""
        self._counters.met_edit(applied)

    def set_ready(self) -> None:
        """The first tick is done."""
        self._is_ready = True

    def set_blocked(self, why: str) -> None:
        """Why nothing can be written until somebody acts; empty where it can."""
        self._blocked = why

    def set_stopping(self) -> None:
        """The daemon is on its way out: no longer ready, still alive."""
        self._stopping = True

    def healthy(self) -> tuple[bool, str]:
        """Progress, and a sentence about it."""
        return self._health()

    def ready(self) -> tuple[bool, str]:
        """Whether the first tick is done, and a sentence about it."""
        if self._stopping:
            return False, "stopping"
        if self._blocked:
            return False, self._blocked
        return (True, "ready") if self._is_ready else (False, "starting: the first tick is not done yet")

    def status(self) -> dict[str, Any]:
        """The document of /status."""
        missed = self._missed().get("tick", 0)
        document = self._document.status(ready=self.ready()[0], healthy=self.healthy()[0], missed=missed)
        if self._blocked:
            document["problems"] = [self._blocked, *document["problems"]]
        return document

    def _recall(self, until: float) -> None:
        """Begin the list of decisions with those of the journal that are older than this process."""
        try:
            earlier = self.past.passes_before(until, DECISIONS)
        except SpillwayError as error:
            _log.warning("Decisions before the start are not shown: %s. %s", error, error.remedy)
            return
        self._document.recall(earlier)

    def _figures(self) -> dict[str, float | Mapping[str, float]]:
        reads = self._reads()
        return {
            "spillway_passes_missed_total": {"tick": 0, "health": 0} | dict(self._missed()),
            "spillway_monitoring_calls_total": sum(reads.calls.get(source, 0) for source in MONITORING),
            "spillway_reads_total": reads.calls,
            "spillway_read_errors_total": reads.errors,
            "spillway_read_seconds_total": reads.seconds,
            "spillway_log_lines_lost_total": self._lost(),
            "spillway_recoveries_total": {kind.value: 0 for kind in RecoveryKind} | dict(self._recovered()),
            "spillway_last_tick_timestamp_seconds": self._document.ticked_at(),
            "spillway_ready": float(self.ready()[0]),
            "spillway_config_last_reload_successful": float(self._reload_good),
        }
