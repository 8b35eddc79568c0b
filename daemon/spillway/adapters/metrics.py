"""The table of every metric that Spillway exports; `docs/metrics.md` and the collector are made from it.

Names have base units and end in `_total`, `_seconds` or `_ratio` where that applies.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Types of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric family."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    section: str


def _metrics(section: str, *rows: tuple[str, Kind, tuple[str, ...], str]) -> tuple[Metric, ...]:
    return tuple(
        Metric(name="spillway_" + name, kind=kind, labels=labels, help=text, section=section)
        for name, kind, labels, text in rows
    )


_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
_SERVICE, _REGION = ("service",), ("service", "region")

METRICS = (
    *_metrics(
        "Regions",
        (
            "region_demand_requests_per_second",
            _G,
            _REGION,
            "Requests/s that would arrive here first if nothing were capped.",
        ),
        ("region_served_requests_per_second", _G, _REGION, "Requests/s answered here."),
        (
            "region_target_requests_per_second",
            _G,
            _REGION,
            "Requests/s that Google is told this region takes at scaler 1.",
        ),
        (
            "region_capacity_requests_per_second",
            _G,
            _REGION,
            "Requests/s at which the SLO still holds here, with all that is healthy now.",
        ),
        ("region_headroom_ratio", _G, _REGION, "Effective capacity left over, as a share of what is served."),
        (
            "region_latency_seconds",
            _G,
            (*_REGION, "percentile"),
            "Latency of successful answers at the percentile of the SLO.",
        ),
        ("region_error_ratio", _G, _REGION, "Share of answers that are 5xx."),
        (
            "region_too_many_requests_ratio",
            _G,
            _REGION,
            "Share of answers that are 429: quota, not ill health.",
        ),
        ("region_healthy_ratio", _G, _REGION, "Share of members that pass their health checks."),
        ("region_scaler_wanted_ratio", _G, _REGION, "Capacity scaler that Spillway wants: 0, or 0.1 to 1."),
        ("region_scaler_observed_ratio", _G, _REGION, "Capacity scaler that Google has."),
        ("region_member", _G, _REGION, "1 if the region is attached to the service, else 0."),
        ("region_state", _G, (*_REGION, "state"), "1 for the state that the region is in, 0 for all others."),
        ("region_confidence_ratio", _G, _REGION, "0 nothing is known, 1 fresh and plentiful evidence."),
        (
            "region_data_age_seconds",
            _G,
            (*_REGION, "signal"),
            "Age of what the last decision rests on, growing until the next one: observed, health, traffic.",
        ),
        ("region_data_missing", _G, (*_REGION, "signal"), "1 if that signal has no value at all."),
    ),
    *_metrics(
        "Services",
        ("service_demand_requests_per_second", _G, _SERVICE, "Requests/s that arrive."),
        ("service_forecast_requests_per_second", _G, _SERVICE, "Requests/s expected one dead time from now."),
        (
            "service_capacity_requests_per_second",
            _G,
            _SERVICE,
            "Requests/s that all regions together can take within the SLO.",
        ),
        ("service_headroom_ratio", _G, _SERVICE, "Capacity left over, as a share of demand."),
        (
            "service_survives_region_loss",
            _G,
            _SERVICE,
            "1 if demand still fits after the largest region is lost, standby regions that would join counted in.",
        ),
        ("service_shortage", _G, _SERVICE, "1 if all regions together are short."),
        (
            "service_posture",
            _G,
            (*_SERVICE, "posture"),
            "1 for the failover posture in force, 0 for the others.",
        ),
        ("service_mode", _G, (*_SERVICE, "mode"), "1 for the mode of its policy: observe, recommend or act."),
        (
            "service_alarms",
            _G,
            _SERVICE,
            "Alarms of the service that are up; the page and the log say which.",
        ),
    ),
    *_metrics(
        "People",
        (
            "order",
            _G,
            ("kind", "service", "region"),
            "Operators' orders in force: UTC time at which each ends, or 1 where it has no end; `all` for all services or regions. No sample where there is none.",
        ),
    ),
    *_metrics(
        "Parts",
        (
            "drift",
            _G,
            ("kind", "name", "field"),
            "1 for each field of a part that somebody has set otherwise than the configuration says; `gone` where the part is gone. 200 at most.",
        ),
        (
            "kept_settings",
            _G,
            (),
            "Settings by others that Spillway leaves alone; `spillway plan` names them.",
        ),
        (
            "held_parts",
            _G,
            (),
            "Parts that are not written, because a write would take away what somebody has set.",
        ),
        ("parts_read", _G, (), "Parts of the load balancer that the last look could read."),
        ("parts_read_timestamp_seconds", _G, (), "UTC time of the last look; 0 before the first."),
        (
            "certificate_expiry_timestamp_seconds",
            _G,
            ("certificate",),
            "UTC time at which the certificate ends.",
        ),
        (
            "certificate_status",
            _G,
            ("certificate", "status"),
            "1 for the state that Google tells of the certificate: ACTIVE, PROVISIONING or a failure.",
        ),
    ),
    *_metrics(
        "Decisions",
        (
            "decisions_total",
            _C,
            ("lever", "reason"),
            "Moves decided, advice included, by lever and reason; docs/reasons.md explains each reason.",
        ),
        (
            "guard_refusals_total",
            _C,
            ("guard",),
            "Moves that a limit or a constraint refused, by its reason.",
        ),
        (
            "verdicts_total",
            _C,
            ("result",),
            "Moves looked at again one dead time later: better or worse than before.",
        ),
    ),
    *_metrics(
        "Writes",
        ("writes_total", _C, ("outcome",), "Engine calls by outcome."),
        ("engine_seconds", _H, (), "Wall seconds of one engine call."),
        ("engine_processes_total", _C, (), "Engine processes started; one for each adjustment is normal."),
        (
            "foreign_edits_total",
            _C,
            (),
            "Writes and builds of ours that an edit by somebody else got ahead of.",
        ),
    ),
    *_metrics(
        "Reads",
        (
            "monitoring_calls_total",
            _C,
            (),
            "Calls to Cloud Monitoring; at most four in a tick, however many services there are.",
        ),
        (
            "reads_total",
            _C,
            ("source",),
            "Calls by what is read: counts, latencies, places, descriptors, listing, policies, health.",
        ),
        ("read_errors_total", _C, ("source",), "Reads that failed or ran into their deadline."),
        ("read_seconds_total", _C, ("source",), "Wall seconds spent in reads."),
    ),
    *_metrics(
        "The daemon",
        (
            "passes_total",
            _C,
            ("kind",),
            "Passes on record: every tick, and health passes that wrote or found an edit.",
        ),
        ("passes_failed_total", _C, ("kind",), "Passes that ended in a defect; the log has the trace."),
        (
            "passes_missed_total",
            _C,
            ("kind",),
            "Passes that did not happen in time: the one before took too long, or the clock jumped.",
        ),
        (
            "pass_duration_seconds",
            _H,
            ("kind", "phase"),
            "Seconds of a pass, by phase: observe, decide, write, record.",
        ),
        ("last_tick_timestamp_seconds", _G, (), "UTC time of the last finished tick; 0 before the first."),
        ("ready", _G, (), "1 once the first tick is done."),
        (
            "config_reloads_total",
            _C,
            ("outcome",),
            "Reloads: accepted, unchanged, refused (mistakes), restart-needed, or failed (the cloud said no).",
        ),
        (
            "config_last_reload_successful",
            _G,
            (),
            "1 unless the file on the disk differs from what is in force because it was refused.",
        ),
        (
            "recoveries_total",
            _C,
            ("kind",),
            "What a crash or somebody had left behind and was put right: a dead lock, an open operation, an unreadable engine state, a leftover process.",
        ),
        ("log_lines_lost_total", _C, (), "Log lines dropped because nobody read standard error."),
        ("build_info", _G, ("version", "python"), "Always 1."),
        (
            "engine_info",
            _G,
            ("kind", "cloud"),
            "Always 1; which engine carries out the writes, and in which cloud.",
        ),
    ),
)
"""Every family, in the order of the page."""

BY_NAME = {metric.name: metric for metric in METRICS}

_INTRODUCTION = """# Metrics

<!-- Made by `make docs` from daemon/spillway/adapters/metrics.py; do not edit. -->

`GET /metrics` on `daemon.listen` answers in the text format of Prometheus, or in OpenMetrics where the scraper asks for it.
Scraping reads what the last pass left behind; it calls nobody and costs the cloud nothing.

- A gauge that is **NaN** means: not known. It is neither zero nor healthy nor dead, and `>` and `<` in alert rules are false for it.
- Every label set but those of orders is there from the first scrape, so that a counter at 0 can be told from one that is missing.
- The world's seconds: on the sandbox, times and durations run as fast as its clock does.
- `process_*` is what prometheus-client tells of the process itself: memory, processor time, open files.
"""


def render() -> str:
    """The text of `docs/metrics.md`."""
    lines = [_INTRODUCTION]
    section = ""
    for metric in METRICS:
        if metric.section != section:
            section = metric.section
            lines += [f"\n## {section}\n", "| name | type | labels | meaning |", "| --- | --- | --- | --- |"]
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        lines.append(f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.help} |")
    return "\n".join(lines) + "\n"
