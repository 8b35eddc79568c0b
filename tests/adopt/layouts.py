"""Load balancers as people build them: by plain calls of the API, in the order that Google wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests
from tests.engine.bench_config import REGIONS
from tests.engine.conftest import PROJECT

from spillway.adapters.engine.provider.kinds import PROVISIONED
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.server import SandboxServer

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"
ROOT = f"projects/{PROJECT}"


@dataclass(frozen=True)
class Builder:
    """Writes to a sandbox as its user would."""

    server: SandboxServer

    def post(self, collection: str, **body: Any) -> str:
        """Make a global resource; its path."""
        self._sent("POST", f"{self.server.url}/compute/beta/{ROOT}/global/{collection}", body)
        return f"{ROOT}/global/{collection}/{body['name']}"

    def patch(self, path: str, **body: Any) -> None:
        """Change a resource."""
        url = f"{self.server.url}/compute/beta/{path}"
        live = requests.get(url, timeout=10).json()
        self._sent("PATCH", url, {"fingerprint": live.get("fingerprint"), **body})

    def label(self, path: str, **labels: str) -> None:
        """Set the labels of a rule; the insert takes none."""
        url = f"{self.server.url}/compute/beta/{path}"
        fingerprint = requests.get(url, timeout=10).json()["labelFingerprint"]
        self._sent("POST", f"{url}/setLabels", {"labelFingerprint": fingerprint, "labels": labels})

    def policy(self, name: str, **body: Any) -> str:
        """Make a service LB policy; its full name."""
        place = f"{ROOT}/locations/global/serviceLbPolicies"
        self._sent("POST", f"{self.server.url}/v1/{place}?serviceLbPolicyId={name}", body)
        return f"//networkservices.googleapis.com/{place}/{name}"

    def get(self, path: str) -> dict[str, Any]:
        """A resource as it stands."""
        found: dict[str, Any] = requests.get(f"{self.server.url}/compute/beta/{path}", timeout=10).json()
        return found

    def _sent(self, method: str, url: str, body: dict[str, Any]) -> None:
        answer = requests.request(method, url, json=body, timeout=10)
        assert answer.status_code == 200, answer.text

    def check(self, name: str = "hc", **more: Any) -> str:
        """Make an HTTP health check."""
        probe = {"port": 8080, "requestPath": "/ready"}
        return self.post("healthChecks", **{"name": name, "type": "HTTP", "httpHealthCheck": probe, **more})

    def service(self, name: str, check: str | None, backends: list[dict[str, Any]], **more: Any) -> str:
        """Make a backend service."""
        checks = {} if check is None else {"healthChecks": [check]}
        return self.post(
            "backendServices",
            **{
                "name": name,
                "loadBalancingScheme": "EXTERNAL_MANAGED",
                "connectionDraining": {"drainingTimeoutSec": 300},
                "backends": backends,
                **checks,
                **more,
            },
        )

    def http(self, name: str, url_map: str, **rule: Any) -> str:
        """Make an HTTP frontend."""
        proxy = self.post("targetHttpProxies", name=f"{name}-proxy", urlMap=url_map)
        return self.rule(f"{name}-rule", proxy, **{"portRange": "80", **rule})

    def rule(self, name: str, proxy: str, **more: Any) -> str:
        """Make a forwarding rule."""
        return self.post(
            "forwardingRules",
            **{"name": name, "target": proxy, "loadBalancingScheme": "EXTERNAL_MANAGED", **more},
        )


def negs(prefix: str = "api", **each: Any) -> list[dict[str, Any]]:
    """A backend in every region."""
    return [
        {
            "group": f"{ROOT}/zones/{region}-{zone}/networkEndpointGroups/{prefix}-{region}",
            "balancingMode": "RATE",
            "maxRatePerEndpoint": 10,
            **each,
        }
        for region, zone in REGIONS.items()
    ]


def plain(cloud: Builder) -> str:
    """The least that serves: one service, HTTP, the rule's own address, nothing that can be left out."""
    service = cloud.service("web-backend", cloud.check(), negs())
    cloud.http("web", cloud.post("urlMaps", name="web", defaultService=service))
    return "web"


