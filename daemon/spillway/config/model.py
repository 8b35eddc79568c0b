"""The whole configuration, and the section about the daemon itself."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from spillway.config.access import WebTlsConfig
from spillway.config.derived import Plain
from spillway.config.existing import NamesConfig
from spillway.config.fields import KINDS, Address, Between, Duration, Model, Shape
from spillway.config.names import Naming
from spillway.config.topology import TopologyConfig
from spillway.config.webhooks import MOST_WEBHOOKS, WebhookConfig
from spillway.core.values.policy import Policy


class LogConfig(Model):
    """What the daemon writes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """`info` is one line a tick."""
    format: Literal["text", "json"] = "text"
    """`text` for people and journald, `json` for log pipelines."""


def _engine_kind(value: object) -> object:
    if value == "cli+standin":
        raise ValueError(
            "the engine cli+standin has become a tool of Spillway's own tests; write auto or embedded, the engine of a "
            "sandbox without the gcp plugin, or cli+plugin after `spillway setup`"
        )
    return value


class EngineConfig(Model):
    """The Pulumi engine that carries out every change."""

    kind: Annotated[Literal["auto", "cli+plugin", "embedded"], BeforeValidator(_engine_kind)] = "auto"
    """`auto` takes the best that is installed. `cloud: gcp` accepts only the real CLI with the real plugin."""
    backend: str | None = None
    """URL of Pulumi's state, such as `gs://my-bucket/spillway`; a folder under `state_dir` where none is given."""
    stack: Annotated[
        str, Shape("the name of a stack", r"[A-Za-z0-9_.-]{1,100}", "main", "letters, digits, _ . -")
    ] = "main"
    """Name of the stack; one for each load balancer."""
    passphrase_file: str | None = None
    """File with the passphrase for secrets in Pulumi's state; none means the empty passphrase (there are no secrets but given private keys)."""
    deadline: Annotated[Duration, Between("10s", "2h")] = 900.0
    """Longest wall time of one engine call. Past it the engine is interrupted, then killed, and the outcome is unknown until observed."""
    parallel: Annotated[int, Field(ge=1, le=64)] = 8
    """Resources that the engine changes at the same time."""


def _page_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s#<>|]{1,500}", value):
        raise ValueError(
            "this is no URL of a page, without a fragment; write one such as https://wiki.example.com/spillway/runbook"
        )
    return value


KINDS[_page_url] = "URL of a page"


class ObserveConfig(Model):
    """Reading from Cloud Monitoring and Compute."""

    window: Annotated[Duration, Between("2m", "6h")] = 1200.0
    """How far back each query reaches. Must cover the visibility delay and a few samples."""
    deadline: Annotated[Duration, Between("1s", "5m")] = 20.0
    """Longest wall time of one monitoring call."""
    health_deadline: Annotated[Duration, Between("1s", "5m")] = 10.0
    """Longest wall time of one health read."""
    health_parallel: Annotated[int, Field(ge=1, le=128)] = 16
    """Health reads under way at the same time; one is needed for each zonal group."""
    drift_every: Annotated[Duration, Between("1m", "1d")] = 300.0
    """Time between looks at every part of the load balancer: what somebody has edited or deleted, and certificates. Costs one read of each part."""
    drift_deadline: Annotated[Duration, Between("1s", "1m")] = 10.0
    """Longest wall time of one such look. The same look comes before each write."""


class JournalConfig(Model):
    """What was seen, decided and done, in one SQLite file: `state_dir`/journal/journal.sqlite3."""

    max_age: Annotated[Duration, Between("1h", "1000d")] = 14 * 86400.0
    """How long records are kept."""
    max_mib: Annotated[int, Field(ge=16, le=1 << 20)] = 2048
    """Largest size of the file in MiB; the oldest records go first. The write-ahead log beside it takes up to some 16 MiB more."""


