"""One table of reason codes and their sentences, shared by log, metrics, docs and tests.

A code is stable: metrics carry it as a label. A sentence is for people: it carries the numbers of the moment. To change what is
said, change the sentence here; the names in braces are the numbers that `reason` is given. Nothing in the core goes by a code.
"""

from __future__ import annotations

import re

from spillway.core.explain.daemon_alarms import DAEMON_ALARMS
from spillway.core.explain.membership_moves import MEMBERSHIP_MOVES
from spillway.core.explain.templates import AlarmTemplate, Kind, Template, rows
from spillway.core.explain.traffic_alarms import TRAFFIC_ALARMS
from spillway.core.values.alarms import Alarm
from spillway.core.values.decision import Lever, Reason, span
from spillway.core.values.topology import RegionName, ServiceName

GUARDS = rows(
    Kind.GUARD,
    (
        "last-backend",
        "no region would serve",
        "Never the last backend to 0.",
    ),
    (
        "floor-regions",
        "only {left} regions would serve and the floor is {floor}",
        "`floors.min_serving_regions`.",
    ),
    (
        "floor-capacity",
        "effective capacity would fall to {after:.0f} requests/s (now {before:.0f}); the floor is {floor:.0f}",
        "`floors.reserve`: demand x (1 + reserve), or no worse than before.",
    ),
    (
        "receiver-limit",
        "{receiver} would be pushed to {load:.0f} of {capacity:.0f} requests/s, past {limit:.0%}",
        "`floors.receiver_limit`: shedding must not topple the receiver.",
    ),
    ("step-limit", "one step is at most {step:.2f}", "`rhythm.up_step` and `rhythm.down_step`."),
    ("budget-spent", "{writes} writes in the last hour; the budget is {budget}", "`rhythm.moves_per_hour`."),
    (
        "resting",
        "{region} moved {ago:span} ago and dwells for {rest:span}",
        "`rhythm.dwell`, lengthened by flapping: acting on what cannot be seen yet makes traffic swing.",
    ),
    (
        "not-well-yet",
        "{region} has been well for {well:span} and {needed:span} are needed",
        "`rhythm.up_wait`: up is slow.",
    ),
    (
        "effect-awaited",
        "the move in {region} {ago:span} ago has not shown its effect yet ({load:.0f} requests/s against a ceiling of {ceiling:.0f})",
        "Propagation is slower than configured. `timing.propagation` may be too small.",
    ),
    ("one-drain", "{other} is being drained; one drain at a time", "Two drains at once cannot be judged."),
    (
        "stale-data",
        "the newest traffic sample of {region} is {age}",
        "`evidence.max_age`. Look at Cloud Monitoring.",
    ),
    (
        "late-evidence",
        "the newest sample of {region} is {age:span} old and shows {lasted:span} of trouble: wait for {needed:span} of it, or for newer samples",
        "Cloud Monitoring is late. What lasts is acted on; what may be over is not.",
    ),
    (
        "thin-evidence",
        "{region} gave {seen:.0f} answers in the judged minutes; {needed} are needed",
        "`evidence.min_requests`.",
    ),
    (
        "garbage-data",
        "the samples of {region} cannot be true ({why})",
        "Implausible counts or distributions. Look at Cloud Monitoring.",
    ),
    (
        "panic",
        "{bad} of {count} regions look bad or blind at once: suspect the measurement and hold",
        "`evidence.panic_share`. If it is real, people must act.",
    ),
    ("freeze", 'moves are frozen ("{why}")', "`freezes` in the policy."),
    (
        "operator-hold",
        'an operator holds {what} ("{why}")',
        "Ends with `spillway release` or when it expires.",
    ),
    (
        "planned-work",
        'planned work keeps {region} from being opened ("{why}")',
        "`planned` in the policy.",
    ),
    (
        "no-member",
        "{region} is detached, and a scaler is a member's",
        "An order that pins a standby is refused: it joins by rule, and may be pinned then.",
    ),
    (
        "listing-panic",
        "the listing is not believed: {why}",
        "`evidence.panic_share`, and what no listing can show. Nothing moves while it lasts; docs/troubleshooting.md says what to do.",
    ),
    (
        "unconfirmed",
        "one reading shows {what}, which is not wanted: a second one must agree first",
        "One reading convinces nobody. Ends with the next pass.",
    ),
    (
        "detachment-unproven",
        "{region} is listed as detached, and its traffic has not ended yet",
        "A detachment is believed once the region is seen to answer nobody any more.",
    ),
    (
        "just-adopted",
        "{what} was taken over in this pass, and nothing is written on that alone",
        "The next pass decides anew.",
    ),
    (
        "foreign-pin",
        "somebody else has set {what} to {value}; it is left alone {ends}",
        "`drift.levers` and `drift.pin_for`. Ends at once when the value is put back, or when an operator's order names the region.",
    ),
    (
        "unread",
        "{what} could not be read, so the membership of {region} stays as it is",
        "Missing data never causes a join, a leave, a detachment or another failover posture.",
    ),
    (
        "unknown-outcome",
        "the outcome of the last write is unknown; observe first",
        "Resolves with the next listing.",
    ),
    (
        "not-movable",
        "{region} has no scaler",
        "Groups of a kind that Spillway does not know.",
    ),
    (
        "no-scaler",
        "{region} has no scaler: it is attached or detached, and nothing between",
        "Serverless, internet and Private Service Connect groups. A pin is 0 or 1 there.",
    ),
    (
        "alone",
        "{region} is the only backend of its service",
        "Nothing can be shed to anybody, so its ceiling stays as it is.",
    ),
    (
        "least-share",
        "{region} keeps at least {least:.2f} of its weight",
        "`min_weight` in the split. An operator's order does not pass it either.",
    ),
    (
        "keeps-capacity",
        "{region} is closed only for answers that are bad at any load",
        "`triggers.drain_error_ratio`: a region that is short of machines keeps what it can carry.",
    ),
    ("unsafe-plan", "the plan refused itself: {why}", "A defect or a race: nothing is written."),
)