def https(cloud: Builder) -> str:
    """HTTPS with a redirect beside it on a reserved address, two certificates, an SSL policy, hosts and paths."""
    check = cloud.check()
    site = cloud.service("site", check, negs(capacityScaler=0.7, preference="PREFERRED"), timeoutSec=60)
    api = cloud.service("site-api", check, negs(), protocol="HTTP2", sessionAffinity="CLIENT_IP")
    url_map = cloud.post(
        "urlMaps",
        name="site",
        defaultService=site,
        hostRules=[{"hosts": ["example.com", "www.example.com"], "pathMatcher": "all"}],
        pathMatchers=[
            {
                "name": "all",
                "defaultService": site,
                "pathRules": [{"paths": ["/api", "/api/*"], "service": api}],
            }
        ],
    )
    redirect = cloud.post(
        "urlMaps",
        name="to-https",
        defaultUrlRedirect={"httpsRedirect": True, "redirectResponseCode": "MOVED_PERMANENTLY_DEFAULT"},
    )
    address = cloud.post("addresses", name="site-ip", ipVersion="IPV4")
    cloud.label(address, **PROVISIONED)  # another stack of Pulumi has made it
    number = cloud.get(address)["address"]
    own = cloud.post("sslCertificates", name="own", certificate=PEM, privateKey=KEY)
    managed = cloud.post(
        "sslCertificates", name="by-google", type="MANAGED", managed={"domains": ["example.com"]}
    )
    proxy = cloud.post(
        "targetHttpsProxies",
        name="site-tls",
        urlMap=url_map,
        sslCertificates=[own, managed],
        sslPolicy=cloud.post("sslPolicies", name="tls", profile="MODERN", minTlsVersion="TLS_1_2"),
        quicOverride="ENABLE",
    )
    cloud.rule("site-tls-rule", proxy, portRange="443", IPAddress=number)
    cloud.http("site-plain", redirect, IPAddress=number)
    return "site-tls-rule"


def rich(cloud: Builder) -> str:
    """What has no key, or only half of one: a policy, outlier detection, logs, CDN, headers, limits in flight."""
    policy = cloud.policy(
        "chat-policy",
        loadBalancingAlgorithm="SPRAY_TO_REGION",
        autoCapacityDrain={"enable": True},
        failoverConfig={"failoverHealthThreshold": 60},
    )
    backends = negs()
    for backend in backends:
        del backend["maxRatePerEndpoint"]
        backend |= {
            "balancingMode": "IN_FLIGHT",
            "maxInFlightRequestsPerEndpoint": 8,
            "trafficDuration": "LONG",
        }
    service = cloud.service(
        "chat-pool",
        cloud.check("ready", logConfig={"enable": True}, checkIntervalSec=10),
        backends,
        description="the pool",
        timeoutSec=600,
        localityLbPolicy="LEAST_REQUEST",
        portName="grpc",
        customRequestHeaders=["X-Region: {client_region}"],
        logConfig={"enable": True, "sampleRate": 0.25, "optionalMode": "INCLUDE_ALL_OPTIONAL"},
        outlierDetection={"consecutiveErrors": 7, "interval": {"seconds": "3"}},
        serviceLbPolicy=policy,
    )
    cloud.http("chat", cloud.post("urlMaps", name="chat", description="chat", defaultService=service))
    return "chat-rule"


def machines(cloud: Builder) -> str:
    """Instance groups by utilization in two zones of a region, a named port, IPv6."""
    groups = {"europe-west4-a": "vm-a", "europe-west4-b": "vm-b", "us-east4-b": "vm-us"}
    cloud.server.store.seed_groups(
        [
            SeedGroup(
                project=PROJECT, zone=zone, name=name, kind="instance_group", endpoints=3, port_name="app"
            )
            for zone, name in groups.items()
        ]
    )
    backends = [
        {
            "group": f"{ROOT}/zones/{zone}/instanceGroups/{name}",
            "balancingMode": "UTILIZATION",
            "maxUtilization": 0.7,
            "capacityScaler": 0.5 if zone.startswith("us") else 1,
            "description": f"in {zone}",
        }
        for zone, name in groups.items()
    ]
    service = cloud.service(
        "vms",
        cloud.check("tcp", type="TCP", httpHealthCheck=None, tcpHealthCheck={"port": 22}),
        backends,
        portName="app",
    )
    address = cloud.get(cloud.post("addresses", name="six", ipVersion="IPV6"))["address"]
    cloud.http(
        "vms", cloud.post("urlMaps", name="vms", defaultService=service), IPAddress=address, portRange="8080"
    )
    return "vms"


