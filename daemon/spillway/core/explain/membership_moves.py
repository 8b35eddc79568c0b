"""The reasons of joins, leaves, attachments and detachments: the part of the table of reasons that speaks of membership."""

from __future__ import annotations

from spillway.core.explain.templates import Kind, rows
from spillway.core.values.decision import Lever

MEMBERSHIP_MOVES = rows(
    Kind.MOVE,
    (
        "join-forecast",
        "forecast headroom is {headroom:.0%} ({forecast:.0f} requests/s expected, the open regions carry {capacity:.0f}): standby {region} joins",
        "A standby region comes in before the shortage.",
    ),
    (
        "join-home",
        "home region {home} cannot carry its load ({why}): failover region {region} joins",
        "The pinned service outlives its region.",
    ),
    (
        "join-stuck",
        "no set of the open regions leaves fewer than {bad:.1%} of the requests bad: standby {region} joins",
        "What serves is ill, and a standby region may be well.",
    ),
    (
        "join-for-ill",
        "standby {region} joins: {bad:.1%} of the answers of {other} are bad, and it cannot leave before another region serves ({guard})",
        "The region that fails leaves once the standby can be sent load.",
    ),
    (
        "probe-attach",
        "{region} was detached {empty:span} ago and {why}: attach it to see how it does",
        "It has no scaler, so all of its load comes back at once. The way back needs more time and a surer hope than a tenth does.",
    ),
    (
        "attach-for-room",
        "attach {region} for what other regions give up; expected bad requests {bad_before:.1%} -> {bad_after:.1%}{alternative}",
        "Part of a move that relieves another region.",
    ),
    (
        "attach-ahead",
        "demand grows from {demand:.0f} towards {expected:.0f} requests/s: attach {region} before the others are full",
        "A region that is attached when the others are full comes too late.",
    ),
    (
        "leave-unneeded",
        "{region} has not been needed for {since:span}: it is detached",
        "The standby region has no scaler that could go to 0 first; Google lets its requests end as it does at any removal.",
    ),
    (
        "join-planned-end",
        "planned work in {region} is over: it joins again",
        "By the policy's calendar.",
    ),
    (
        "join-for-drain",
        "standby {region} joins: {other} is to be empty, and the others have too little room",
        "Part of a drain that people want. The standby leaves by rule when it is no longer needed.",
    ),
    (
        "leave-idle",
        "headroom without {region} has been above {above:.0%} for {since:span}: it leaves; its ceiling goes to 0 first",
        "The standby region is no longer needed.",
    ),
    (
        "leave-detach",
        "{region} has been empty for {empty:span}: detach it",
        "Second half of a leave: nothing is in flight there any more.",
    ),
    (
        "drain-planned",
        'planned work in {region} ("{why}") begins in {lead:span}: drain it',
        "By the policy's calendar.",
    ),
    lever=Lever.MEMBERSHIP,
)
