"""What a set of ceilings saves against another one, by the model: an estimate, for no experiment shows the other course.

    saved share     bad share under the one set - bad share under the other, both poured with the demand that was seen
    saved requests  saved share x requests that were answered meanwhile

The belief of a step tells of the past: its newest sample is minutes old, and what it shows was answered under the ceilings that
had taken effect by then. So the sets that are compared are those of `seen_under`, and not those of this step. Compared with the
sets of this step, every incident would count for one dead time too long: from the decision, which saves nothing yet, until the
end of the trouble is seen, which is long after the trouble.
"""

from __future__ import annotations

from spillway.core.estimate.sample import Window
from spillway.core.model.service import ServiceModel
from spillway.core.values.orders import OrderKind, Orders
from spillway.core.values.overlay import ServiceSetting
from spillway.core.values.topology import RegionName

Scalers = tuple[tuple[RegionName, float], ...]
"""The scaler of each region in the order of the model; 0 for what is no member."""


def scalers_of(setting: ServiceSetting) -> Scalers:
    """The scalers of a setting."""
    return tuple([(b.region, b.scaler if b.member else 0.0) for b in setting.backends])


def without_moves(
    model: ServiceModel, starting: ServiceSetting, stands: ServiceSetting, orders: Orders
) -> Scalers:
    """The scalers as they would stand without a move of ours: as the configuration begins.

    What people have set stands as they have set it: orders to pin or drain, edits by somebody else that are left alone, and planned
    work. Google's health checks, auto-drain and failover work under both sets, as the model has them.

    Args:
        model: the service.
        starting: what the configuration says of a region about which nothing is known yet.
        stands: what is wanted now.
        orders: operators' orders in force.
    """
    lead = model.dead_time + model.policy.membership.drain_wait
    begins = {b.region: b for b in starting.backends}
    found = []
    for backend, belief in zip(stands.backends, model.beliefs, strict=True):
        region = backend.region
        theirs = (
            belief.memory.pin is not None
            or model.policy.planned_in(region, model.at, lead) is not None
            or orders.find(model.service.name, region, OrderKind.PIN, OrderKind.DRAIN) is not None
        )
        setting = backend if theirs else begins.get(region, backend)
        found.append((region, setting.scaler if setting.member else 0.0))
    return tuple(found)


def seen_under(model: ServiceModel) -> float | None:
    """UTC second until which a set must have been written to be what the newest sample was answered under; None without a sample."""
    ages = [f.window.age for f in model.beliefs if isinstance(f.window, Window)]
    return model.at - min(ages) - model.policy.timing.effect if ages else None


def saved_share(model: ServiceModel, under: Scalers, instead: Scalers) -> float:
    """Share of the requests that are bad under `instead` and are not under `under`; negative where it is the other way round."""
    names = tuple([region.name for region in model.traffic.regions])
    if under == instead or any(tuple([name for name, _ in s]) != names for s in (under, instead)):
        return 0.0
    answered = answered_rate(model)
    if answered <= 0.0 or model.traffic.forecast <= 0.0:
        return 0.0
    traffic = model.traffic.busier(answered / model.traffic.forecast)
    one, other = (traffic.predict([scaler for _, scaler in s]).bad for s in (under, instead))
    return (other - one) / traffic.forecast


def answered_rate(model: ServiceModel) -> float:
    """Requests/s that were answered in the judged minutes."""
    return sum([f.window.rate for f in model.beliefs if isinstance(f.window, Window)])