NOTES = rows(
    Kind.NOTE,
    (
        "auto-drained",
        "Google's auto-drain has emptied {region} ({healthy} of {total} healthy); nothing to add",
        "Ready for its return.",
    ),
    (
        "saturated",
        "{region} is saturated: its answer rate, {rate:.0f} requests/s, is its capacity",
        "Learned by Little's law.",
    ),
    ("missing", "{signal} of {region} is missing ({why})", "Missing is neither zero nor dead."),
    (
        "adopted",
        "{region} stands at {observed}, not at {wanted}: taken over as the new starting point",
        "An edit from outside, or a write that was carried out after all.",
    ),
    (
        "foreign-pinned",
        "somebody else has set {region} to {value}, not {wanted}; it is left alone {ends}",
        "`drift` in the policy.",
    ),
)

VERDICTS = rows(
    Kind.VERDICT,
    (
        "verified",
        "{what}: {predicted:.1%} bad requests were expected and {observed:.1%} came, so it did what it was made for",
        "Within two percent of all requests of what was expected, or better.",
    ),
    (
        "verified-no-worse",
        "{what}: {predicted:.1%} bad requests were expected and {observed:.1%} came; it was {seen:.1%} before the move, so it is not held against the move",
        "More than expected, and not more than before. The trouble has gone on; the model learns from the difference.",
    ),
    (
        "verified-demand-grew",
        "{what}: {predicted:.1%} bad requests were expected and {observed:.1%} came; demand has grown from {demand_then:.0f} to {demand_now:.0f} requests/s since, so it is not held against the move",
        "More demand than the move was made for.",
    ),
    (
        "verified-elsewhere",
        "{what}: {predicted:.1%} bad requests were expected and {observed:.1%} came, from regions that the move sent no load to, so it is not held against the move",
        "Another region has got into trouble by itself.",
    ),
    (
        "disappointed",
        "{what}: {predicted:.1%} bad requests were expected and {observed:.1%} came, and it was {seen:.1%} before the move, so it is held against the move{consequence}",
        "After a raise the region dwells longer, and the raise is taken back where the model agrees.",
    ),
)

