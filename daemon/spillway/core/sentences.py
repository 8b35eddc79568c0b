"""The sentences behind the codes of everything but moves, kind by kind. `core.reasons` fills in the numbers."""

from __future__ import annotations

from spillway.core.template import Kind, rows

GUARDS = rows(
    Kind.GUARD,
    ("legal-value", "{value:.3f} is no legal scaler; {left} is", "Google takes 0 or 0.1 to 1.0."),
    (
        "last-backend",
        "{region} is the only region that would serve; it stays open",
        "Never the last backend to 0.",
    ),
    (
        "floor-regions",
        "only {left} regions would serve and the floor is {floor}",
        "`floors.min_serving_regions`.",
    ),
    (
        "floor-capacity",
        "effective capacity would fall to {after:.0f} req/s (now {before:.0f}); the floor is {floor:.0f}",
        "`floors.reserve`: demand x (1 + reserve), or no worse than before.",
    ),
    (
        "receiver-limit",
        "{receiver} would be pushed to {load:.0f} of {capacity:.0f} req/s, past {limit:.0%}",
        "`floors.receiver_limit`: shedding must not topple the receiver.",
    ),
    ("step-limit", "one step is at most {step:.2f}", "`rhythm.up_step` and `rhythm.down_step`."),
    ("budget-spent", "{writes} writes in the last hour; the budget is {budget}", "`rhythm.moves_per_hour`."),
    (
        "resting",
        "{region} moved {ago:.0f} s ago and rests for {rest:.0f} s",
        "`rhythm.dwell`, lengthened by flapping: acting on what cannot be seen yet makes traffic swing.",
    ),
    (
        "not-well-yet",
        "{region} has been well for {well:.0f} s and {needed:.0f} s are needed",
        "`rhythm.up_wait`: up is slow.",
    ),
    (
        "effect-awaited",
        "the move in {region} {ago:.0f} s ago has not shown its effect yet ({load:.0f} req/s against a ceiling of {ceiling:.0f})",
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
        "the newest sample of {region} is {age:.0f} s old and shows {lasted:.0f} s of trouble: wait for {needed:.0f} s of it, or for newer samples",
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
        "outside-edit",
        "somebody else set {region}; it rests until its new value has been judged",
        "A person's edit is respected.",
    ),
    (
        "unknown-outcome",
        "the outcome of the last write is unknown; observe first",
        "Resolves with the next listing.",
    ),
    (
        "not-movable",
        "{region} has no scaler",
        "Serverless and internet groups.",
    ),
    (
        "alone",
        "{region} is the only backend of its service",
        "Nothing can be shed to anybody, so its ceiling rests.",
    ),
    (
        "no-gain",
        "what the guards left would make {after:.2%} of the requests bad (now {before:.2%})",
        "Half a move can be worse than none.",
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
        "{region} is saturated: its answer rate, {rate:.0f} req/s, is its capacity",
        "Learned by Little's law.",
    ),
    ("missing", "{signal} of {region} is missing ({why})", "Missing is neither zero nor dead."),
    (
        "adopted",
        "{region} stands at {observed}, not at {wanted}: taken over as the new starting point",
        "An edit from outside, or a write that was carried out after all.",
    ),
)

ALARMS = rows(
    Kind.ALARM,
    (
        "shortage",
        "demand of {demand:.0f} req/s exceeds the {capacity:.0f} that all regions can carry",
        "Add capacity or shed demand.",
    ),
    (
        "no-survival",
        "losing {region} would leave {left:.0f} req/s for a demand of {demand:.0f}",
        "N-1 does not hold.",
    ),
    (
        "unassigned",
        "{rate:.1f} req/s reach no backend at all",
        "INVALID_BACKEND and its like: no healthy backend.",
    ),
    (
        "slo-missed",
        "{late:.1%} of the answers took longer than {latency:g} s and {failed:.1%} failed in the last minutes: more than the SLO allows",
        "`slo`. Late by more than the percentile allows, or failed 14.4 times as often as the availability allows.",
    ),
    ("blind", "no fresh traffic data for {service}", "Nothing moves until data return."),
    (
        "outside-edit-alarm",
        "{region} was changed from outside: {observed} instead of {wanted}",
        "Two hands on one lever.",
    ),
    ("region-dead", "{region} has {healthy} of {total} endpoints healthy", "The region is down."),
    ("panic-alarm", "{bad} of {count} regions look bad or blind at once", "Measurement or catastrophe."),
)

VERDICTS = rows(
    Kind.VERDICT,
    (
        "verified",
        "{what} promised {predicted:.1%} bad requests and {observed:.1%} came",
        "The model was right enough.",
    ),
    (
        "disappointed",
        "{what} promised {predicted:.1%} bad requests but {observed:.1%} came",
        "The region rests longer.",
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
        "no set of ceilings would save enough requests (bad now {bad:.2%}, best found {best:.2%}, none gets below {least:.2%}, guards aside)",
        "`rhythm.margin`. The last number is a proof for all ceilings, by what is known of the regions; guards may allow less.",
    ),
    ("no-data", "there is no data to judge by", "Missing data never causes a move."),
    ("in-flight", "{moves} in flight", "Waiting for the effect."),
)
