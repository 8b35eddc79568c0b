"""A Prometheus collector over the last pass of the loop, and the counters that passes add to.

It owns its registry, so nothing is shared with other code of the process and every test has a fresh one.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf, isfinite

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from spillway import __version__
from spillway.adapters.metrics import BY_NAME
from spillway.control.figures import Figures
from spillway.control.report import Pass, TickReport
from spillway.core.estimate.answers import NONE, burn, targets
from spillway.core.values.alarms import ActiveAlarm
from spillway.core.values.decision import BackendAssessment, Move, ServiceAssessment
from spillway.core.values.drift import DriftReport
from spillway.core.values.orders import Orders
from spillway.core.values.policy import Mode, Policy
from spillway.core.values.snapshot import BackendView, Missing
from spillway.core.values.topology import Fleet
from spillway.ports import Applied, Outcome

_INDEX = re.compile(r"\[\d+\]")
_DRIFTS = 200
"""Series of drift at most: somebody who has rebuilt everything by hand must not flood the database."""
PHASES = ("observe", "decide", "write", "record")
RELOADS = ("accepted", "unchanged", "refused", "restart-needed", "failed")

_ENGINE_BUCKETS = (0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 900)
"""Seconds: from one no-op (0.4 s) over one real write (11 s, reference: pulumi.md section 8) to the default deadline."""
_PASS_BUCKETS = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900)
"""Seconds: a decision takes milliseconds, a write up to the engine's deadline."""


def counter(name: str, registry: CollectorRegistry) -> Counter:
    """The counter that the table of metrics describes."""
    metric = BY_NAME[name]
    return Counter(name.removesuffix("_total"), metric.help, metric.labels, registry=registry)


def histogram(name: str, registry: CollectorRegistry, buckets: tuple[float, ...]) -> Histogram:
    """The histogram that the table of metrics describes."""
    metric = BY_NAME[name]
    return Histogram(name, metric.help, metric.labels, registry=registry, buckets=buckets)


class Counters:
    """Everything that is counted as passes go by.

    Args:
        registry: where the families are registered.
        fleet: the fleet in force: what belongs to a service that has left it is counted no longer.
    """

    def __init__(self, registry: CollectorRegistry, fleet: Callable[[], Fleet]) -> None:
        self.decisions = counter("spillway_decisions_total", registry)
        self.refusals = counter("spillway_guard_refusals_total", registry)
        self.verdicts = counter("spillway_verdicts_total", registry)
        self.writes = counter("spillway_writes_total", registry)
        self.engine_seconds = histogram("spillway_engine_seconds", registry, _ENGINE_BUCKETS)
        self.engine_processes = counter("spillway_engine_processes_total", registry)
        self.foreign_edits = counter("spillway_foreign_edits_total", registry)
        self.passes = counter("spillway_passes_total", registry)
        self.failed = counter("spillway_passes_failed_total", registry)
        self.durations = histogram("spillway_pass_duration_seconds", registry, _PASS_BUCKETS)
        self.reloads = counter("spillway_config_reloads_total", registry)
        self._fleet = fleet
        self._services: frozenset[str] = frozenset()
        """Those that have label sets."""
        self._advice: frozenset[tuple[str, ...]] = frozenset()
        """Label sets of the advice of the last tick."""
        for reload in RELOADS:
            self.reloads.labels(reload)
        for kind in Pass:
            self.passes.labels(kind.value)
            self.failed.labels(kind.value)
            for phase in PHASES:
                self.durations.labels(kind.value, phase)
        self._follow()

    def add(self, report: TickReport) -> None:
        """Count one pass."""
        self._follow()
        self.passes.labels(report.kind.value).inc()
        for phase, seconds in report.durations:
            self.durations.labels(report.kind.value, phase).observe(seconds)
        modes = dict(report.modes)
        for move in report.moves:
            self.decisions.labels(*_decision(move, modes)).inc()
        if report.kind is Pass.TICK:  # a health pass sees a part of the advice alone
            advice = frozenset(_decision(move, modes) for move in report.advice)
            for labels in advice - self._advice:
                self.decisions.labels(*labels).inc()
            self._advice = advice
        for refusal in report.refusals:
            self.refusals.labels(refusal.move.service, refusal.move.region or "", refusal.limit).inc()
        for verdict in report.verdicts:
            result = "better" if verdict.better else "worse"
            self.verdicts.labels(verdict.move.service, verdict.move.region or "", result).inc()
        if report.applied is not None:
            refused = {service for service, _ in report.applied.refused}
            for service in sorted({move.service for move in report.moves}):
                outcome = Outcome.REFUSED if service in refused else report.applied.outcome
                self.writes.labels(service, outcome.value).inc()
            self.engine_seconds.observe(report.applied.engine_seconds)
            self.engine_processes.inc(report.applied.engine_processes)
            self.met_edit(report.applied)

    def met_edit(self, applied: Applied) -> None:
        """Count an engine call that met an edit by somebody else."""
        if applied.met_edit:
            self.foreign_edits.inc()

    def _follow(self) -> None:
        """Go with the fleet: writes of new services begin at 0, and the label sets of services that left go."""
        services = frozenset([service.name for service in self._fleet().services])
        for service in sorted(services - self._services):
            for outcome in Outcome:
                self.writes.labels(service, outcome.value)
        gone = self._services - services
        if gone:
            for each in (self.decisions, self.refusals, self.verdicts, self.writes):
                for service in gone:
                    each.remove_by_labels({"service": service})
        self._services = services