class DaemonConfig(Model):
    """The running process."""

    tick: Annotated[Duration, Between("10s", "1h")] = 60.0
    """Time between passes of the loop. Monitoring has one sample a minute: faster sees nothing new and costs more."""
    health_pass: Annotated[Duration, Between("5s", "10m")] = 15.0
    """Time between the fast passes, which read health alone and may only drain."""
    state_dir: str = "/var/lib/spillway"
    """Folder for overlay, memory, journal and, without `engine.backend`, Pulumi's state. What the daemon keeps here can be lost: the overlay is read back from the cloud, the rest is learned anew. Pulumi's state cannot: without it Spillway can neither change nor delete the load balancer that stands, and leaves it alone; keep a copy of `engine`, or set `engine.backend`."""
    listen: Address = "127.0.0.1:9464"
    """Address of /metrics, /healthz, /readyz, /status and the page. Read-only. Beyond loopback set `tls` and `token_file`, or let a firewall guard it."""
    tls: WebTlsConfig | None = None
    """Serve HTTPS (TLS 1.2 or newer) instead of HTTP; nobody beyond loopback should send a token without it."""
    token_file: str | None = None
    """File with a bearer token of 32 to 512 characters, which all of these addresses but /healthz and /readyz then ask for. It is read again when it changes."""
    operators_group: (
        Annotated[
            str,
            Shape(
                "the name of a group",
                r"[a-z_][a-z0-9_-]{0,31}",
                "spillway-operators",
                "small letters, digits, _ -",
            ),
        ]
        | None
    ) = None
    """Group of this machine whose members may send orders (`spillway hold`, `drain`, `pin` and so on) beside root and the daemon's user; none means nobody else. The daemon's user must be a member."""
    hosts: list[str] = Field(default_factory=list, max_length=64)
    """Names by which browsers and scrapers may ask, beside addresses, `localhost` and the name of this machine. A request under any other name is refused, so that no web page can read the daemon through a visitor's browser."""
    stop_deadline: Annotated[Duration, Between("1s", "1h")] = 60.0
    """Longest time that a running tick may take after SIGTERM; then it is abandoned and its outcome observed at the next start."""
    log: LogConfig = LogConfig()
    engine: EngineConfig = EngineConfig()
    observe: ObserveConfig = ObserveConfig()
    journal: JournalConfig = JournalConfig()
    webhooks: Annotated[tuple[WebhookConfig, ...], Field(max_length=MOST_WEBHOOKS)] = ()
    """Who is told of alarms; nobody by default."""
    runbook_url: Annotated[str, AfterValidator(_page_url)] | None = None
    """Where your copy of docs/runbook.md is: alarms link to its section. Without it they name that page."""


class SandboxConfig(Model):
    """The loopback Google Cloud, for `cloud: sandbox` alone."""

    scenario: str
    """Scenario file with the simulated world, relative to this file."""
    speed: Annotated[float, Field(gt=0, le=600)] = 60.0
    """How many of the world's seconds pass in one real second."""
    http: Address = "127.0.0.1:8480"
    """Loopback address of Compute and Network Services (REST). Port 0 takes a free one."""
    grpc: Address = "127.0.0.1:8481"
    """Loopback address of Cloud Monitoring (gRPC). Port 0 takes a free one."""
    role: Literal["everything", "run", "build"] = "everything"
    """Role under which Spillway works there: with `run` or `build` the sandbox refuses what that role may not do."""


class Config(Model):
    """Everything: what to build, how to steer it, how to run."""

    cloud: Literal["gcp", "sandbox"]
    """`gcp` is production; `sandbox` is the simulated cloud on this machine."""
    project: Annotated[
        str,
        Shape(
            "a project ID",
            r"[a-z][a-z0-9-]{4,28}[a-z0-9]",
            "my-project-123",
            "the ID, not the display name or the number: 6 to 30 small letters, digits and hyphens",
        ),
    ]
    """Google Cloud project that holds the load balancer and its metrics."""
    name: Annotated[
        str,
        Shape(
            "a prefix for names",
            r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?",
            "spillway",
            "a small letter first, then small letters, digits and hyphens, 30 at most",
        ),
    ] = "spillway"
    """Prefix of every resource that Spillway makes."""
    names: NamesConfig = NamesConfig()
    """Resources that stand already and keep their names."""
    daemon: DaemonConfig = DaemonConfig()
    sandbox: SandboxConfig | None = None
    topology: TopologyConfig
    policies: dict[str, Annotated[Policy, Plain()]] = Field(default_factory=lambda: {"default": Policy()})
    """How services are steered, by name; a service without a `policy` takes `default`."""

    @property
    def naming(self) -> Naming:
        """How its resources are called."""
        return Naming(self.name, self.names)
