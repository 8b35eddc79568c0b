"""A Prometheus collector over the last pass of the loop, and the counters that passes add to.

It owns its registry, so nothing is shared with other code of the process and every test has a fresh one.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterator, Mapping
from math import nan

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from spillway import __version__
from spillway.adapters.metrics import BY_NAME, Kind
from spillway.control.report import Pass, TickReport
from spillway.core.explain import reasons
from spillway.core.values.decision import BackendAssessment, BackendState, ServiceAssessment
from spillway.core.values.drift import DriftReport
from spillway.core.values.orders import Orders
from spillway.core.values.overlay import Posture
from spillway.core.values.policy import Mode
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
    """

    def __init__(self, registry: CollectorRegistry) -> None:
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
        for row in reasons.table():
            if row.lever is not None:
                self.decisions.labels(row.lever.value, row.code)
            elif row.kind is reasons.Kind.GUARD:
                self.refusals.labels(row.code)
        for result in ("better", "worse"):
            self.verdicts.labels(result)
        for outcome in Outcome:
            self.writes.labels(outcome.value)
        for reload in RELOADS:
            self.reloads.labels(reload)
        for kind in Pass:
            self.passes.labels(kind.value)
            self.failed.labels(kind.value)
            for phase in PHASES:
                self.durations.labels(kind.value, phase)

    def add(self, report: TickReport) -> None:
        """Count one pass."""
        self.passes.labels(report.kind.value).inc()
        for phase, seconds in report.durations:
            self.durations.labels(report.kind.value, phase).observe(seconds)
        for move in (*report.moves, *report.advice):
            self.decisions.labels(move.lever.value, move.reason.code).inc()
        for refusal in report.refusals:
            self.refusals.labels(refusal.limit).inc()
        for verdict in report.verdicts:
            self.verdicts.labels("better" if verdict.better else "worse").inc()
        if report.applied is not None:
            self.writes.labels(report.applied.outcome.value).inc()
            self.engine_seconds.observe(report.applied.engine_seconds)
            self.engine_processes.inc(report.applied.engine_processes)
            self.met_edit(report.applied)

    def met_edit(self, applied: Applied) -> None:
        """Count an engine call that met an edit by somebody else."""
        if applied.foreign_edit or applied.outcome is Outcome.CONFLICT:
            self.foreign_edits.inc()


_REGION_GAUGES = tuple(
    name
    for name, metric in BY_NAME.items()
    if metric.labels == ("service", "region") and metric.kind is Kind.GAUGE
)


class LastPass(Collector):
    """Renders the last report, and figures that others keep, at the moment of the scrape.

    Args:
        last: the last report, None before the first tick.
        fleet: the fleet in force; before the first tick its regions are shown with nothing known.
        now: the world's UTC seconds.
        percentiles: percentile of the SLO, by service.
        figures: values of the families that have a single sample or one by `kind`, by name.
        orders: operators' orders in force now.
        info: labels of `engine_info`.
    """

    def __init__(
        self,
        *,
        last: Callable[[], TickReport | None],
        fleet: Callable[[], Fleet],
        now: Callable[[], float],
        percentiles: Callable[[], Mapping[str, float]],
        figures: Callable[[], Mapping[str, float | Mapping[str, float]]],
        orders: Callable[[], Orders],
        info: Mapping[str, str],
    ) -> None:
        self._last = last
        self._fleet = fleet
        self._now = now
        self._percentiles = percentiles
        self._figures = figures
        self._orders = orders
        self._info = dict(info)

    def collect(self) -> Iterator[Metric]:
        """Every gauge family, with samples for what the last pass knew."""
        yield from self._about_the_daemon()
        report = self._last()
        families = {
            name: gauge(name)
            for name in BY_NAME
            if name.startswith(("spillway_region_", "spillway_service_"))
        }
        if report is None:
            for service in self._fleet().services:
                for member in service.backends:
                    for name in _REGION_GAUGES:
                        families[name].add_metric([service.name, member.region], nan)
        else:
            later = max(0.0, self._now() - report.at)
            modes = dict(report.modes)
            percentiles = self._percentiles()
            for assessment in report.assessments:
                alarms = sum(1 for alarm in report.alarms if alarm.service == assessment.service)
                _add_service(families, assessment, modes.get(assessment.service), alarms)
                for backend in assessment.backends:
                    _add_region(
                        families, assessment.service, backend, percentiles.get(assessment.service, nan)
                    )
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
        for each in self._orders().items:
            labels = [each.kind.value, each.service or "all", each.region or "all"]
            order.add_metric(labels, 1.0 if each.until is None else each.until)
        yield order
        for name, value in self._figures().items():
            metric = BY_NAME[name]
            family: Metric
            if name.endswith("_total"):
                family = CounterMetricFamily(name.removesuffix("_total"), metric.help, labels=metric.labels)
            else:
                family = gauge(name)
            if isinstance(value, Mapping):
                for label, number in value.items():
                    family.add_metric([label], number)
            else:
                family.add_metric([], value)
            yield family