QUIETS = rows(
    Kind.QUIET,
    ("all-well", "{regions} well, headroom {headroom}", "Nothing to do."),
    (
        "no-relief",
        "{region} answers {late:.1%} late and fails {failed:.1%}, and moving its requests would save too few",
        "The SLO is missed there, and no lever helps: no other region has room, or none is better. Look at the region.",
    ),
    (
        "no-better",
        "no set of {levers} would save enough requests (bad now {bad:.2%}, best found {best:.2%}, none gets below {least:.2%}, limits aside)",
        "`rhythm.margin`. The last number is a proof for all ceilings, by what is known of the regions; limits may allow less.",
    ),
    ("no-data", "there is no data to judge by", "Missing data never causes a move."),
    ("in-flight", "{moves} in flight", "Waiting for the effect."),
)


MOVES = (
    *rows(
        Kind.MOVE,
        (
            "shed-overload",
            "{region} gets {load:.0f} requests/s and can take {capacity:.0f}: lower its {lever} so that {to:.0f} stay and the rest goes where there is room; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
            "More arrives than the region can answer within the SLO. Add capacity there if it happens daily.",
        ),
        (
            "cap-receiver",
            "{region} can take {capacity:.0f} requests/s and gets what others shed: its {lever} lets {room:.0f} in; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
            "One cut fills the next region, so the ceilings of those that receive are lowered in the same write.",
        ),
        (
            "shed-slow",
            "{region} is slow ({slow:.1%} of its answers take longer than {slo:.1f} s): move load to faster regions; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
            "The region answers slowly at a load it used to carry. Look at its backends.",
        ),
        (
            "shed-errors",
            "{region} fails {errors:.1%} of its requests: move load away; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
            "Health checks pass but requests fail. Look at the region's logs and its last deploy.",
        ),
        (
            "cap-quota",
            "{region} refuses {refused:.1%} of its requests with 429 and accepts {accepted:.0f} requests/s: cap it at that; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
            "A quota or rate limit, not ill health. Raise the quota or lower the region's target.",
        ),
        (
            "make-room",
            "{region} can take more: raise its {lever} for what other regions shed; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
            "Part of a move that relieves another region.",
        ),
        (
            "sacrifice",
            "all regions together are short by {short:.0f} requests/s: keep the overload in {sacrificed} and the others whole; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
            "There is not enough capacity anywhere. Add some, or shed demand at the source.",
        ),
        (
            "share-shortage",
            "all regions together are short by {short:.0f} requests/s: share the overload evenly, as the policy says",
            "There is not enough capacity anywhere, and the policy says `shortage: share`.",
        ),
        (
            "restore",
            "{region} has been well for {well:span}: raise its {lever} one step; expected bad requests stay at {bad_after:.1%}",
            "The way back after a fault, one step at a time.",
        ),
        (
            "revert-edit",
            "somebody else has set {region} to {found}: put it back to {wanted}, as the policy says",
            "`drift.levers: revert`.",
        ),
        (
            "foresee",
            "demand grows from {demand:.0f} towards {expected:.0f} requests/s: raise the {lever} of {region} before the others are full",
            "A region is opened in steps with a dwell in between; one that begins when the others are full ends too late.",
        ),
        (
            "probe",
            "{region} was emptied {empty:span} ago and its health checks pass: let a tenth back in to see how it does",
            "With no traffic there is no latency to judge by; this tries with the least that Google allows.",
        ),
        (
            "probe-share",
            "{region} was emptied {empty:span} ago and {why}: give it a part of its weight back to see how it does",
            "A service in a split that has no health checks comes back by time and hope, a tenth of its weight first.",
        ),
        (
            "drain-dead",
            "{region} has {healthy} of {total} endpoints healthy and Google's auto-drain does not cover it: drain it",
            "The region is down. Google's own drain is off in this posture, or already holds half of the groups.",
        ),
        (
            "undo",
            "{predicted:.1%} bad requests were expected of the move in {region} {ago:span} ago and {observed:.1%} came: put it back, once",
            "The model was wrong about this region; it learns, and the region dwells longer.",
        ),
        lever=Lever.SCALER,
    ),
    *rows(
        Kind.MOVE,
        (
            "posture",
            "headroom is {headroom:.0%}",
            "Plenty of room spills early; scarce room avoids cascades.",
        ),
        (
            "revert-posture",
            "somebody else has set the failover policy to that of {found}: put it back to {wanted}, as the policy says",
            "`drift.levers: revert`.",
        ),
        lever=Lever.POSTURE,
    ),
    *MEMBERSHIP_MOVES,
    *rows(
        Kind.MOVE,
        (
            "operator-drain",
            'an operator drains {region} ("{why}")',
            "Ends when the operator's command expires or is taken back.",
        ),
        (
            "operator-pin",
            'an operator pins {region} at {scaler:.2f} ("{why}")',
            "Ends when the operator's command expires or is taken back.",
        ),
        (
            "operator-drain-part",
            'an operator drains {region} ("{why}"): this far for now, the floors allow no more',
            "The alarm `order-waits` names the guard.",
        ),
        (
            "drain-planned-part",
            'planned work in {region} ("{why}"): it is lowered this far for now, the floors allow no more',
            "The alarm `planned-late` names the guard.",
        ),
        (
            "room-for-drain",
            "{region} is set to {scaler:.2f} for what {other} gives up, which is to be empty",
            "Part of a drain that people want: receivers are opened, and capped at what they receive well.",
        ),
        lever=Lever.SCALER,
    ),
)


