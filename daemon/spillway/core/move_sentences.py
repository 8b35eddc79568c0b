"""The sentences behind the codes of moves: what is done to a region, and why."""

from __future__ import annotations

from spillway.core.template import Kind, rows

MOVES = rows(
    Kind.MOVE,
    (
        "shed-overload",
        "{region} gets {load:.0f} req/s and can take {capacity:.0f}: lower its ceiling so that {to:.0f} stay and the rest goes where there is room; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
        "More arrives than the region can answer within the SLO. Add capacity there if it happens daily.",
    ),
    (
        "cap-receiver",
        "{region} can take {capacity:.0f} req/s and gets what others shed: its ceiling lets {room:.0f} in; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
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
        "{region} refuses {refused:.1%} of its requests with 429 and accepts {accepted:.0f} req/s: cap it at that; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
        "A quota or rate limit, not ill health. Raise the quota or lower the region's target.",
    ),
    (
        "make-room",
        "{region} can take more: raise its ceiling for what other regions shed; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
        "Part of a move that relieves another region.",
    ),
    (
        "sacrifice",
        "all regions together are short by {short:.0f} req/s: keep the overload in {sacrificed} and the others whole; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
        "There is not enough capacity anywhere. Add some, or shed demand at the source.",
    ),
    (
        "share-shortage",
        "all regions together are short by {short:.0f} req/s: share the overload evenly, as the policy says",
        "There is not enough capacity anywhere, and the policy says `shortage: share`.",
    ),
    (
        "restore",
        "{region} has been well for {well:.0f} s: raise its ceiling one step; expected bad requests stay at {bad_after:.1%}",
        "The way back after a fault, one step at a time.",
    ),
    (
        "revert-edit",
        "somebody else lowered the ceiling of {region}, which is well: put it back; expected bad requests {bad_before:.1%} -> {bad_after:.1%}",
        "An edit from outside is left alone for one dwell, unless it takes what the service cannot spare.",
    ),
    (
        "foresee",
        "demand grows from {demand:.0f} towards {expected:.0f} req/s: raise the ceiling of {region} before the others are full",
        "A region is opened in steps that rest in between; one that begins when the others are full ends too late.",
    ),
    (
        "probe",
        "{region} was emptied {empty:.0f} s ago and its health checks pass: let a tenth back in to see how it does",
        "With no traffic there is no latency to judge by; this tries with the least that Google allows.",
    ),
    (
        "drain-dead",
        "{region} has {healthy} of {total} endpoints healthy and Google's auto-drain does not cover it: drain it",
        "The region is down. Google's own drain is off in this posture, or already holds half of the groups.",
    ),
    (
        "undo",
        "the move in {region} {ago:.0f} s ago promised {predicted:.1%} bad requests and {observed:.1%} came: put it back, once",
        "The model was wrong about this region; it learns, and the region rests longer.",
    ),
    (
        "posture",
        "headroom is {headroom:.0%}",
        "Plenty of room spills early; scarce room avoids cascades.",
    ),
    (
        "join-forecast",
        "forecast headroom is {headroom:.0%} ({forecast:.0f} req/s expected, the open regions carry {capacity:.0f}): standby {region} joins",
        "A standby region comes in before the shortage.",
    ),
    (
        "join-home",
        "home region {home} cannot carry its load ({why}): failover region {region} joins",
        "The pinned service outlives its region.",
    ),
    (
        "join-planned-end",
        "planned work in {region} is over: it joins again",
        "By the policy's calendar.",
    ),
    (
        "leave-idle",
        "headroom without {region} has been above {above:.0%} for {since:.0f} s: it leaves; its ceiling goes to 0 first",
        "The standby region is no longer needed.",
    ),
    (
        "leave-detach",
        "{region} has been empty for {empty:.0f} s: detach it",
        "Second half of a leave: nothing is in flight there any more.",
    ),
    (
        "drain-planned",
        'planned work in {region} ("{why}") begins in {lead:.0f} s: drain it',
        "By the policy's calendar.",
    ),
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
)