def run(cloud: Builder) -> str:
    """Cloud Run beside groups of a service of its own in the same region, and a certificate map."""
    cloud.server.store.seed_groups(
        [
            SeedGroup(project=PROJECT, zone="us-east4", name="run-us", kind="serverless_neg", endpoints=0),
            SeedGroup(project=PROJECT, zone="us-east4-b", name="embed-us", endpoints=2),
        ]
    )
    check = cloud.check()
    pool = cloud.service("pool", check, negs())
    embed = cloud.service(
        "embed",
        check,
        [
            {
                "group": f"{ROOT}/zones/us-east4-b/networkEndpointGroups/embed-us",
                "balancingMode": "RATE",
                "maxRate": 100,
            }
        ],
    )
    lambdas = cloud.service(
        "lambdas", None, [{"group": f"{ROOT}/regions/us-east4/networkEndpointGroups/run-us"}]
    )
    url_map = cloud.post(
        "urlMaps",
        name="mixed",
        defaultService=pool,
        hostRules=[{"hosts": ["*"], "pathMatcher": "path-matcher-1"}],
        pathMatchers=[
            {
                "name": "path-matcher-1",
                "defaultService": pool,
                "pathRules": [
                    {"paths": ["/embed/*"], "service": embed},
                    {"paths": ["/run/*"], "service": lambdas},
                ],
            }
        ],
    )
    proxy = cloud.post(
        "targetHttpsProxies",
        name="mixed-proxy",
        urlMap=url_map,
        certificateMap=f"//certificatemanager.googleapis.com/projects/{PROJECT}/locations/global/certificateMaps/certs",
    )
    cloud.rule("mixed-rule", proxy, portRange="443")
    return "mixed"


def gateway(cloud: Builder) -> str:
    """What the routes of an inference gateway do: a canary, models by header, rewrites, redirects, a bucket, a mirror."""
    check = cloud.check()
    stable = cloud.service("stable", check, negs())
    canary = cloud.service("canary", check, negs(), localityLbPolicy="RING_HASH", sessionAffinity="HEADER_FIELD",
                           consistentHash={"httpHeaderName": "x-conversation"})  # fmt: skip
    bucket = cloud.post("backendBuckets", name="site-files", bucketName="acme-site", enableCdn=True)
    split = {
        "weightedBackendServices": [
            {"backendService": stable, "weight": 95},
            {"backendService": canary, "weight": 5},
        ]
    }
    url_map = cloud.post(
        "urlMaps",
        name="gw",
        defaultService=stable,
        hostRules=[
            {"hosts": ["api.example.com"], "pathMatcher": "api"},
            {"hosts": ["www.example.com"], "pathMatcher": "www"},
        ],
        pathMatchers=[
            {
                "name": "api",
                "defaultRouteAction": split,
                "headerAction": {
                    "requestHeadersToAdd": [
                        {"headerName": "x-edge", "headerValue": "{client_region}", "replace": True}
                    ]
                },
                "routeRules": [
                    {
                        "priority": 10,
                        "matchRules": [
                            {
                                "prefixMatch": "/v1/",
                                "headerMatches": [{"headerName": "x-model", "exactMatch": "big"}],
                            }
                        ],
                        "service": canary,
                        "routeAction": {
                            "timeout": {"seconds": "90"},
                            "urlRewrite": {"pathPrefixRewrite": "/"},
                        },
                    },
                    {
                        "priority": 20,
                        "matchRules": [{"fullPathMatch": "/health"}],
                        "service": stable,
                        "routeAction": {
                            "retryPolicy": {
                                "numRetries": 2,
                                "retryConditions": ["gateway-error"],
                                "perTryTimeout": {"seconds": "5"},
                            }
                        },
                    },
                ],
            },
            {
                "name": "www",
                "defaultService": bucket,
                "pathRules": [
                    {
                        "paths": ["/old/*"],
                        "urlRedirect": {
                            "prefixRedirect": "/new/",
                            "redirectResponseCode": "PERMANENT_REDIRECT",
                            "stripQuery": False,
                        },
                    },
                    {
                        "paths": ["/chat/*"],
                        "service": stable,
                        "routeAction": {
                            "requestMirrorPolicy": {"backendService": canary, "mirrorPercent": 10},
                            "corsPolicy": {"allowOrigins": ["https://example.com"], "maxAge": 600},
                        },
                    },
                ],
            },
        ],
    )
    cloud.http("gw", url_map)
    return "gw"


def dual(cloud: Builder) -> str:
    """Both versions of addresses, one of them reserved, two ports each, one proxy for each port."""
    service = cloud.service("dual-pool", cloud.check(), negs())
    url_map = cloud.post("urlMaps", name="dual", defaultService=service)
    four = cloud.get(cloud.post("addresses", name="dual-four", ipVersion="IPV4"))["address"]
    six = cloud.get(cloud.post("addresses", name="dual-six", ipVersion="IPV6"))["address"]
    for port in ("80", "8080"):
        proxy = cloud.post(
            "targetHttpProxies", name=f"dual-{port}", urlMap=url_map, httpKeepAliveTimeoutSec=700
        )
        cloud.rule(f"dual-four-{port}", proxy, portRange=port, IPAddress=four)
        cloud.rule(f"dual-six-{port}", proxy, portRange=port, IPAddress=six)
    return "dual-six-8080"


LAYOUTS: dict[str, Callable[[Builder], str]] = {
    "plain": plain,
    "https": https,
    "rich": rich,
    "machines": machines,
    "run": run,
    "gateway": gateway,
    "dual": dual,
}
"""By what is special about them; each builds one and answers the name by which it is adopted."""