def _decision(move: Move, modes: Mapping[str, Mode]) -> tuple[str, ...]:
    """The labels of a move in `spillway_decisions_total`."""
    mode = modes.get(move.service, Mode.OBSERVE)
    return move.service, move.region or "", move.lever.value, move.reason.code, mode.value


class LastPass(Collector):
    """Renders the last report, and figures that others keep, at the moment of the scrape. What is not known has no sample.

    Args:
        last: the last report, None before the first tick.
        fleet: the fleet in force.
        now: the world's UTC seconds.
        policies: policy of each service.
        figures: values of the families that have a single sample or one by `kind`, by name.
        orders: operators' orders in force now.
        alarms: those that are up now, the most urgent first.
        info: labels of `engine_info`.
    """

    def __init__(
        self,
        *,
        last: Callable[[], TickReport | None],
        fleet: Callable[[], Fleet],
        now: Callable[[], float],
        policies: Callable[[], Mapping[str, Policy]],
        figures: Callable[[], Mapping[str, float | Mapping[str, float]]],
        orders: Callable[[], Orders],
        alarms: Callable[[], tuple[ActiveAlarm, ...]],
        info: Mapping[str, str],
    ) -> None:
        self._last = last
        self._fleet = fleet
        self._now = now
        self._policies = policies
        self._figures = figures
        self._orders = orders
        self._alarms = alarms
        self._info = dict(info)

    def collect(self) -> Iterator[Metric]:
        """Every family, with samples for what the last pass knew."""
        yield from _wrong(self._alarms())
        yield from self._about_the_daemon()
        report = self._last()
        policies = self._policies()
        yield from _users(
            [service.name for service in self._fleet().services],
            policies,
            Figures() if report is None else report.figures,
        )
        families = {
            name: gauge(name) for name, metric in BY_NAME.items() if metric.section in {"Regions", "Services"}
        }
        if report is not None:
            later = max(0.0, self._now() - report.at)
            modes = dict(report.modes)
            for assessment in report.assessments:
                name = assessment.service
                policy = policies.get(name)
                _add_service(families, assessment, modes.get(name))
                for backend in assessment.backends:
                    _add_region(families, name, backend, policy)
            for view in report.snapshot.services:
                for backend_view in view.backends:
                    _add_ages(families, view.service, backend_view, later)
        yield from families.values()
        yield from _parts(None if report is None else report.drift)

    def _about_the_daemon(self) -> Iterator[Metric]:
        build = gauge("spillway_build_info")
        build.add_metric([__version__, platform.python_version()], 1)
        yield build
        engine = gauge("spillway_engine_info")
        engine.add_metric([self._info["kind"], self._info["cloud"]], 1)
        yield engine
        order = gauge("spillway_order")
        # a service may be called `all`: of two orders with the same labels the newer is told, because a scrape takes no label set twice
        ends = {
            (each.kind.value, each.service or "all", each.region or "all"): each.until
            for each in self._orders().items
        }
        for labels, until in ends.items():
            order.add_metric(labels, 1.0 if until is None else until)
        yield order
        for name, value in self._figures().items():
            family = counted(name) if name.endswith("_total") else gauge(name)
            if isinstance(value, Mapping):
                for label, number in value.items():
                    family.add_metric([label], number)
            else:
                family.add_metric([], value)
            yield family


