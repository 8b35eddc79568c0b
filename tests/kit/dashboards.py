"""Writes `config/grafana/*.json`: `python -m tests.kit.dashboards`, part of `make docs`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.kit.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    YELLOW,
    Json,
    Query,
    Section,
    annotation,
    by_word,
    dashboard,
    lines,
    stat,
    steps,
    table,
    timeline,
    variable,
)

FOLDER = Path(__file__).resolve().parents[2] / "config" / "grafana"

SERVICE = 'service=~"$service"'
REGION = 'service=~"$service", region=~"$region"'
DAEMON = 'instance=~"$instance"'

HEALTH = (
    ("unknown", GREY), ("idle", BLUE), ("ok", GREEN), ("slow", YELLOW), ("saturated", ORANGE), ("failing", RED), ("dead", PURPLE),
)  # fmt: skip
"""What a region is like, from the least to the worst, each with its colour."""

STATE = (
    ("standby", GREY), ("serving", GREEN), ("degraded", YELLOW), ("draining", ORANGE), ("drained", RED), ("recovering", BLUE),
    ("joining", "light-blue"), ("leaving", "light-orange"), ("pinned", PURPLE), ("edited", "light-purple"), ("held", "dark-purple"),
)  # fmt: skip
"""What Spillway does with it."""

BURN = steps((None, GREEN), (1, YELLOW), (6, ORANGE), (14.4, RED))
"""Burn rates of the alerts: a ticket from 1, a page from 6 for long or from 14.4."""

SERVICES = variable("service", "Service", "label_values(spillway_slo_target_ratio, service)")
REGIONS = variable("region", "Region", 'label_values(spillway_region_member{service=~"$service"}, region)')
INSTANCES = variable("instance", "Daemon", "label_values(spillway_ready, instance)")

_MADE = 'spillway_decisions_total{mode="act", service=~"$service"}'
MOVES = annotation(
    "Moves",
    f"increase({_MADE}[2m]) > 0 or ({_MADE} unless {_MADE} offset 2m)",
    BLUE,
    "{{service}}: {{region}} {{lever}}",
    "{{reason}}",
)
ALARMS = annotation(
    "Pages that come up",
    'spillway_alarm{severity="page", service=~"$service"} unless spillway_alarm{severity="page"} offset 2m',
    RED,
    "{{service}} {{region}}: {{code}}",
    "since when it is up: see the table of alarms",
)


def overview() -> Json:
    """What is wrong now, since when, and whom it hurts."""
    wrong = (
        stat(
            "Pages", "Alarms of severity page that are up and not silenced.", "none",
            Query(expr='count(spillway_alarm{severity="page"} unless spillway_alarm_silenced) or vector(0)'),
            steps((None, GREEN), (1, RED)),
        ),
        stat(
            "Tickets", "Alarms of severity ticket that are up and not silenced.", "none",
            Query(expr='count(spillway_alarm{severity="ticket"} unless spillway_alarm_silenced) or vector(0)'),
            steps((None, GREEN), (1, YELLOW)),
        ),
        stat(
            "Worst burn rate", "Error-budget burn of the judged minutes, of the worst service. At 1 the budget lasts exactly its period.", "none",
            Query(expr=f'max(spillway_error_budget_burn{{{SERVICE}, kind!="good"}})'), BURN, defaults={"decimals": 1},
        ),
        stat(
            "Age of the figures", "Seconds since the newest trusted traffic sample of the region that is seen worst. Some four minutes are normal.", "s",
            Query(expr=f'max(spillway_region_signal_age_seconds{{{SERVICE}, signal="traffic"}})'),
            steps((None, GREEN), (330, YELLOW), (900, RED)),
        ),
        stat(
            "Daemons that answer", "Daemons that Prometheus could scrape just now, as a share of all.", "percentunit",
            Query(expr='avg(up{job="spillway"})'), steps((None, RED), (1, GREEN)),
        ),
        stat(
            "Orders in force", "Holds, pins, drains and modes that operators have ordered. `spillway orders` lists them.", "none",
            Query(expr="count(spillway_order) or vector(0)"), steps((None, GREEN), (1, BLUE)),
        ),
        table(
            "Alarms that are up", "What is wrong now, since when, and where. `docs/runbook.md` has a section for each code. A silenced alarm is not listed.",
            Query(expr='(spillway_alarm{service=~"$service|"} unless spillway_alarm_silenced) * 1000', instant=True),
            "dateTimeFromNow",
            {"severity": "severity", "code": "alarm", "load_balancer": "load balancer", "service": "service", "region": "region", "Value": "since", "instance": "daemon"},
            height=7,
        ),
    )  # fmt: skip
    users = (
        lines(
            "Bad requests", "Share of the answers of the judged minutes that failed, were refused or were late.", "percentunit",
            Query(expr=f"spillway_service_bad_ratio{{{SERVICE}}}", legend="{{service}}"),
        ),
        lines(
            "Burn rate of the last hour", "How many times as fast as it may the error budget burns, over one hour. A page comes from 14.4 on, a ticket where 1 is held for days.", "none",
            Query(expr=f"service:spillway_error_budget_burn:rate1h{{{SERVICE}}}", legend="{{service}} {{slo}}"),
            limits=BURN,
        ),
        lines(
            "Requests", "Answers as Cloud Monitoring counts them, some four minutes late.", "reqps",
            Query(expr=f"sum by (service) (rate(spillway_requests_total{{{SERVICE}}}[$__rate_interval]))", legend="{{service}}"),
        ),
        lines(
            "Error budget left of the range", "Share of the error budget that is left, if the range of the dashboard were the period of the SLO. Below 0 the SLO is missed.", "percentunit",
            Query(
                expr=f'1 - sum without (kind) (increase(spillway_bad_requests_total{{{SERVICE}, kind="failed"}}[$__range]))'
                f' / (increase(spillway_requests_total{{{SERVICE}}}[$__range]) > 0)'
                f' / ignoring (kind) (1 - spillway_slo_target_ratio{{{SERVICE}, kind="availability"}})',
                legend="{{service}} availability",
            ),
            Query(
                expr=f'1 - sum without (kind) (increase(spillway_bad_requests_total{{{SERVICE}, kind="late"}}[$__range]))'
                f' / (increase(spillway_requests_total{{{SERVICE}}}[$__range]) > 0)'
                f' / ignoring (kind) (1 - spillway_slo_target_ratio{{{SERVICE}, kind="latency"}})',
                legend="{{service}} latency",
            ),
            below_zero=True, defaults={"max": 1},
        ),
    )  # fmt: skip
    regions = (
        timeline(
            "Health of the regions", "What each region is like, by evidence, whatever Spillway does to it: the worst of dead, failing, saturated, slow and ok.",
            Query(expr=by_word("spillway_region_health", "health", HEALTH, SERVICE), legend="{{service}} {{region}}"), HEALTH, width=12, height=10,
        ),
        timeline(
            "What Spillway does with them", "The state of each region's lever.",
            Query(expr=by_word("spillway_region_state", "state", STATE, SERVICE), legend="{{service}} {{region}}"), STATE, width=12, height=10,
        ),
    )  # fmt: skip
    does = (
        lines(
            "Headroom", "Capacity of all regions together over the demand. Below 0 they are short.", "percentunit",
            Query(expr=f"spillway_service_headroom_ratio{{{SERVICE}}}", legend="{{service}}"),
            limits=steps((None, RED), (0, YELLOW), (0.25, GREEN)), below_zero=True,
        ),
        lines(
            "Moves and advice", "Decisions in the interval, by reason. In modes observe and recommend they are advice.", "none",
            Query(expr=f"sum by (service, reason, mode) (increase(spillway_decisions_total{{{SERVICE}}}[$__rate_interval])) > 0", legend="{{service}} {{reason}} ({{mode}})"),
            defaults={"custom": {"drawStyle": "bars", "fillOpacity": 60, "lineWidth": 0, "showPoints": "never", "spanNulls": False}, "decimals": 0},
        ),
        stat(
            "Kept from being bad (estimate)", "Requests that acting has kept from being bad in the range of the dashboard. An estimate by the model; docs/measured.md says how good it is.", "short",
            Query(expr=f"sum(increase(spillway_saved_requests_estimated_total{{{SERVICE}}}[$__range]))"), steps((None, BLUE)), width=6,
        ),
        stat(
            "Advice would have kept (estimate)", "Requests that advice would have kept from being bad in the range, had it been followed (modes observe and recommend). An estimate by the model.", "short",
            Query(expr=f"sum(increase(spillway_advised_requests_estimated_total{{{SERVICE}}}[$__range]))"), steps((None, BLUE)), width=6,
        ),
        stat(
            "Services in mode act", "Share of the services that Spillway may move.", "percentunit",
            Query(expr=f'sum(spillway_service_mode{{{SERVICE}, mode="act"}}) / count(spillway_service_mode{{{SERVICE}}}) or vector(0)'), steps((None, GREY), (0.001, BLUE)), width=6,
        ),
        stat(
            "Services that survive a loss", "Share of the services whose demand still fits after their largest region is lost.", "percentunit",
            Query(expr=f"avg(spillway_service_survives_region_loss{{{SERVICE}}})"), steps((None, YELLOW), (1, GREEN)), width=6,
        ),
    )  # fmt: skip
    return dashboard(
        "spillway-overview", "Spillway: overview", "What is wrong now, since when, whom it hurts, and what Spillway does about it.",
        (
            Section(title="What is wrong now", panels=wrong),
            Section(title="What users get", panels=users),
            Section(title="Where", panels=regions),
            Section(title="What Spillway does about it", panels=does),
        ),
        variables=(SERVICES,),
        annotations=(MOVES, ALARMS),
    )  # fmt: skip


def regions() -> Json:
    """Each region: what it is like, what it carries, and what is done with it."""

    def each(metric: str, legend: str = "{{service}} {{region}}") -> Query:
        return Query(expr=f"{metric}{{{REGION}}}", legend=legend)

    states = (
        timeline(
            "Health", "What each region is like, by evidence, whatever Spillway does to it.",
            Query(expr=by_word("spillway_region_health", "health", HEALTH, REGION), legend="{{service}} {{region}}"), HEALTH, width=12, height=9,
        ),
        timeline(
            "Lever", "What Spillway does with each region.",
            Query(expr=by_word("spillway_region_state", "state", STATE, REGION), legend="{{service}} {{region}}"), STATE, width=12, height=9,
        ),
    )  # fmt: skip
    load = (
        lines("Demand", "Requests/s of the clients whose nearest region this is: they would all arrive here if nothing were capped.", "reqps", each("spillway_region_demand_requests_per_second")),
        lines("Served", "Requests/s answered in each region.", "reqps", each("spillway_region_served_requests_per_second")),
        lines("Capacity", "Requests/s at which the SLO still holds, with the endpoints that are healthy now.", "reqps", each("spillway_region_capacity_requests_per_second")),
        lines(
            "Ceiling", "Requests/s that Google sends to the region at most before it goes elsewhere: target x scaler.", "reqps",
            Query(expr=f"spillway_region_target_requests_per_second{{{REGION}}} * spillway_region_scaler_wanted_ratio{{{REGION}}}", legend="{{service}} {{region}}"),
        ),
        lines(
            "Load over capacity", "Served over capacity. From 1 on answers become late.", "percentunit",
            Query(expr=f"spillway_region_served_requests_per_second{{{REGION}}} / spillway_region_capacity_requests_per_second{{{REGION}}}", legend="{{service}} {{region}}"),
            limits=steps((None, GREEN), (0.9, YELLOW), (1, RED)),
        ),
        lines("Scaler, wanted and observed", "The capacity scaler that Spillway wants, and the one that Google has. Where they differ for long, somebody else has set it, or a write is missing.", "percentunit",
              each("spillway_region_scaler_wanted_ratio", "{{service}} {{region}} wanted"), each("spillway_region_scaler_observed_ratio", "{{service}} {{region}} observed"), defaults={"max": 1}),
    )  # fmt: skip
    quality = (
        lines("Latency", "Of successful answers, at the percentile of the SLO.", "s", each("spillway_region_latency_seconds", "{{service}} {{region}} p{{percentile}}")),
        lines("Errors", "Share of answers that are 5xx.", "percentunit", each("spillway_region_error_ratio")),
        lines("Refused", "Share of answers that are 429: quota, not ill health.", "percentunit", each("spillway_region_too_many_requests_ratio")),
        lines("Healthy endpoints", "Share of the endpoints that pass their health checks. Google's auto-drain empties a region below 25 %.", "percentunit", each("spillway_region_healthy_ratio"), defaults={"max": 1}),
    )  # fmt: skip
    evidence = (
        lines(
            "Age of each signal", "Age of what the last decision rests on. From 330 s on traffic is late, past 900 s nothing is moved by it.", "s",
            Query(expr=f"max by (service, region, signal) (spillway_region_signal_age_seconds{{{REGION}}})", legend="{{service}} {{region}} {{signal}}"),
            limits=steps((None, GREEN), (330, YELLOW), (900, RED)),
        ),
        lines("Confidence", "0: nothing is known. 1: fresh and plentiful evidence.", "percentunit", each("spillway_region_confidence_ratio"), defaults={"max": 1}),
    )  # fmt: skip
    return dashboard(
        "spillway-regions", "Spillway: regions", "Each region: what it is like, what it carries, and what Spillway does with it.",
        (
            Section(title="Health apart from the lever", panels=states),
            Section(title="Load", panels=load),
            Section(title="What users get there", panels=quality),
            Section(title="What it is judged by", panels=evidence),
        ),
        variables=(SERVICES, REGIONS),
        annotations=(MOVES,),
    )  # fmt: skip


def daemon() -> Json:
    """The daemon itself: whether it keeps time, what it reads and what it writes."""

    def rate(metric: str, by: str, legend: str) -> Query:
        return Query(
            expr=f"sum by (instance, {by}) (rate({metric}{{{DAEMON}}}[$__rate_interval]))", legend=legend
        )

    alive = (
        stat("Answers", "Whether Prometheus could scrape it just now.", "bool_yes_no", Query(expr=f'min(up{{job="spillway", {DAEMON}}})'), steps((None, RED), (1, GREEN))),
        stat("Ready", "Whether it has finished its first tick, and nothing keeps it from working.", "bool_yes_no", Query(expr=f"min(spillway_ready{{{DAEMON}}})"), steps((None, RED), (1, GREEN))),
        stat("Last tick", "When the last tick was finished, by the world's clock. On the sandbox that clock runs faster than yours.", "dateTimeFromNow",
             Query(expr=f"min(spillway_last_tick_timestamp_seconds{{{DAEMON}}}) * 1000"), steps((None, BLUE))),
        stat("Configuration in force", "Whether the file on the disk is what is in force.", "bool_yes_no", Query(expr=f"min(spillway_config_last_reload_successful{{{DAEMON}}})"), steps((None, RED), (1, GREEN))),
        stat("Defects", "Passes of the range that ended in a defect of Spillway. The log has the trace.", "none", Query(expr=f"sum(increase(spillway_passes_failed_total{{{DAEMON}}}[$__range]))"), steps((None, GREEN), (1, RED)), defaults={"decimals": 0}),
        stat("Parts otherwise than configured", "Fields of the load balancer that somebody has set otherwise than the configuration says.", "none",
             Query(expr=f"count(spillway_drift{{{DAEMON}}}) or vector(0)"), steps((None, GREEN), (1, YELLOW))),
        lines("Passes", "Finished passes per second, by kind. Ticks are one a minute by default, and health passes are on record where they did something.", "ops", rate("spillway_passes_total", "kind", "{{instance}} {{kind}}")),
        lines("Passes missed", "Passes per second that did not happen in time: the one before took too long, or the clock jumped.", "ops", rate("spillway_passes_missed_total", "kind", "{{instance}} {{kind}}")),
    )  # fmt: skip
    time = (
        lines("Seconds of a tick by phase", "Mean seconds of each phase of a tick.", "s", Query(
            expr=f'sum by (instance, phase) (rate(spillway_pass_duration_seconds_sum{{kind="tick", {DAEMON}}}[$__rate_interval]))'
            f' / sum by (instance, phase) (rate(spillway_pass_duration_seconds_count{{kind="tick", {DAEMON}}}[$__rate_interval]) > 0)', legend="{{instance}} {{phase}}")),
        lines("Slow ticks", "Seconds within which 95 % of the phases of a tick end.", "s", Query(
            expr=f'histogram_quantile(0.95, sum by (instance, phase, le) (rate(spillway_pass_duration_seconds_bucket{{kind="tick", {DAEMON}}}[$__rate_interval])))', legend="{{instance}} {{phase}}")),
    )  # fmt: skip
    writes = (
        lines("Writes by outcome", "Writes of services per second. Refused, failed and unknown ones need a look.", "ops", rate("spillway_writes_total", "outcome", "{{instance}} {{outcome}}")),
        lines("Seconds of an engine call", "Half and 95 % of the engine calls end within so many seconds.", "s",
              Query(expr=f"histogram_quantile(0.5, sum by (instance, le) (rate(spillway_engine_seconds_bucket{{{DAEMON}}}[$__range])))", legend="{{instance}} half"),
              Query(expr=f"histogram_quantile(0.95, sum by (instance, le) (rate(spillway_engine_seconds_bucket{{{DAEMON}}}[$__range])))", legend="{{instance}} 95 %")),
        lines("Edits by others", "Writes and builds that met an edit by somebody else, in the interval.", "none", Query(expr=f"increase(spillway_foreign_edits_total{{{DAEMON}}}[$__rate_interval])", legend="{{instance}}")),
        lines("Refused moves by limit", "Moves per second that a limit or a constraint refused; docs/reasons.md explains each.", "ops", rate("spillway_guard_refusals_total", "guard", "{{instance}} {{guard}}")),
    )  # fmt: skip
    reads = (
        lines("Calls", "Reads per second, by what is read. Cloud Monitoring is called at most four times in a tick.", "ops", rate("spillway_reads_total", "source", "{{instance}} {{source}}")),
        lines("Failed reads", "Reads per second that failed or ran into their deadline.", "ops", rate("spillway_read_errors_total", "source", "{{instance}} {{source}}")),
        lines("Seconds of a read", "Mean seconds of a read, by what is read.", "s", Query(
            expr=f"sum by (instance, source) (rate(spillway_read_seconds_total{{{DAEMON}}}[$__rate_interval])) / sum by (instance, source) (rate(spillway_reads_total{{{DAEMON}}}[$__rate_interval]) > 0)",
            legend="{{instance}} {{source}}")),
        lines("Age of the signals", "Age of the oldest signal of each kind.", "s", Query(expr=f"max by (instance, signal) (spillway_region_signal_age_seconds{{{DAEMON}}})", legend="{{instance}} {{signal}}")),
    )  # fmt: skip
    process = (
        lines("Memory", "Resident memory of the process.", "bytes", Query(expr=f'process_resident_memory_bytes{{job="spillway", {DAEMON}}}', legend="{{instance}}"), width=8),
        lines("Processor", "Processor time per second; 1 is one core.", "percentunit", Query(expr=f'rate(process_cpu_seconds_total{{job="spillway", {DAEMON}}}[$__rate_interval])', legend="{{instance}}"), width=8),
        lines("Open files", "File descriptors that are open.", "none", Query(expr=f'process_open_fds{{job="spillway", {DAEMON}}}', legend="{{instance}}"), width=8),
        table("Orders in force", "What operators have ordered, and when each order ends; 1970 where it has no end.", Query(expr=f"spillway_order{{{DAEMON}}} * 1000", instant=True), "dateTimeAsIso",
              {"kind": "order", "service": "service", "region": "region", "Value": "until", "instance": "daemon"}, width=12, height=7),
        table("Otherwise than configured", "What somebody has set otherwise than the configuration says. `spillway plan` shows both values.", Query(expr=f"spillway_drift{{{DAEMON}}}", instant=True), "none",
              {"kind": "part", "name": "name", "field": "field", "Value": "found", "instance": "daemon"}, width=12, height=7),
        table("Version", "Which Spillway runs, on which Python.", Query(expr=f"spillway_build_info{{{DAEMON}}}", instant=True), "none",
              {"version": "Spillway", "python": "Python", "Value": "runs", "instance": "daemon"}, width=12, height=5),
        table("Certificates", "When each certificate ends.", Query(expr=f"spillway_certificate_expiry_timestamp_seconds{{{DAEMON}}} * 1000", instant=True), "dateTimeAsIso",
              {"certificate": "certificate", "Value": "ends", "instance": "daemon"}, width=12, height=5),
    )  # fmt: skip
    return dashboard(
        "spillway-daemon", "Spillway: daemon", "The daemon itself: whether it keeps time, what it reads, what it writes, and what it takes.",
        (
            Section(title="Alive", panels=alive),
            Section(title="Where the time goes", panels=time),
            Section(title="Writes", panels=writes),
            Section(title="Reads", panels=reads),
            Section(title="Process and parts", panels=process),
        ),
        variables=(INSTANCES,),
    )  # fmt: skip


DASHBOARDS = {"overview": overview, "regions": regions, "daemon": daemon}
"""By the name of their file."""


def render(name: str) -> str:
    """The text of a dashboard's file."""
    return json.dumps(DASHBOARDS[name](), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(render(name), encoding="utf-8")
        sys.stdout.write(f"wrote config/grafana/{name}.json\n")
