"""Operators' orders on their way into the loop: read, checked by the newest belief, kept on the disk, written to the journal.

Everything here runs in the loop's thread, between two passes. An answer is given after the order is durable; the next pass
carries it out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

from spillway.control.memory import Undo, fit
from spillway.control.requests import (
    LEAST_SECONDS,
    MOST_SECONDS,
    POLICY,
    Answer,
    Command,
    RefusedRequest,
    Request,
    Verdict,
    check_names,
    done,
    journal_entry,
    judged,
    mistake,
    reason_of,
)
from spillway.control.tick import Loop
from spillway.core import between
from spillway.core.values.orders import MOST_ORDERS, Order, OrderKind, Orders
from spillway.core.values.policy import Mode
from spillway.core.values.topology import is_in_hundredths

_KINDS = {
    Command.HOLD: OrderKind.HOLD,
    Command.PIN: OrderKind.PIN,
    Command.DRAIN: OrderKind.DRAIN,
    Command.MODE: OrderKind.MODE,
}


class OrderDesk:
    """Takes orders for one loop.

    Args:
        loop: keeps them, and is steered by them.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def in_force(self) -> Orders:
        """The orders in force now; from any thread."""
        return self._loop.kept.holds.active(self._loop.now())

    def handle(self, request: Request) -> Answer:
        """Carry out one command; accepted or refused, the journal has it."""
        answer = judged(request, "order", self._decide)
        if request.command is not Command.ORDERS:
            sentence, fields = journal_entry(request, answer)
            self._loop.note("order", sentence, **fields, guard=answer.guard, force=request.force)
        return replace(answer, orders=self.in_force().items)

    def expire(self) -> tuple[str, ...]:
        """Let go of what has expired; a sentence for each. Called before a pass."""
        kept, now = self._loop.kept, self._loop.now()
        over = tuple(order for order in kept.holds.items if not order.in_force(now))
        if not over:
            return ()
        told = tuple(f"{describe(order)}, has expired" for order in over)
        for sentence, order in zip(told, over, strict=True):
            self._loop.note("order", sentence, command="expired", number=order.number, by=order.by)
        self._loop.keep_later(replace(kept, holds=kept.holds.active(now)))
        return told

    def _decide(self, request: Request) -> Answer:
        match request.command:
            case Command.ORDERS:
                count = len(self.in_force().items)
                if not count:
                    return done("no order is in force")
                return done(f"{count} orders are in force" if count > 1 else "1 order is in force")
            case Command.RELEASE:
                kinds = {OrderKind.HOLD} if request.region is None else {OrderKind.PIN, OrderKind.DRAIN}
                return self._end(request, kinds)
            case Command.UNDRAIN:
                if request.region is None:
                    raise mistake("undrain needs a region", "Write spillway undrain REGION.")
                return self._end(request, {OrderKind.DRAIN})
            case Command.MODE if request.mode == POLICY:
                return self._end(request, {OrderKind.MODE})
            case Command.UNDO:
                return self._undo()
            case Command.HOLD | Command.PIN | Command.DRAIN | Command.MODE:
                return self._accept(request)
            case _:
                raise mistake(f"{request.command} is no order")

    # --- new orders

    def _accept(self, request: Request) -> Answer:
        """A hold, pin, drain or mode: judged, then kept."""
        order, orders = self._order(request), self.in_force()
        others = Orders(items=tuple(o for o in orders.items if not order.replaces(o)))
        if len(others.items) >= MOST_ORDERS:
            raise RefusedRequest(
                Answer(
                    verdict=Verdict.REFUSED,
                    sentence=f"{MOST_ORDERS} orders are in force already",
                    remedy="`spillway orders` lists them; release what is not needed.",
                )
            )
        notes = self._judged(order, others)
        if order.until is None:
            notes = (*notes, "it has no end: it lasts until somebody takes it back")
        self._keep(orders.with_order(order), told=describe(order), number=order.number, freed=order)
        return done(f"{describe(order)}, is in force {lasting(order)}", notes)

    def _order(self, request: Request) -> Order:
        """The order that a request asks for."""
        loop, now = self._loop, self._loop.now()
        why = reason_of(request, "an order")
        if request.seconds is not None and not LEAST_SECONDS <= request.seconds <= MOST_SECONDS:
            raise mistake(
                f"an order lasts from {LEAST_SECONDS:g} s to {MOST_SECONDS / 86_400:g} days, not {request.seconds:g} s",
                "Write --for 2h, or --for forever.",
            )
        kind = _KINDS[request.command]
        scaler = request.scaler if kind is OrderKind.PIN else None
        if scaler is not None and not is_in_hundredths(scaler):
            # nobody would see it as it is: it is shown and journalled with two digits
            raise mistake(f"a pin needs a scaler of 0 or 0.1 to 1.0, in hundredths, not {scaler}")
        check_names(
            self._loop.parts.fleet,
            request.service,
            request.region if kind in {OrderKind.PIN, OrderKind.DRAIN} else None,
        )
        try:
            return Order(
                kind=kind,
                until=None if request.seconds is None else now + request.seconds,
                reason=why,
                service=request.service,
                region=request.region if kind in {OrderKind.PIN, OrderKind.DRAIN} else None,
                scaler=abs(scaler) if scaler is not None else None,  # -0.0 is 0
                mode=Mode(request.mode) if kind is OrderKind.MODE and request.mode else None,
                force=request.force,
                by=request.by,
                at=now,
                number=loop.kept.order_number + 1,
            )
        except ValueError as error:
            raise mistake(str(error)) from None

    def _judged(self, order: Order, others: Orders) -> tuple[str, ...]:
        """What will happen, by the newest belief; a refusal where a guard is against it."""
        loop = self._loop
        if order.goal is None:
            return self._of_modes(order)
        if loop.snapshot is None:
            raise RefusedRequest(
                Answer(
                    verdict=Verdict.UNAVAILABLE,
                    sentence="nothing has been observed yet, so nobody knows what the order would do",
                    remedy="The first tick comes soon after the start; then send it again.",
                )
            )
        checks = between.foresee(
            loop.parts.fleet,
            loop.parts.policies,
            loop.snapshot,
            fit(loop.parts.starting, loop.kept.overlay),
            loop.kept.memory,
            orders=others,
            order=order,
        )
        several = len(checks) > 1
        passed_by = order.service is None and not all(check.leverless for check in checks)
        notes: list[str] = []
        for check in checks:
            whose = f"{check.service}: " if several else ""
            notes += [f"{whose}{note}" for note in check.notes]
            if check.refused is None:
                continue
            if check.leverless and passed_by:
                notes.append(f"{whose}stays as it is: {check.refused.sentence}")
                continue
            remedy = "It can be forced: --force." if check.forceable else ""
            if check.refused.code == "operator-hold":
                remedy = "End the hold first: `spillway release`."
            raise RefusedRequest(
                Answer(
                    verdict=Verdict.REFUSED,
                    guard=check.refused.code,
                    sentence=f"{check.service}: {check.refused.sentence} ({check.refused.code})",
                    remedy=remedy,
                )
            )
        return tuple(notes)

    def _of_modes(self, order: Order) -> tuple[str, ...]:
        """What a hold or a mode means for the services."""
        if order.kind is not OrderKind.MODE:
            return ("drains of dead regions are held as well",)
        policies = self._loop.policies()
        return tuple(
            f"{name}: the policy says {policies[name].mode}"
            for name in sorted(policies)
            if order.covers(name, None) and policies[name].mode is not order.mode
        )

    # --- the end of orders

    def _end(self, request: Request, kinds: Collection[OrderKind]) -> Answer:
        """Take back the orders of these kinds that a request names."""
        region = request.region
        check_names(self._loop.parts.fleet, request.service, region)
        orders = self.in_force()
        ended = tuple(o for o in orders.items if o.kind in kinds and _named(o, request))
        if ended:
            told = ", and ".join(describe(o) for o in ended)
            left = Orders(items=tuple(o for o in orders.items if o not in ended))
            self._keep(left, told=f"the end of {told}", freed=ended[-1])
            back = "Spillway goes on by itself"
            if region is not None:
                back = f"{region} comes back step by step, as its policy allows"
            elif OrderKind.MODE in kinds:
                back = "the mode is the policy's again"
            return done(f"{told}, {'is' if len(ended) == 1 else 'are'} ended", (back,))
        if region is not None and self._free(request.service, region):
            return done(f"somebody's edit of {region} is no longer left alone", ("Spillway moves it again",))
        what = " or ".join(sorted(kind.value for kind in kinds)) + (f" of {region}" if region else "")
        still = _still(orders, request, kinds)
        if still is None:
            return done(f"nothing is in force: there is no {what} to end")
        # what the sender wants is not so: another order keeps the region or the service as it is
        remedy = "One for all services is ended without --service."
        if still.kind not in kinds:
            remedy = f"`spillway release {region}` ends it."
        raise RefusedRequest(
            Answer(
                verdict=Verdict.REFUSED,
                sentence=f"no {what} is in force"
                + (" for this service alone" if still.kind in kinds else "")
                + f", but {describe(still)}, is",
                remedy=f"`spillway orders` lists what is in force. {remedy}",
            )
        )

    def _free(self, service: str | None, region: str) -> bool:
        """No longer leave alone what somebody outside has set in a region; False where there is nothing of that kind."""
        kept = self._loop.kept
        memory = between.end_edits(kept.memory, service, region)
        if memory == kept.memory:
            return False
        self._loop.keep(replace(kept, memory=memory))
        return True

    def _undo(self) -> Answer:
        """Bring back the orders as they were before the last one."""
        undo = self._loop.kept.undo
        if undo is None:
            raise RefusedRequest(
                Answer(
                    verdict=Verdict.REFUSED,
                    sentence="there is no order to undo",
                    remedy="`spillway orders` lists those in force.",
                )
            )
        now = self._loop.now()
        before, standing = undo.orders.active(now), self.in_force()
        if before == standing:
            raise RefusedRequest(
                Answer(
                    verdict=Verdict.REFUSED,
                    sentence=f"there is nothing to undo: {undo.told}, makes no difference any more",
                    remedy="`spillway orders` lists the orders in force.",
                )
            )
        notes: tuple[str, ...] = ()
        for order in before.items:
            if order not in standing.items:
                others = Orders(items=tuple(o for o in before.items if o is not order))
                notes = (*notes, *self._judged(order, others))
        kept = self._loop.kept
        self._loop.keep(replace(kept, holds=before, undo=None))
        return done(f"{undo.told}, is undone", notes)

    def _keep(self, orders: Orders, *, told: str, number: int | None = None, freed: Order) -> None:
        """Put the orders on the disk; an operator's order on a lever ends what somebody outside has set there."""
        kept = self._loop.kept
        memory = kept.memory
        if freed.region is not None:
            memory = between.end_edits(memory, freed.service, freed.region)
        self._loop.keep(
            replace(
                kept,
                holds=orders,
                memory=memory,
                undo=Undo(orders=self.in_force(), told=told),
                order_number=kept.order_number if number is None else number,
            )
        )