def _wrong(alarms: Iterable[ActiveAlarm]) -> Iterator[Metric]:
    """What is wrong now, since when, and what of it people know already.

    Alarms about several parts may have the same labels: the oldest of them tells since when, and it is silenced where all are.
    """
    since: dict[tuple[str, ...], float] = {}
    silenced: dict[tuple[str, ...], float | None] = {}
    for each in alarms:
        labels = each.code, each.severity.value, each.load_balancer, each.service, each.region or ""
        until, known = each.silenced_until, silenced.get(labels, inf)
        since[labels] = min(each.since, since.get(labels, inf))
        silenced[labels] = None if until is None or known is None else min(until, known)
    up, quiet = gauge("spillway_alarm"), gauge("spillway_alarm_silenced")
    for pairs, at in since.items():
        up.add_metric(pairs, at)
        _add(quiet, pairs, silenced[pairs])
    yield from (up, quiet)


def _users(services: Sequence[str], policies: Mapping[str, Policy], figures: Figures) -> Iterator[Metric]:
    """What users get, and what the SLO promises them."""
    requests, bad = counted("spillway_requests_total"), counted("spillway_bad_requests_total")
    saved = counted("spillway_saved_requests_estimated_total")
    advised = counted("spillway_advised_requests_estimated_total")
    target, share = gauge("spillway_slo_target_ratio"), gauge("spillway_service_bad_ratio")
    burning = gauge("spillway_error_budget_burn")
    answered = {each.service: each for each in figures.answered}
    savings = {each.service: each for each in figures.savings.services}
    for name in services:
        counts = answered.get(name)
        total = counts.total if counts is not None else NONE
        requests.add_metric([name], total.total)
        for kind, count in (("failed", total.failed), ("refused", total.refused), ("late", total.late)):
            bad.add_metric([name, kind], count)
        saving = savings.get(name)
        saved.add_metric([name], saving.saved if saving is not None else 0.0)
        advised.add_metric([name], saving.advised if saving is not None else 0.0)
        policy = policies.get(name)
        if policy is None:
            continue
        for kind, wanted in targets(policy.slo)._asdict().items():
            target.add_metric([name, kind], wanted)
        rates = burn(counts.recent, policy.slo) if counts is not None else None
        if counts is not None and rates is not None:
            share.add_metric([name], counts.recent.bad / counts.recent.total)
            for kind, rate in rates._asdict().items():
                burning.add_metric([name, kind], rate)
    yield from (requests, bad, target, share, burning, saved, advised)


