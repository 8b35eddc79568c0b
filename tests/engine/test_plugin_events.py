"""Events as the real plugin fills them: its defaults stand in the inputs, and are noted there (measured)."""

from __future__ import annotations

from typing import Any

from pulumi.automation.events import EngineEvent

from spillway.adapters.engine.pulumi_cli.events import Events, ReadEvents

URN = "urn:pulumi:main::spillway::gcp:compute/backendService:BackendService::lb-pool"
GROUP = "projects/demo-project/zones/us-east4-b/networkEndpointGroups/api"


def inputs(scaler: float) -> dict[str, Any]:
    """The inputs of a service without logging. The plugin adds the share of requests that would be logged."""
    return {
        "__defaults": [],
        "name": "lb-pool",
        "backends": [{"__defaults": [], "group": GROUP, "balancingMode": "RATE", "capacityScaler": scaler}],
        "logConfig": {"__defaults": ["sampleRate"], "enable": False, "sampleRate": 1},
        "timeoutSec": 30,
    }


def outputs(scaler: float, timeout: int = 30) -> dict[str, Any]:
    """What the plugin reads: the share is 0 while nothing is logged."""
    return {
        "name": "lb-pool",
        "backends": [{"group": GROUP, "balancingMode": "RATE", "capacityScaler": scaler, "maxRate": 0}],
        "logConfig": {"enable": False, "sampleRate": 0, "optionalMode": "", "optionalFields": []},
        "timeoutSec": timeout,
        "description": "",
    }


def step(key: str, op: str, old: dict[str, Any], new: dict[str, Any]) -> EngineEvent:
    metadata = {"op": op, "urn": URN, "type": URN.split("::")[2], "diffs": ["backends"]}
    content = {"planning": False, "metadata": {**metadata, "old": old, "new": new}}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, key: content})


def test_a_default_of_the_plugin_is_no_change_that_people_are_told() -> None:
    events = Events()
    old = {"inputs": inputs(1), "outputs": outputs(1)}
    events.on_event(step("resOutputsEvent", "update", old, {"inputs": inputs(0.5), "outputs": outputs(0.5)}))
    (change,) = events.changes
    assert change.details == ("scaler 1.0 -> 0.5 (us-east4)",)


def test_a_default_of_the_plugin_is_no_edit_by_somebody_else() -> None:
    events = Events()
    old = {"inputs": inputs(1), "outputs": outputs(1)}
    events.on_event(step("resourcePreEvent", "update", old, {"inputs": inputs(0.5)}))
    for timeout, undone in ((30, False), (77, True)):
        seen = ReadEvents(events.wanted)
        live = {"inputs": inputs(1), "outputs": outputs(1, timeout)}
        seen.on_event(step("resOutputsEvent", "refresh", old, live))
        assert seen.undone == {URN: undone}


def test_an_update_of_the_state_alone_is_no_change() -> None:
    """After the import of an address with the provider's own label the plugin notes the label, and sends nothing."""
    kind = "gcp:compute/globalAddress:GlobalAddress"
    for diffs, changes, same in ((["pulumiLabels"], 0, 1), (["labels", "pulumiLabels"], 1, 0)):
        address = {"inputs": {"name": "lb-address"}, "outputs": {"name": "lb-address"}}
        metadata = {"op": "update", "urn": f"urn:pulumi:main::spillway::{kind}::lb-address", "type": kind}
        content = {
            "planning": True,
            "metadata": {**metadata, "diffs": diffs, "old": address, "new": address},
        }
        events = Events()
        events.on_event(EngineEvent.from_json({"sequence": 1, "timestamp": 1, "resourcePreEvent": content}))
        assert (len(events.changes), events.same) == (changes, same)


def test_a_secret_inside_of_a_block_that_changed_is_told_without_its_value() -> None:
    """The plugin marks the secret of an OAuth client alone; the stand-in marks the whole block."""
    envelope = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}

    def iap(secret: str, client: str = "client") -> dict[str, Any]:
        return {
            "enabled": True,
            "oauth2ClientId": client,
            "oauth2ClientSecret": {**envelope, "ciphertext": secret},
        }

    for client, told in (
        ("client", ("Identity-Aware Proxy changes (secret)",)),
        ("other", ("iap.oauth2ClientId client -> other",)),
    ):
        old, new = ({**inputs(1), "iap": one} for one in (iap("one"), iap("two", client)))
        states = {"old": {"inputs": old, "outputs": old}, "new": {"inputs": new, "outputs": new}}
        metadata = {"op": "update", "urn": URN, "type": URN.split("::")[2], "diffs": ["iap"], **states}
        content = {"planning": True, "metadata": metadata}
        events = Events()
        events.on_event(EngineEvent.from_json({"sequence": 1, "timestamp": 1, "resourcePreEvent": content}))
        (change,) = events.changes
        assert change.details == told