__all__ = ["ALARMS", "AlarmTemplate", "Kind", "Template", "alarm", "as_alarm", "ending", "reason", "table"]

ALARMS = {row.code: row for row in (*TRAFFIC_ALARMS, *DAEMON_ALARMS)}
"""The alarms of the table, by code."""

_TABLE = {t.code: t for t in (*MOVES, *GUARDS, *NOTES, *ALARMS.values(), *VERDICTS, *QUIETS)}

_SPAN = re.compile(r"\{(\w+):span\}")
_SENTENCES = {
    t.code: (_SPAN.sub(r"{\1}", t.sentence), tuple(_SPAN.findall(t.sentence))) for t in _TABLE.values()
}
"""The sentence to fill in, and the names in it that are times."""


def table() -> tuple[Template, ...]:
    """All rows in the order of their kinds; docs and tests read them."""
    return tuple(_TABLE.values())


def reason(code: str, **numbers: object) -> Reason:
    """The reason `code` with its sentence filled in.

    Raises:
        KeyError: no such code, or the sentence needs a number that is not given.
    """
    sentence, spans = _SENTENCES[code]
    for name in spans:
        numbers[name] = span(numbers[name])  # type: ignore[arg-type]  # a sentence says so of a number of seconds
    return Reason(code=code, sentence=sentence.format(**numbers))


def alarm(
    code: str,
    *,
    service: ServiceName = "",
    region: RegionName | None = None,
    part: str = "",
    **numbers: object,
) -> Alarm:
    """The alarm `code` with its sentence filled in; the sentence may name the service and the region.

    Raises:
        KeyError: no such alarm, or the sentence needs a number that is not given.
    """
    sentence = reason(code, service=service, region=region, **numbers).sentence
    return Alarm(
        code=code,
        severity=ALARMS[code].severity,
        sentence=sentence,
        service=service,
        region=region,
        part=part,
    )


def as_alarm(code: str, why: Reason, *, service: ServiceName) -> Alarm:
    """A reason that is also the alarm `code` of a service: the sentence is the same.

    Raises:
        KeyError: no such alarm.
    """
    return Alarm(code=code, severity=ALARMS[code].severity, sentence=why.sentence, service=service)


def ending(until: float | None, at: float) -> str:
    """When something ends, in words: `for 1 h 10 min more`.

    Args:
        until: UTC seconds; None where a person must decide.
        at: UTC seconds now.
    """
    return "until a person decides" if until is None else f"for {span(max(0.0, until - at))} more"
