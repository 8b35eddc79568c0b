"""What `check` says of services whose groups have no scaler."""

from __future__ import annotations

from tests.config.sample_config import Change
from tests.config.test_rules import SERVERLESS

from spillway.config.attached import membership_levers


def test_a_service_of_serverless_groups_has_membership_as_its_lever(change: Change) -> None:
    config = change(SERVERLESS).config
    assert config is not None
    said = membership_levers(config)
    assert said["pool"].startswith("the membership of europe-west4 and us-east4 is steered, each as a whole:")
    assert "serverless groups are attached or detached" in said["pool"]
    assert said["europe"].startswith("nothing is steered: europe-west4 is its only region")
    assert all("no failover policy" in sentence and "\n" not in sentence for sentence in said.values())


def test_a_service_with_scalers_is_not_among_them(change: Change) -> None:
    config = change({}).config
    assert config is not None
    assert membership_levers(config) == {}
