"""A policy to try: a YAML file with the keys of one entry of `policies`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from spillway.config.check import check_model, in_order
from spillway.config.draft import POLICIES, draft
from spillway.config.rules import policies as rules
from spillway.config.source import Source, dotted, read
from spillway.config.tree import Location
from spillway.core.values.policy import Policy
from spillway.errors import ConfigError, Problem
from spillway.sim.pilot.pilot import policy_for
from spillway.sim.setup import Setup

_AT: Location = (*POLICIES, "default")


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPolicy:
    """A policy from a file, and which sections the file speaks about."""

    policy: Policy
    given: frozenset[str]

    def fit(self, setup: Setup) -> Policy:
        """The policy for one scenario, whose promise and delays hold where the file has no `slo` or `timing`."""
        fitted = policy_for(setup)
        return replace(
            self.policy,
            mode=fitted.mode,
            slo=self.policy.slo if "slo" in self.given else fitted.slo,
            timing=self.policy.timing if "timing" in self.given else fitted.timing,
        )


def load_policy(path: Path) -> GivenPolicy:
    """Read and check a policy file.

    Raises:
        ConfigError: with every mistake and its line, those between keys among them.
    """
    source = read(path)
    policy, problems = check_model(Policy, source)
    found = in_order((*problems, *_between_keys(source)))
    if policy is None or found:
        raise ConfigError(found)
    return GivenPolicy(policy=policy, given=frozenset(source.data))


def _between_keys(source: Source) -> list[Problem]:
    """What the rules of a whole configuration say about the policy, in the places of this file."""
    if source.data is None:
        return []
    nested = Source(
        path=source.path,
        data={POLICIES[0]: {_AT[-1]: source.data}},
        places={(*_AT, *location): place for location, place in source.places.items()},
        problems=(),
        files=source.files,
        digest=source.digest,
    )
    judged = draft(nested)
    rules.check(judged)
    prefix = f"{dotted(_AT)}."
    return [
        Problem(
            file=p.file, line=p.line, path=p.path.removeprefix(prefix), message=p.message, remedy=p.remedy
        )
        for p in judged.problems
    ]