def _parts(report: DriftReport | None) -> Iterator[Metric]:
    """What the last look at all parts has found."""
    drift, expiry = gauge("spillway_drift"), gauge("spillway_certificate_expiry_timestamp_seconds")
    status = gauge("spillway_certificate_status")
    drifts = report.drifts if report is not None else ()
    labels = dict.fromkeys((d.kind, d.name, _INDEX.sub("", d.field) or "gone") for d in drifts)
    for each in list(labels)[:_DRIFTS]:
        drift.add_metric(list(each), 1)
    # certificates of different kinds may share a name: the one that expires first counts
    expires: dict[str, float] = {}
    statuses: dict[tuple[str, str], None] = {}
    for certificate in report.certificates if report is not None else ():
        if certificate.expires is not None:
            expires[certificate.name] = min(certificate.expires, expires.get(certificate.name, inf))
        statuses[certificate.name, certificate.status] = None
    for name, ends in expires.items():
        _add(expiry, [name], ends)
    for pair in statuses:
        status.add_metric(pair, 1)
    yield from (drift, expiry, status)
    figures = {
        "kept_settings": None if report is None else len(report.kept),
        "held_parts": None if report is None else len(report.held),
        "parts_read": None if report is None else report.parts,
        "parts_read_timestamp_seconds": 0.0 if report is None else report.at,
    }
    for name, value in figures.items():
        family = gauge(f"spillway_{name}")
        _add(family, [], value)
        yield family


def gauge(name: str) -> GaugeMetricFamily:
    """An empty gauge family as the table of metrics describes it."""
    metric = BY_NAME[name]
    return GaugeMetricFamily(name, metric.help, labels=metric.labels)


def counted(name: str) -> CounterMetricFamily:
    """An empty counter family as the table of metrics describes it."""
    metric = BY_NAME[name]
    return CounterMetricFamily(name.removesuffix("_total"), metric.help, labels=metric.labels)


def _add(family: GaugeMetricFamily, labels: Sequence[str], value: float | None) -> None:
    """A sample, where the value is known and a number."""
    if value is not None and isfinite(value):
        family.add_metric(labels, value)


def _add_service(families: Mapping[str, GaugeMetricFamily], a: ServiceAssessment, mode: Mode | None) -> None:
    labels = [a.service]
    values = {
        "demand_requests_per_second": a.demand,
        "forecast_requests_per_second": a.forecast,
        "capacity_requests_per_second": a.capacity,
        "headroom_ratio": a.headroom,
        "survives_region_loss": a.survives_loss,
        "shortage": a.shortage,
    }
    for name, value in values.items():
        _add(families["spillway_service_" + name], labels, value)
    families["spillway_service_posture"].add_metric([a.service, a.posture.value], 1)
    if mode is not None:
        families["spillway_service_mode"].add_metric([a.service, mode.value], 1)


def _add_region(
    families: Mapping[str, GaugeMetricFamily], service: str, b: BackendAssessment, policy: Policy | None
) -> None:
    labels = [service, b.region]
    values = {
        "demand_requests_per_second": b.demand,
        "served_requests_per_second": b.served,
        "target_requests_per_second": b.target,
        "capacity_requests_per_second": b.capacity,
        "headroom_ratio": b.headroom,
        "error_ratio": b.error_ratio,
        "too_many_requests_ratio": b.too_many_ratio,
        "healthy_ratio": b.healthy_share,
        "scaler_wanted_ratio": b.scaler_wanted,
        "scaler_observed_ratio": b.scaler_observed,
        "member": b.member,
        "confidence_ratio": b.confidence,
    }
    for name, value in values.items():
        _add(families["spillway_region_" + name], labels, value)
    if policy is not None:
        percentile = f"{policy.slo.percentile:g}"
        _add(families["spillway_region_latency_seconds"], [*labels, percentile], b.latency)
    families["spillway_region_state"].add_metric([*labels, b.state.value], 1)
    families["spillway_region_health"].add_metric([*labels, b.health.value], 1)


def _add_ages(
    families: Mapping[str, GaugeMetricFamily], service: str, view: BackendView, later: float
) -> None:
    for signal, seen in (("observed", view.observed), ("health", view.health), ("traffic", view.traffic)):
        labels = [service, view.region, signal]
        if isinstance(seen, Missing):
            families["spillway_region_signal_missing"].add_metric(labels, 1)
        else:
            _add(families["spillway_region_signal_age_seconds"], labels, seen.age + later)


def registry_with_process() -> CollectorRegistry:
    """A registry of our own that also tells of the process: memory, processor time, open files."""
    no_created: Callable[[], None] = disable_created_metrics
    no_created()  # they would double the series to tell a time that nobody asks for
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry
