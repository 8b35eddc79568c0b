"""A configuration whose routes use all that a URL map can do."""

from __future__ import annotations

from typing import Any

from tests.engine.bench_config import document

SERVICE = {"health_check": "ready", "regions": ["europe-west4", "us-east4"]}


def routed(*more: dict[str, Any], buckets: bool = False) -> dict[str, Any]:
    """Routes with every action and every condition; those of buckets where they are asked for."""
    pages = {"bucket": "assets", "rules": [{"codes": [503, "4xx"], "path": "/busy.html", "code": 200}]}
    raw = document(
        services={name: dict(SERVICE) for name in ("pool", "canary", "premium", "shadow")},
        routes=[
            {"hosts": ["www.example.com"], "redirect": {"host": "example.com"}},
            {
                "hosts": ["example.com"],
                "split": [
                    {"service": "pool", "weight": 95},
                    {
                        "service": "canary",
                        "weight": 5,
                        "request_headers": {"set": {"x-canary": "yes"}},
                        "response_headers": {"remove": ["server"]},
                    },
                ],
                "timeout": "1m",
                "retries": {"attempts": 0},
                "cors": {
                    "allow_origins": ["https://app.example.com"],
                    "allow_methods": ["POST"],
                    "allow_headers": ["authorization"],
                    "expose_headers": ["x-request-id"],
                    "max_age": "10m",
                },
                "request_headers": {
                    "set": {"x-edge": "{client_region}"},
                    "add": {"x-via": "edge-{client_region}"},
                    "remove": ["x-debug"],
                },
                "response_headers": {"set": {"x-served-by": "edge"}},
                "paths": [
                    {
                        "paths": ["/openai/*"],
                        "service": "pool",
                        "rewrite": "/",
                        "extra": {
                            "cache_policy": {
                                "cache_mode": "CACHE_ALL_STATIC",
                                "default_ttl": {"seconds": "60"},
                            }
                        },
                    },
                    {
                        "paths": ["/old/*"],
                        "redirect": {"prefix": "/new/", "code": 308, "strip_query": True},
                    },
                    {
                        "paths": ["/chat"],
                        "timeout": "150s",
                        "retries": {
                            "attempts": 2,
                            "on": ["5xx", "connect-failure"],
                            "per_try_timeout": "500ms",
                        },
                        "mirror": {"service": "shadow", "percent": 10},
                        "rewrite": {"host": "models.internal"},
                    },
                ],
            },
            {
                "hosts": ["*"],
                "service": "pool",
                "paths": [
                    {"paths": ["/v1/*"], "headers": {"x-tier": "premium"}, "service": "premium"},
                    {
                        "paths": ["/v1/*"],
                        "headers": {
                            "x-tier": {"prefix": "prem"},
                            "x-model": {"suffix": "-large"},
                            "x-tokens": {"range": {"start": 1000, "end": 100000}},
                            "x-debug": {"present": False},
                            "x-team": {"exact": "red", "invert": True},
                        },
                        "query": {"model": "big", "beta": {"present": True}},
                        "methods": ["POST", "PUT"],
                        "service": "canary",
                        "request_headers": {"set": {"x-route": "big"}},
                    },
                    {
                        "paths": ["/models/{model=*}/{rest=**}"],
                        "rewrite": {"template": "/{rest}"},
                        "service": "premium",
                    },
                    {"paths": ["/Status"], "ignore_case": True, "service": "canary", "priority": 10},
                ],
            },
            *more,
        ],
    )
    raw["topology"]["url_map"] = {"extra": {"description": "by hand"}}
    if buckets:
        raw["topology"]["buckets"] = {"assets": {"bucket": "acme-assets"}}
        raw["topology"]["routes"][2]["paths"].append({"paths": ["/static/*"], "bucket": "assets"})
        raw["topology"]["routes"][2]["errors"] = pages
        raw["topology"]["routes"][1]["paths"][2]["errors"] = pages
    return raw
