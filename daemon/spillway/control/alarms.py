"""The book of alarms: which of those that are seen are up, since when, who has silenced them, and what is news.

An alarm comes up once it was seen for as long as its row in the table of reasons asks, without a pass in between that did not see
it; it is over once it was not seen for as long as the row asks. So what changes for one tick is no news, and what was judged over
minutes, or is a fact, is told at once. `since` is the first pass that saw it. Restarts change none of this.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from spillway.core.explain.reasons import ALARMS, alarm
from spillway.core.values.alarms import (
    RANK,
    ActiveAlarm,
    Alarm,
    AlarmKey,
    Severity,
    Silence,
    silenced_until,
)
from spillway.core.values.snapshot import Absence, Missing, Snapshot

RUNBOOK = "docs/runbook.md"
"""The runbook, where the configuration names no other place: a page of the documentation."""
MOST_ALARMS = 1000
"""Alarms that are kept at the same time, the most urgent first. Each takes some 300 bytes of the state file."""
MENTION_SECONDS = 3600.0
"""Seconds for which something that happened once, such as a lost line, stays up as an alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAlarm:
    """What survives a restart of an alarm that is up or may come up. Times are UTC seconds."""

    code: str
    service: str
    region: str | None
    part: str
    sentence: str
    """The newest."""
    since: float
    """The first pass that saw it."""
    gone: float | None = None
    """The first pass after that did not see it; None where the newest did."""
    up: bool = False
    told: bool = False
    """Whether the webhooks were given it."""

    @property
    def key(self) -> AlarmKey:
        """Its identity."""
        return AlarmKey(self.code, self.service, self.region, self.part)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmNews:
    """What one pass has changed."""

    raised: tuple[ActiveAlarm, ...] = ()
    """What has come up: for log and journal, silenced or not."""
    ended: tuple[ActiveAlarm, ...] = ()
    """What is over, with its last sentence."""
    firing: tuple[ActiveAlarm, ...] = ()
    """What the webhooks are to tell: up, not silenced, and not told before."""
    resolved: tuple[ActiveAlarm, ...] = ()
    """What is over and was told; silenced or not, because it closes what the first message has opened."""


def follow(
    kept: Iterable[KeptAlarm],
    seen: Mapping[AlarmKey, Alarm],
    at: float,
    only: Collection[AlarmKey] | None = None,
) -> tuple[KeptAlarm, ...]:
    """What is kept after a pass at UTC second `at` that saw these; what is over is left out.

    Args:
        kept: As it was before.
        seen: What the pass saw, by identity.
        at: UTC seconds of the pass.
        only: The alarms that the pass can see at all; None for all.
    """
    after, known = [], set()
    for each in kept:
        row = ALARMS.get(each.code)
        if row is None:
            continue  # a later version's, or one that is gone from the table
        known.add(each.key)
        if only is not None and each.key not in only:
            after.append(each)
            continue
        since = min(each.since, at)  # where the clock was set back, it began just now
        found = seen.get(each.key)
        if found is not None:
            up = each.up or at - since >= row.pace.rise
            after.append(replace(each, since=since, gone=None, up=up, sentence=found.sentence))
            continue
        gone = at if each.gone is None else min(each.gone, at)
        if each.up and at - gone < row.pace.fall:
            after.append(replace(each, since=since, gone=gone))
    for key, found in seen.items():
        if key not in known:
            up = ALARMS[key.code].pace.rise <= 0.0
            after.append(KeptAlarm(**key._asdict(), sentence=found.sentence, since=at, up=up))
    if len(after) <= MOST_ALARMS:
        return tuple(after)
    return tuple(sorted(after, key=_urgency)[:MOST_ALARMS])


def _urgency(each: KeptAlarm) -> tuple[int, float, str, str, str]:
    """The most urgent first, then the oldest."""
    rank = RANK[ALARMS[each.code].severity]
    return rank, each.since, each.service, each.region or "", each.code


class AlarmBook:
    """Keeps the alarms of one daemon. Written by the thread of the loop; `active` may be called from any thread.

    Args:
        load_balancer: `name` of the configuration.
        runbook: where the runbook is: a path or a URL.
        telling: severities that some webhook tells of.
    """

    def __init__(
        self,
        load_balancer: str = "",
        *,
        runbook: str = RUNBOOK,
        telling: Collection[Severity] = (),
    ) -> None:
        self._load_balancer = load_balancer
        self._runbook = runbook
        self._telling = frozenset(telling)
        self._own: dict[AlarmKey, tuple[Alarm, float | None]] = {}
        """What the daemon says of itself, and until when; None until it takes it back."""
        self._announced: dict[AlarmKey, ActiveAlarm] = {}
        """What was up at the last news."""
        self.kept: tuple[KeptAlarm, ...] = ()
        """What is to survive a restart."""

    def restore(self, kept: Iterable[KeptAlarm], at: float) -> None:
        """Go on with what the last process has kept; what was up is no news.

        Args:
            kept: Of two with the same identity the later one counts.
            at: UTC seconds; what began later, by a clock that was wrong, begins now.
        """
        known = {each.key: each for each in kept if each.code in ALARMS and each.since >= 0.0}
        self.kept = tuple(
            replace(
                each,
                since=min(each.since, at),
                gone=None if each.gone is None else min(each.gone, at),
            )
            for each in known.values()
        )
        self._announced = {each.key: self._shown(each, None) for each in self.kept if each.up}

    def set(self, raised: Alarm, at: float, *, seconds: float | None = None) -> None:
        """The daemon says something of itself at UTC second `at`, for `seconds` or until it clears it."""
        until = None if seconds is None else at + seconds
        self._own[raised.key] = raised, until
        self.kept = follow(self.kept, {raised.key: raised}, at, only=(raised.key,))

    def clear(self, code: str, at: float) -> None:
        """The daemon takes back what it says of itself under `code`."""
        keys = [each.key for each in self.kept if each.code == code]
        for key in keys:
            self._own.pop(key, None)
        self.kept = follow(self.kept, {}, at, only=keys)

    def update(
        self,
        seen: Iterable[Alarm],
        at: float,
        silences: Iterable[Silence] = (),
        *,
        blind_to: Collection[str] = (),
    ) -> AlarmNews:
        """Take in one pass; what it has changed.

        Args:
            seen: All alarms that the pass saw; what the daemon says of itself is added.
            at: UTC seconds of the pass.
            silences: Those in force.
            blind_to: Codes of alarms that the pass cannot see: they stay as they are.
        """
        silences = tuple(silences)
        self._own = {key: said for key, said in self._own.items() if said[1] is None or said[1] > at}
        all_seen = {each.key: each for each in (*seen, *(said for said, _ in self._own.values()))}
        before = {each.key: each for each in self.kept}
        only = [each.key for each in self.kept if each.code not in blind_to]
        kept = follow(self.kept, all_seen, at, only=only)
        # 1. what log and journal tell
        up = {each.key: each for each in kept if each.up}
        shown = {key: self._shown(each, silenced_until(silences, key, at)) for key, each in up.items()}
        raised = tuple(shown[key] for key in shown if key not in self._announced)
        ended = tuple(found for key, found in self._announced.items() if key not in shown)
        # 2. what the webhooks tell: each alarm once, and its end where its beginning was told
        firing = tuple(
            found
            for key, found in shown.items()
            if not up[key].told and not found.silenced and found.severity in self._telling
        )
        told = {found.key for found in firing}
        resolved = tuple(found for found in ended if (was := before.get(found.key)) and was.told)
        self.kept = tuple(replace(each, told=True) if each.key in told else each for each in kept)
        self._announced = shown
        return AlarmNews(
            raised=_sorted(raised), ended=_sorted(ended), firing=_sorted(firing), resolved=_sorted(resolved)
        )

    def active(self, at: float, silences: Iterable[Silence] = ()) -> tuple[ActiveAlarm, ...]:
        """All that are up at UTC second `at`, the most urgent first."""
        silences = tuple(silences)
        return _sorted(
            self._shown(each, silenced_until(silences, each.key, at)) for each in self.kept if each.up
        )

    def _shown(self, each: KeptAlarm, silenced: float | None) -> ActiveAlarm:
        return ActiveAlarm(
            code=each.code,
            severity=ALARMS[each.code].severity,
            load_balancer=self._load_balancer,
            service=each.service,
            region=each.region,
            part=each.part,
            since=each.since,
            sentence=each.sentence,
            runbook=f"{self._runbook}#{each.code}",
            silenced_until=silenced,
        )


def _sorted(alarms: Iterable[ActiveAlarm]) -> tuple[ActiveAlarm, ...]:
    return tuple(
        sorted(alarms, key=lambda a: (RANK[a.severity], a.since, a.service, a.region or "", a.code, a.part))
    )


_UNREAD = frozenset({Absence.QUERY_FAILED, Absence.PARTIAL, Absence.STALE})
"""Why a listing has no value although it was asked for."""


def cloud_alarms(snapshot: Snapshot) -> Iterator[Alarm]:
    """The alarm that no backend of any service could be listed; none where nothing is built yet."""
    listed = [backend.observed for view in snapshot.services for backend in view.backends]
    unread = [seen for seen in listed if isinstance(seen, Missing) and seen.absence in _UNREAD]
    if unread and len(unread) == len(listed):
        why = unread[0].detail or "; ".join(snapshot.problems) or "no answer"
        yield alarm("cloud-unreadable", why=why)


class LossWatch:
    """Raises an alarm of the daemon about something that is counted as it is lost.

    Args:
        code: of the alarm; its sentence needs `count`, and may need `why`.
        count: how much was lost since the start.
        why: what the newest loss was about; empty where there is nothing to say.
    """

    def __init__(self, code: str, count: Callable[[], int], why: Callable[[], str] = str) -> None:
        self._code = code
        self._count = count
        self._why = why
        self._known = 0

    def check(self, book: AlarmBook, at: float) -> None:
        """Look whether something was lost since the last look, at UTC second `at`."""
        count = self._count()
        if count > self._known:
            self._known = count
            book.set(alarm(self._code, count=count, why=self._why()), at, seconds=MENTION_SECONDS)
