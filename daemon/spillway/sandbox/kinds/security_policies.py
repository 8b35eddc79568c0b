"""Cloud Armor policies (Compute API v1 `securityPolicies`): rules by priority, and the reference that services make to them.

The sandbox checks what a policy says and who refers to it; no request of the world is refused by a rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from spillway.sandbox.kinds.base import CRUD, Action, Draft, Kind, Resource, set_labels
from spillway.sandbox.refusals import invalid, not_found, required
from spillway.sandbox.schema import BYTES, LABELS, Link, Obj, Scalar
from spillway.sandbox.shapes import published

LAST = 2147483647
"""Priority of the rule that every policy ends with (discovery: SecurityPolicy.rules)."""
_ACTIONS = re.compile(r"allow|deny\((403|404|502)\)|redirect|throttle|rate_based_ban|fairshare")
_EXCEED = re.compile(r"deny\((403|404|429|502)\)|redirect")
_LIMITED = frozenset({"throttle", "rate_based_ban", "fairshare"})
_INTERVALS = frozenset({10, 30, 60, 120, 180, 240, 270, 300, 600, 900, 1200, 1800, 2700, 3600})
_NAMED_KEYS = frozenset({"HTTP_HEADER", "HTTP_COOKIE"})
_EVERYBODY = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}}
_KIND = "compute#securityPolicyRule"

REFERENCE = Obj({"securityPolicy": Link(("securityPolicies",))})
"""Body of setSecurityPolicy and setEdgeSecurityPolicy."""


def refer(field: str, wanted: str) -> Callable[[Draft, Resource], None]:
    """A method that replaces a reference to a policy of a type; an empty body takes it away."""

    def change(draft: Draft, body: Resource) -> None:
        path = body.get("securityPolicy")
        if not path:
            draft.resource.pop(field, None)
            return
        policy = draft.view.find(path)
        if policy is None:
            raise not_found(path)
        if policy["type"] != wanted:
            raise invalid("resource.securityPolicy", path, f"The policy must be of type {wanted}.")
        draft.resource[field] = path

    return change


def check(draft: Draft) -> None:
    """Each rule is whole, priorities are apart, and the last rule is there."""
    policy = draft.resource
    if draft.before is None:
        policy.pop("labels", None)  # they are set by setLabels alone (discovery)
    rules = policy.setdefault("rules", [])
    if not any(rule.get("priority") == LAST for rule in rules):
        if draft.before is not None:
            raise invalid("resource.rules", "", f"The default rule of priority {LAST} cannot be removed.")
        rules.append(
            {"action": "allow", "priority": LAST, "match": _EVERYBODY, "description": "default rule"}
        )
    seen: set[int] = set()
    for at, rule in enumerate(rules):
        place = f"resource.rules[{at}]"
        for name in ("action", "priority", "match"):
            if name not in rule:
                raise required(f"{place}.{name}")
        if rule["priority"] in seen:
            raise invalid(
                f"{place}.priority", rule["priority"], "Cannot have rules with the same priorities."
            )
        seen.add(rule["priority"])
        _check_rule(rule, place)
    rules.sort(key=lambda rule: int(rule["priority"]))


def _check_rule(rule: Resource, place: str) -> None:
    rule["kind"] = _KIND
    rule.setdefault("preview", False)
    rule.setdefault("description", "")
    action, limit = rule["action"], rule.get("rateLimitOptions")
    if not _ACTIONS.fullmatch(action):
        raise invalid(f"{place}.action", action, "The action is not supported.")
    if (action in _LIMITED) != (limit is not None):
        raise invalid(
            f"{place}.rateLimitOptions",
            action,
            "Rate limit options must be set for throttle and rate_based_ban alone.",
        )
    if limit is None:
        return
    if limit.get("conformAction") != "allow":
        raise invalid(f"{place}.rateLimitOptions.conformAction", limit.get("conformAction"), "Must be allow.")
    if not _EXCEED.fullmatch(str(limit.get("exceedAction"))):
        raise invalid(
            f"{place}.rateLimitOptions.exceedAction",
            limit.get("exceedAction"),
            "The action is not supported.",
        )
    limit.setdefault("enforceOnKey", "ALL")
    if (limit["enforceOnKey"] in _NAMED_KEYS) != bool(limit.get("enforceOnKeyName")):
        raise invalid(
            f"{place}.rateLimitOptions.enforceOnKeyName",
            limit.get("enforceOnKeyName", ""),
            "A name goes with HTTP_HEADER and HTTP_COOKIE alone.",
        )
    threshold = limit.get("rateLimitThreshold") or {}
    if threshold.get("count", 0) <= 0:
        raise required(f"{place}.rateLimitOptions.rateLimitThreshold.count")
    if threshold.get("intervalSec") not in _INTERVALS:
        raise invalid(
            f"{place}.rateLimitOptions.rateLimitThreshold.intervalSec",
            threshold.get("intervalSec"),
            f"Must be one of [{', '.join(map(str, sorted(_INTERVALS)))}].",
        )


def _priority(body: Resource) -> int:
    given = body.pop("?priority", None)
    if given is None or not str(given).isdigit():
        raise required("priority")
    return int(given)


def _position(draft: Draft, priority: int) -> int:
    for at, rule in enumerate(draft.resource["rules"]):
        if rule["priority"] == priority:
            return at
    raise invalid("priority", priority, "There is no rule of this priority.")


def add_rule(draft: Draft, body: Resource) -> None:
    """addRule: one more."""
    draft.resource["rules"].append(body)


def patch_rule(draft: Draft, body: Resource) -> None:
    """patchRule: what the body names replaces what the rule of the priority has."""
    at = _position(draft, _priority(body))
    draft.resource["rules"][at] |= body


def remove_rule(draft: Draft, body: Resource) -> None:
    """removeRule: that of the priority."""
    del draft.resource["rules"][_position(draft, _priority(body))]


_RULE = published("SecurityPolicyRule", {"priority": Scalar("int32", low=0, high=LAST)})

SECURITY_POLICIES = Kind(
    collection="securityPolicies",
    singular="securityPolicy",
    list_kind="compute#securityPolicyList",
    linked_lists=False,
    aggregated_kind="compute#securityPoliciesAggregatedList",
    verbs=CRUD | {"patch", "aggregatedList"},
    fingerprint=True,
    labelled=True,
    shape=published("SecurityPolicy", {"rules.priority": Scalar("int32", low=0, high=LAST)}),
    defaults={"description": "", "type": "CLOUD_ARMOR"},
    check=check,
    actions=(
        Action(name="addRule", body=_RULE, change=add_rule, request_id=False),
        Action(
            name="patchRule",
            body=_RULE,
            change=patch_rule,
            request_id=False,
            query=frozenset({"priority", "updateMask"}),
        ),
        Action(
            name="removeRule", body=None, change=remove_rule, request_id=False, query=frozenset({"priority"})
        ),
        Action(
            name="setLabels",
            body=Obj({"labels": LABELS, "labelFingerprint": BYTES}),
            change=set_labels,
            request_id=False,
        ),
    ),
)
