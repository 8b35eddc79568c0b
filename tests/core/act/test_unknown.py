"""Writes whose outcome nobody told: what is observed says what became of them, before anything else is decided."""

from __future__ import annotations

from itertools import pairwise

import pytest
import yaml
from tests.bench.library import FOLDER
from tests.bench.varied import varied
from tests.core.pictures import AT, flight_of

from spillway.core.act.reconcile import LATE, Reading, Reconciled, reconcile
from spillway.core.values.decision import Lever, Move, Reason
from spillway.core.values.overlay import BackendSetting, Posture, ServiceSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    Missing,
    ObservedBackend,
    ObservedPolicy,
    Seen,
    ServiceView,
)
from spillway.core.values.state import Flight, ServiceMemory
from spillway.core.values.topology import Preference
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run
from spillway.sim.scenario import Scenario
from spillway.sim.setup import build


def resolved(observed: Seen[ObservedPolicy] | Missing) -> Reconciled:
    """A change from normal to guarded was written a minute ago, and nobody answered."""
    move = Move(
        service="pool",
        region=None,
        lever=Lever.POSTURE,
        before="normal",
        after="guarded",
        reason=Reason(code="posture", sentence="a test wanted it"),
    )
    flight = Flight(
        move=move,
        lever=Lever.POSTURE,
        region=None,
        before=0.0,
        after=0.0,
        made_at=AT - 60.0,
        predicted=0.0,
        otherwise=0.0,
        seen=0.0,
        demand=100.0,
    )
    memory = ServiceMemory(service="pool", unknown=(flight,), posture_wanted=Posture.GUARDED)
    setting = ServiceSetting(service="pool", posture=Posture.NORMAL, backends=())
    view = ServiceView(
        service="pool",
        backends=(),
        policy=observed,
        places=Missing(absence=Absence.NOT_ASKED),
        unassigned=Missing(absence=Absence.NOT_ASKED),
    )
    return reconcile(setting, memory, view, Policy(), Reading(at=AT))


def stands(failover_threshold: int) -> Seen[ObservedPolicy]:
    return Seen(
        value=ObservedPolicy(failover_threshold=failover_threshold, auto_drain=True), age=1.0, evidence=1
    )


def test_a_posture_that_was_written_after_all_is_in_force() -> None:
    found = resolved(stands(Policy().postures.guarded.failover_threshold))
    assert found.setting.posture is Posture.GUARDED
    assert (found.memory.posture_at, found.memory.posture_wanted) == (AT - 60.0, None)
    assert (found.memory.unknown, len(found.memory.flights)) == ((), 1)


def test_a_posture_that_was_not_written_is_forgotten() -> None:
    found = resolved(stands(Policy().postures.normal.failover_threshold))
    assert found.setting.posture is Posture.NORMAL
    assert found.memory.unknown == found.memory.flights == ()


def test_what_cannot_be_read_stays_unknown() -> None:
    found = resolved(Missing(absence=Absence.QUERY_FAILED))
    assert found.setting.posture is Posture.NORMAL
    assert len(found.memory.unknown) == 1


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_is_written_again_and_again_while_nobody_answers(number: int) -> None:
    drawn = varied(yaml.safe_load((FOLDER / "write-unknown.yaml").read_text(encoding="utf-8")), number)
    pilot = Pilot()
    Run(build(Scenario.model_validate(drawn), FOLDER), pilot).go()
    assert pilot.sentences
    changes = [at for at, sentence in pilot.sentences if "posture normal" in sentence]
    assert all(later - at > 600.0 for at, later in pairwise(changes))


def test_a_write_that_was_carried_out_after_the_first_look_is_ours() -> None:
    """Google may take minutes over it: it used to be taken for an edit by somebody else."""
    flight = flight_of("a", 1.0, 0.5, AT)
    regions = ("a", "b", "c")
    setting = ServiceSetting(
        service="pool",
        posture=Posture.NORMAL,
        backends=tuple(BackendSetting(region=r, member=True, scaler=1.0) for r in regions),
    )
    memory = ServiceMemory(service="pool", unknown=(flight,))

    def view(scaler: float) -> ServiceView:
        return ServiceView(
            service="pool",
            backends=tuple(
                BackendView(
                    region=r,
                    observed=Seen(
                        value=ObservedBackend(
                            member=True,
                            scaler=scaler if r == "a" else 1.0,
                            mixed=False,
                            preference=Preference.DEFAULT,
                        ),
                        age=0.0,
                        evidence=1,
                    ),
                    health=Missing(absence=Absence.NOT_ASKED),
                    traffic=Missing(absence=Absence.NOT_ASKED),
                )
                for r in regions
            ),
            policy=Missing(absence=Absence.NOT_ASKED),
            places=Missing(absence=Absence.NOT_ASKED),
            unassigned=Missing(absence=Absence.NOT_ASKED),
        )

    first = reconcile(setting, memory, view(1.0), Policy(), Reading(at=AT + 60.0))
    assert (first.memory.unknown, first.memory.late) == ((), (flight,))
    assert first.setting == setting
    second = reconcile(first.setting, first.memory, view(0.5), Policy(), Reading(at=AT + 120.0))
    assert second.setting.backend("a").scaler == 0.5
    assert (second.alarms, second.trust.doubt) == ((), None)
    assert second.memory.backend("a").pin is None
    late = reconcile(first.setting, first.memory, view(0.5), Policy(), Reading(at=AT + LATE + 1.0))
    assert late.setting == setting
    assert late.trust.doubt is not None
