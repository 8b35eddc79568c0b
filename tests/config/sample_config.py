"""A small sound configuration, and a way to change it in one place and see what is said about it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from spillway.config.load import judge
from spillway.config.model import Config
from spillway.config.source import Source, read
from spillway.errors import Problem

REMOVE = object()
"""Stands for: take this key away."""

SOUND = """
cloud: gcp
project: my-project
topology:
  frontends:
    http: {port: 80}
  default_service: pool
  routes:
    - paths:
        - {paths: [/europe, "/europe/*"], service: europe}
  health_checks:
    ready: {path: /healthz}
  regions:
    europe-west4:
      groups: [{zone: europe-west4-a, neg: eu}]
      balancing: {mode: RATE, max_rate_per_endpoint: 10}
    us-east4:
      groups: [{zone: us-east4-a, neg: us}]
      balancing: {mode: RATE, max_rate_per_endpoint: 10}
  services:
    pool: {health_check: ready, regions: all}
    europe: {health_check: ready, home: europe-west4, failover: [us-east4]}
policies:
  default: {}
"""


@dataclass(frozen=True)
class Verdict:
    """What the checks say."""

    config: Config | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    text: str

    def at(self, path: str) -> Problem:
        """The one problem at `path`."""
        found = [p for p in self.problems if p.path == path]
        assert len(found) == 1, "\n".join(map(str, self.problems)) or "no problem at all"
        return found[0]

    def warning_at(self, path: str) -> Problem:
        """The one warning at `path`."""
        found = [p for p in self.warnings if p.path == path]
        assert len(found) == 1, "\n".join(map(str, self.warnings)) or "no warning at all"
        return found[0]


Change = Callable[[Mapping[str, Any]], Verdict]


def changed(changes: Mapping[str, Any]) -> str:
    """The sound configuration as YAML with values put at dotted paths (numbers index lists)."""
    data = yaml.safe_load(SOUND)
    for path, value in changes.items():
        *way, last = path.split("/")
        node = data
        for part in way:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        if value is REMOVE:
            del node[last]
        elif isinstance(node, list):
            index = int(last)
            node[index:] = [copy.deepcopy(value), *node[index + 1 :]]
        else:
            node[last] = copy.deepcopy(value)
    return yaml.safe_dump(json.loads(json.dumps(data)), sort_keys=False)


def from_text(text: str) -> Source:
    """What is read from a file `config.yaml` with this text."""
    with TemporaryDirectory() as folder, chdir(folder):
        Path("config.yaml").write_bytes(text.encode())
        return read(Path("config.yaml"))


def verdict_on(text: str, folder: Path) -> Verdict:
    """What the checks say about a text, as if it stood in `folder`."""
    path = folder / "spillway.yaml"
    path.write_bytes(text.encode())
    config, problems, warnings = judge(read(path))
    return Verdict(config, problems, warnings, text)