def _named(order: Order, request: Request) -> bool:
    """Whether a request to end orders speaks of this one."""
    if request.service is not None and order.service != request.service:
        return False
    return request.region is None or order.region == request.region


def _still(orders: Orders, request: Request, kinds: Collection[OrderKind]) -> Order | None:
    """An order that does what the sender wants to end, and that the request does not name; None where there is none."""
    region = request.region
    alike = {*kinds, OrderKind.PIN} if region is not None else set(kinds)
    for order in reversed(orders.items):
        if order.kind not in alike or (region is not None and order.region != region):
            continue
        if request.service is None or order.service in {None, request.service}:
            return order
    return None


def describe(order: Order) -> str:
    """An order in a few words, such as `order 3, the drain of us-east4 in pool`."""
    where = "all services" if order.service is None else order.service
    match order.kind:
        case OrderKind.PIN:
            what = f"the pin of {order.region} at {order.scaler:.2f} in {where}"
        case OrderKind.DRAIN:
            what = f"the drain of {order.region} in {where}"
        case OrderKind.MODE:
            what = f"the mode {order.mode} of {where}"
        case _:
            what = f"the hold of {where}"
    return f"order {order.number}, {what}"


def lasting(order: Order) -> str:
    """How long an order lasts, in words."""
    if order.until is None:
        return "until it is taken back"
    return f"until {datetime.fromtimestamp(order.until, UTC):%Y-%m-%d %H:%M:%S} UTC"
