"""A load balancer that stands, taken over under another configuration: its plan is empty, and a daemon moves its traffic."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import requests
import yaml
from tests.e2e.test_daemon import CONFIG, until

from spillway.cli.demo.environment import Environment
from spillway.cli.main import main


def spillway(*words: str) -> dict[str, Any]:
    """What a command prints as JSON; it must end well."""
    with redirect_stdout(StringIO()) as told:
        code = main([*words, "--json"])
    assert code == 0, told.getvalue()
    found: dict[str, Any] = json.loads(told.getvalue())
    return found


def test_a_daemon_moves_the_traffic_of_an_adopted_load_balancer() -> None:
    with Environment(CONFIG, speed=120) as environment:
        environment.start_sandbox()
        environment.provision()
        first = str(environment.config)
        assert len(spillway("unadopt", "-c", first, "--yes")["resources"]) > 5
        # 1. Another configuration, with a state of its own; of the first one only its way to the cloud is known.
        given = yaml.safe_load(environment.config.read_text())
        given["daemon"]["state_dir"] = str(environment.folder / "adopted-state")
        kept = {key: given[key] for key in ("cloud", "project", "daemon", "sandbox")}
        base = environment.folder / "base.yaml"
        base.write_text(yaml.safe_dump({**kept, "policies": {"default": {"mode": "act"}}}))
        adopted = environment.folder / "adopted.yaml"
        said = spillway("adopt", given["name"], "--base", str(base), "-c", str(adopted))
        assert said["ok"] is True
        # 2. The plan is empty for the commands of a user, too.
        environment.release()
        assert spillway("plan", "-c", str(adopted))["changes"] == []
        # 3. A daemon carries out an order on it.
        environment.config = adopted
        environment.start_daemon()
        until("the first tick", lambda: (environment.status() or {}).get("tick"))
        with redirect_stdout(StringIO()):
            code = main(["pin", "us-east4", "0.9", "--reason", "a trial", "-c", str(adopted)])
        assert code == 0
        root = f"http://{environment.addresses.sandbox}/compute/v1/projects/{given['project']}/global/backendServices"

        def pinned() -> bool:
            services = requests.get(root, timeout=5).json()["items"]
            scalers = [
                backend.get("capacityScaler")
                for service in services
                for backend in service["backends"]
                if "/us-east4-" in backend["group"]
            ]
            return bool(scalers) and set(scalers) == {0.9}

        until("the pin on the cloud", pinned)
