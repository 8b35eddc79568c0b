"""The engine with eyes: before each call it looks at what others have set, and no write takes that away.

The look comes before the program is evaluated, also before a second attempt, so that what somebody sets between two
attempts is kept too. What somebody sets between look and write is met by the fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from spillway.adapters.drift.certificate_change import CertificateStep, Target, step_of
from spillway.adapters.drift.certificate_change import Standing as CertificatesStanding
from spillway.adapters.drift.certificates import standing_of, targets
from spillway.adapters.drift.compare import Standing
from spillway.adapters.drift.last_wanted import LastWanted
from spillway.adapters.drift.reader import Body, PartReader
from spillway.adapters.drift.survey import CERTIFICATES, Ownership, Survey, since_key, survey
from spillway.adapters.drift.wanted import WantedPart, wanted_parts
from spillway.adapters.engine.provider.diff import DiffKind, compare
from spillway.adapters.engine.provider.kinds_backend import BACKEND_SERVICE
from spillway.adapters.engine.provider.kinds_frontend import HTTPS_PROXY
from spillway.adapters.program.build import build
from spillway.adapters.program.frontends import https_frontends
from spillway.adapters.program.kept import Kept, Shown
from spillway.config import names
from spillway.config.model import Config
from spillway.core.values.drift import CertificateWait, DriftReport, HeldPart
from spillway.core.values.overlay import Overlay
from spillway.core.values.policy import DriftAnswer
from spillway.errors import PermanentError, SpillwayError
from spillway.ports import Applied, Deployer, Outcome, Preview

Program = Callable[[], None]
_GOOD = frozenset({Outcome.DONE, Outcome.UNCHANGED})


class Surveyor:
    """Looks at all parts of one configuration, and makes programs that leave alone what it has found."""

    def __init__(
        self, config: Config, reader: PartReader, last: LastWanted, *, decides: bool, now: Callable[[], float]
    ) -> None:
        """Take the parts.

        Args:
            config: what should stand.
            reader: reads what stands.
            last: what was last built.
            decides: a build is a person's word: what has drifted is written back then.
            now: UTC seconds.
        """
        self._config = config
        self._reader = reader
        self._now = now
        self._decides = decides
        self._ownership = Ownership(config, last)
        self._known: dict[str, Body | None] = {}
        """What the last look that could read a part has found."""
        self._wanted: tuple[Overlay, Mapping[str, Shown], tuple[WantedPart, ...]] | None = None
        self._steps: Mapping[str, CertificateStep] = {}
        """By HTTPS frontend: what becomes of its certificates."""
        self._shown: Mapping[str, Shown] = {}
        """What the frontends show in the call under way, where it is not what the configuration says."""
        self.last = last
        self.seen: Survey | None = None
        """The newest look."""
        self.building = False
        """True while the call under way is a build."""

    def close(self) -> None:
        """Let go of connections."""
        self._reader.close()

    def parts(self, overlay: Overlay) -> tuple[WantedPart, ...]:
        """All parts that the program declares, as if nobody else had set anything; `look_at_certificates` comes first.

        Raises:
            SpillwayError: the program cannot be evaluated.
        """
        if self._wanted is None or self._wanted[:2] != (overlay, self._shown):
            parallel = self._config.daemon.engine.parallel
            program = build(self._config, overlay, Kept(certificates=self._shown))
            self._wanted = overlay, self._shown, wanted_parts(program, parallel=parallel)
        return self._wanted[2]

    def look_at_certificates(self, *, moves_on: bool) -> None:
        """Read what the HTTPS frontends show, and settle what they are to show in the call that begins.

        Args:
            moves_on: take the next step where one is due; False leaves all as it is attached.

        Raises:
            SpillwayError: it cannot be read, and was never read before: nobody knows whether HTTPS would fail.
        """
        self.last.load()
        wanted = tuple(targets(self._config))
        if not wanted:
            return
        try:
            standing = standing_of(self._config, self._reader, wanted)
        except SpillwayError:
            if not self._steps:
                raise
        else:
            known = {name for token in CERTIFICATES for name, _ in self.last.of_kind(token)}
            maps = {inputs.get("certificateMap") for _, inputs in self.last.of_kind(HTTPS_PROXY.token)}
            self._steps = {
                target.frontend: step_of(
                    target,
                    _without_foreign_map(standing[target.frontend], target, maps),
                    lambda name: name in known or names.is_hashed(name, self._config.name),
                )
                for target in wanted
            }
        settled = {name: step.next if moves_on else step.held for name, step in self._steps.items()}
        self._shown = {name: shown for name, shown in settled.items() if shown is not None}

    @property
    def later(self) -> tuple[str, ...]:
        """What becomes of certificates that are being replaced, in sentences."""
        return tuple(told for step in self._steps.values() for told in step.told)

    def look(self, overlay: Overlay) -> Survey:
        """Read every part; one that cannot be read is a problem of the report.

        Raises:
            SpillwayError: the program cannot be evaluated, or nobody knows what the HTTPS frontends show.
        """
        self.look_at_certificates(moves_on=False)
        parts = self.parts(overlay)
        reads = self._reader.read(part.path for part in parts)
        found = self._with_steps(survey(parts, reads, self._ownership, self.last, self._now()))
        self._known |= {path: read for path, read in reads.items() if not isinstance(read, SpillwayError)}
        self.last.forget_since(
            [
                *(since_key(drift) for drift in found.report.drifts),
                *(_waiting_key(name) for name, step in self._steps.items() if step.lacking),
            ]
        )
        self.seen = found
        return found

    def _with_steps(self, found: Survey) -> Survey:
        """The survey with what is due of certificates that are being replaced, and what that waits for."""
        limits = {name: https.certificates.alarm_after for name, https in https_frontends(self._config)}
        waits = tuple(
            CertificateWait(
                name=f"the certificate map of {name}",
                since=self.last.since(_waiting_key(name), found.report.at),
                limit=limits[name],
                missing="; ".join(step.lacking),
            )
            for name, step in self._steps.items()
            if step.lacking
        )
        due = " ".join(told for step in self._steps.values() if step.is_due for told in step.told)
        report = replace(found.report, waits=(*found.report.waits, *waits), certificate_step=due)
        return replace(found, report=report)

    def program(self, overlay: Overlay) -> Program:
        """The program that leaves alone what stands when it is run.

        An engine that refreshes its state does so before it runs the program. So the look is never older than the
        fingerprints in the state: what somebody sets after the look is met by a fingerprint.

        Raises:
            SpillwayError: the program cannot be evaluated.
        """
        parts = self.parts(overlay)

        def program() -> None:
            build(self._config, overlay, self._kept(parts))()

        return program

    def _kept(self, parts: tuple[WantedPart, ...]) -> Kept:
        """What the program must leave as it stands now.

        Raises:
            SpillwayError: a backend service cannot be read, and was never read before; or what is to be taken over stands
                otherwise than the configuration says.
        """
        reads = self._reader.read(part.path for part in parts)
        for part in parts:
            read = reads[part.path]
            is_known = part.path in self._known or self.last.built(part) is None
            if isinstance(read, SpillwayError) and _is_service(part) and not is_known:
                raise read
        # What cannot be read now stands as it was last seen: a write of something else must not wait for it.
        known = {
            path: self._known.get(path) if isinstance(read, SpillwayError) and path in self._known else read
            for path, read in reads.items()
        }
        self._known |= {path: read for path, read in known.items() if not isinstance(read, SpillwayError)}
        self.seen = survey(parts, known, self._ownership, self.last, self._now())
        self._refuse_what_import_would_change(self.seen)
        return replace(self.seen.kept(self.written), certificates=self._shown)

    def _refuse_what_import_would_change(self, found: Survey) -> None:
        """The CLI imports what differs all the same, and then changes it (measured); a take-over changes nothing.

        Raises:
            PermanentError: a part that is to be taken over stands otherwise.
        """
        for part in found.standing:
            new = part.wanted.part in self._ownership.existing and self.last.built(part.wanted) is None
            if new and part.live is not None and part.differences:
                kind, name = part.wanted.kind.words, part.wanted.name
                told = ", ".join(difference.path for difference in part.differences)
                raise PermanentError(
                    f"the {kind} {name} stands otherwise than the configuration says, so it is not taken over: {told}",
                    remedy="Write into the configuration what stands, or let `spillway adopt` write it.",
                )

    @property
    def written(self) -> frozenset[DriftAnswer]:
        """Answers by which drift is written back now. A quick adjustment writes none back: it was asked for something else."""
        if not self.building:
            return frozenset()
        return frozenset({DriftAnswer.REVERT, *([DriftAnswer.ALARM] if self._decides else [])})


@runtime_checkable
class Holder(Protocol):
    """An engine that tells what its state holds, and can let go of it."""

    def resources(self) -> tuple[str, ...]:
        """Kind and name of all that the state holds."""
        ...

    def forget(self) -> tuple[str, ...]:
        """Let go of all that; kind and name of each."""
        ...


class GuardedDeployer:
    """`ports.Deployer` around an engine."""

    def __init__(self, engine: Deployer, surveyor: Surveyor) -> None:
        """`engine` takes its programs from `surveyor.program`."""
        self._engine = engine
        self._surveyor = surveyor
        self.kind = engine.kind

    def close(self) -> None:
        """Close the engine, and the connections of the look."""
        close: Any = getattr(self._engine, "close", None)
        if close is not None:
            close()
        self._surveyor.close()

    def survey(self, overlay: Overlay) -> Survey:
        """All that a look at the parts shows; raises as `look`."""
        return self._surveyor.look(overlay)

    def look(self, overlay: Overlay) -> DriftReport:
        """What stands beside what (config, overlay) say; see `ports.Deployer`."""
        return self._surveyor.look(overlay).report

    def preview(self, overlay: Overlay) -> Preview:
        """What `build` would change, and what it leaves alone; see `ports.Deployer`."""
        self._surveyor.building = True
        try:
            self._surveyor.look_at_certificates(moves_on=True)
            preview = self._engine.preview(overlay)
        finally:
            self._surveyor.building = False
        seen = self._surveyor.seen
        later = self._surveyor.later
        if seen is None:
            return replace(preview, later=later)
        report = seen.report
        return replace(preview, kept=report.kept, drift=report.drifts, held=report.held, later=later)

    def build(self, overlay: Overlay) -> Applied:
        """See `ports.Deployer`."""
        self._surveyor.building = True
        try:
            return self._write(self._engine.build, overlay)
        finally:
            self._surveyor.building = False

    def apply(self, overlay: Overlay) -> Applied:
        """See `ports.Deployer`."""
        return self._write(self._engine.apply, overlay)

    def destroy(self) -> Applied:
        """See `ports.Deployer`."""
        applied = self._engine.destroy()
        if applied.outcome in _GOOD:
            self._surveyor.last.clear()
        return applied

    def resources(self) -> tuple[str, ...]:
        """Kind and name of all that the engine's state holds.

        Raises:
            SpillwayError: it cannot be read.
        """
        return self._holder.resources()

    def forget(self) -> tuple[str, ...]:
        """Let go of all that the state holds, and leave it as it stands in the cloud; kind and name of each.

        Raises:
            SpillwayError: the state belongs to another name, or cannot be read or written.
        """
        let_go = self._holder.forget()
        self._surveyor.last.clear()
        return let_go

    @property
    def _holder(self) -> Holder:
        if isinstance(self._engine, Holder):
            return self._engine
        raise PermanentError(f"the engine {self.kind} tells nothing of its state")

    def recover(self) -> str | None:
        """See `ports.Deployer`."""
        return self._engine.recover()

    def outputs(self) -> dict[str, str]:
        """See `ports.Deployer`."""
        return self._engine.outputs()

    def _write(self, act: Callable[[Overlay], Applied], overlay: Overlay) -> Applied:
        surveyor = self._surveyor
        try:
            surveyor.look_at_certificates(moves_on=surveyor.building)
            parts = surveyor.parts(overlay)
        except SpillwayError as error:
            return _unbegun(error)
        surveyor.last.begin(parts)
        applied = act(overlay)
        seen = surveyor.seen
        if applied.outcome not in _GOOD or seen is None:
            return applied
        surveyor.last.finish(parts, but=seen.held)
        if surveyor.building and surveyor.later:
            applied = replace(
                applied, sentence=" ".join([f"{applied.sentence.rstrip('.')}.", *surveyor.later])
            )
        left_out = _left_out(seen)
        splits = seen.unwritten_splits(surveyor.written)
        return _without(applied, left_out, splits) if left_out or splits else applied


def _waiting_key(frontend: str) -> str:
    return f"certificate map of {frontend}"


def _without_foreign_map(
    standing: CertificatesStanding | None, target: Target, built: Collection[object]
) -> CertificatesStanding | None:
    """What stands, without a map that somebody else has attached: that is drift, and no step of ours."""
    if standing is None or standing.certificate_map in {None, target.certificate_map}:
        return standing
    is_ours = not built or standing.certificate_map in built
    return (
        standing if is_ours or target.certificate_map is not None else replace(standing, certificate_map=None)
    )


def _is_service(part: WantedPart) -> bool:
    return part.token == BACKEND_SERVICE.token


def _unbegun(error: SpillwayError) -> Applied:
    words = f"{error}; nothing was changed. {error.remedy}".strip()
    return Applied(outcome=Outcome.REFUSED, sentence=words)


def _left_out(seen: Survey) -> tuple[HeldPart, ...]:
    """One finding for each part that was not written although something of it, or of its service, was wanted."""
    wanting = [part.wanted for part in seen.standing if _wants_more(part, seen)]
    services = {seen.ownership.service(part) for part in wanting} - {None}
    names = {(part.kind.words, part.shown) for part in wanting}
    found = {
        (held.kind, held.name): held
        for held in reversed(seen.report.held)
        if held.service in services or (held.kind, held.name) in names
    }
    return tuple(found[key] for key in sorted(found))


def _wants_more(part: Standing, seen: Survey) -> bool:
    """Whether the program wants something else of a part than what stands, levers included."""
    wanted = part.wanted
    if part.live is None:
        return False
    compared = compare(wanted.kind, wanted.spoken, part.props, wanted.spoken, wanted.ignore).differences
    drifted = {difference.path for difference in seen.ownership.drifts(part)}
    attached = [f"backends[{n}]" for n, b in enumerate(part.props.get("backends") or ()) if b in part.groups]
    return any(
        d.path not in drifted and not (d.change is DiffKind.DELETE and d.path in attached) for d in compared
    )


def _without(
    applied: Applied, left_out: tuple[HeldPart, ...], splits: tuple[tuple[str, str], ...]
) -> Applied:
    """The result with the parts that were left out: refused as a whole where nothing else was written."""
    told = " ".join([*(held.sentence for held in left_out), *dict.fromkeys(f"{why}." for _, why in splits)])
    refused = tuple((held.service, held.sentence) for held in left_out if held.service is not None)
    refused += splits
    if applied.outcome is Outcome.UNCHANGED:
        return replace(applied, outcome=Outcome.REFUSED, sentence=told, refused=refused)
    return replace(applied, sentence=f"{applied.sentence}. {told}", refused=refused)