def _parts(report: DriftReport | None) -> Iterator[Metric]:
    """What the last look at all parts has found."""
    drift, expiry = gauge("spillway_drift"), gauge("spillway_certificate_expiry_timestamp_seconds")
    status = gauge("spillway_certificate_status")
    drifts = report.drifts if report is not None else ()
    labels = dict.fromkeys((d.kind, d.name, _INDEX.sub("", d.field) or "gone") for d in drifts)
    for each in list(labels)[:_DRIFTS]:
        drift.add_metric(list(each), 1)
    for certificate in report.certificates if report is not None else ():
        expiry.add_metric([certificate.name], known(certificate.expires))
        status.add_metric([certificate.name, certificate.status], 1)
    yield from (drift, expiry, status)
    figures = {
        "kept_settings": None if report is None else len(report.kept),
        "held_parts": None if report is None else len(report.held),
        "parts_read": None if report is None else report.parts,
        "parts_read_timestamp_seconds": 0.0 if report is None else report.at,
    }
    for name, value in figures.items():
        family = gauge(f"spillway_{name}")
        family.add_metric([], known(value))
        yield family


def gauge(name: str) -> GaugeMetricFamily:
    """An empty gauge family as the table of metrics describes it."""
    metric = BY_NAME[name]
    return GaugeMetricFamily(name, metric.help, labels=metric.labels)


def known(value: float | None) -> float:
    """The value as a sample; NaN where nothing is known."""
    return nan if value is None else float(value)


def _add_service(
    families: Mapping[str, GaugeMetricFamily], a: ServiceAssessment, mode: Mode | None, alarms: int
) -> None:
    labels = [a.service]
    values = {
        "demand_requests_per_second": a.demand,
        "forecast_requests_per_second": a.forecast,
        "capacity_requests_per_second": a.capacity,
        "headroom_ratio": a.headroom,
        "survives_region_loss": a.survives_loss,
        "shortage": a.shortage,
        "alarms": alarms,
    }
    for name, value in values.items():
        families["spillway_service_" + name].add_metric(labels, known(value))
    for posture in Posture:
        families["spillway_service_posture"].add_metric([*labels, posture.value], float(a.posture is posture))
    for each in Mode:
        families["spillway_service_mode"].add_metric([*labels, each.value], float(mode is each))


def _add_region(
    families: Mapping[str, GaugeMetricFamily], service: str, b: BackendAssessment, percentile: float
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
        families["spillway_region_" + name].add_metric(labels, known(value))
    families["spillway_region_latency_seconds"].add_metric([*labels, f"{percentile:g}"], known(b.latency))
    for state in BackendState:
        families["spillway_region_state"].add_metric([*labels, state.value], float(b.state is state))


def _add_ages(
    families: Mapping[str, GaugeMetricFamily], service: str, view: BackendView, later: float
) -> None:
    for signal, seen in (("observed", view.observed), ("health", view.health), ("traffic", view.traffic)):
        labels = [service, view.region, signal]
        missing = isinstance(seen, Missing)
        families["spillway_region_data_age_seconds"].add_metric(
            labels, nan if isinstance(seen, Missing) else seen.age + later
        )
        families["spillway_region_data_missing"].add_metric(labels, float(missing))


def registry_with_process() -> CollectorRegistry:
    """A registry of our own that also tells of the process: memory, processor time, open files."""
    no_created: Callable[[], None] = disable_created_metrics
    no_created()  # they would double the series to tell a time that nobody asks for
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry
