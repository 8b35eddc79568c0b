"""Every rule, by name: one mistake in a sound configuration, where it is reported, in which words, with which remedy."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.config.sample_config import REMOVE, SOUND, Change, Verdict

R = "topology/regions/"
S = "topology/services/"
F = "topology/frontends/"
H = "topology/health_checks/ready"
P = "policies/default/"
EU = f"{R}europe-west4/groups/0"
URL = "https://www.googleapis.com/compute/v1/projects/my-project"
RATE = {"mode": "RATE", "max_rate_per_endpoint": 10}
IG = {
    EU: {"zone": "europe-west4-a", "instance_group": "eu"},
    f"{R}us-east4/groups/0": {"zone": "us-east4-a", "instance_group": "us"},
    f"{R}europe-west4/balancing": {"mode": "RATE", "max_rate_per_instance": 10},
    f"{R}us-east4/balancing": {"mode": "RATE", "max_rate_per_instance": 10},
}
"""The sound configuration with instance groups."""
SERVERLESS = {
    **{f"{R}{r}/balancing": REMOVE for r in ("europe-west4", "us-east4")},
    EU: {"serverless_neg": "run-eu"},
    f"{R}us-east4/groups/0": {"serverless_neg": "run-us"},
    f"{S}pool/health_check": REMOVE,
    f"{S}europe": {"home": "europe-west4"},
}
"""The sound configuration with serverless groups."""
PSC = {**SERVERLESS, EU: {"psc_neg": "apigee-eu"}, f"{R}us-east4/groups/0": {"psc_neg": "apigee-us"}}
"""The sound configuration with Private Service Connect groups."""
HTTPS = {"certificates": {"managed": ["api.example.com"]}}
GIVEN = {"name": "api", "certificate_file": "none.pem", "private_key_file": "none.key"}
LONG = "a" * 42
HOOK = "https://hooks.example.com/services/T0-secret"


def test_the_sound_configuration_is_sound(change: Change) -> None:
    for changes in ({}, IG, SERVERLESS, PSC, {**PSC, f"{S}pool/timeout": "2m"}):
        verdict = change(changes)
        assert verdict.problems == ()
        assert verdict.config is not None
    assert change({}).warnings == ()


# name of the rule, changes, path of the problem, words of the message, words of the remedy
ERRORS: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("unknown key", {"topologie": {}}, "topologie", "no key `topologie`", "Did you mean topology?"),
    ("unknown key deep down", {f"{S}pool/helth_check": "x"}, "topology.services.pool.helth_check", "no key", "health_check"),
    ("key of another load balancer", {f"{S}pool/failover_ratio": 0.5}, "topology.services.pool.failover_ratio", "no key", "passthrough"),
    ("camel case key", {f"{S}pool/logSampleRate": 1}, "topology.services.pool.logSampleRate", "no key", "log_sample_rate"),
    ("missing section", {"topology/regions": REMOVE}, "topology.regions", "`regions` is missing", "Add it"),
    ("missing project", {"project": REMOVE}, "project", "`project` is missing", "Google Cloud project"),
    ("project number", {"project": "123456789"}, "project", "not a project ID", "not the display name or the number"),
    ("prefix with capitals", {"name": "My_LB"}, "name", "not a prefix", "spillway"),
    ("bare number for a duration", {f"{S}pool/timeout": 300}, "topology.services.pool.timeout", "has no unit", "300s"),
    ("unknown unit", {f"{S}pool/timeout": "5min"}, "topology.services.pool.timeout", "not a duration", "90s, 40m"),
    ("duration out of range", {"daemon/tick": "1s"}, "daemon.tick", "out of range", "10s to 1h"),
    ("parts of a second", {f"{S}pool/timeout": "1.5s"}, "topology.services.pool.timeout", "whole number of seconds", "2s"),
    ("percent for a ratio", {f"{S}pool/log_sample_rate": "10%"}, "topology.services.pool.log_sample_rate", "not a number", "0.1 for 10 %"),
    ("ratio above one", {f"{S}pool/log_sample_rate": 10}, "topology.services.pool.log_sample_rate", "at most 1", "at most 1"),
    ("number in quotes", {f"{F}http/port": "80"}, "topology.frontends.http.port", "not a whole number", "Write 80 without quotes"),
    ("leading zero", {f"{F}http/port": "080"}, "topology.frontends.http.port", "octal in one version", "Write 80"),
    ("number to base 60", {f"{F}http/port": "80:43"}, "topology.frontends.http.port", "base 60", "Write a whole number"),
    ("port range", {f"{F}http/port": "80-443"}, "topology.frontends.http.port", "range of ports", "frontends.https with port: 443"),
    ("port out of range", {f"{F}http/port": 70000}, "topology.frontends.http.port", "no port", "1 to 65535"),
    ("word for a truth value", {f"{F}http/redirect_to_https": "on"}, "topology.frontends.http.redirect_to_https", "neither true nor false", "Write true"),
    ("text for a list", {f"{S}europe/failover": "us-east4"}, "topology.services.europe.failover", "a list is wanted", "[us-east4]"),
    ("empty list", {f"{R}europe-west4/groups": []}, "topology.regions.europe-west4.groups", "empty", "at least 1"),
    ("text for a section", {"daemon": "yes"}, "daemon", "section with keys", "indented"),
    ("empty section", {"daemon": None}, "daemon", "section is empty", "remove it"),
    ("number for a text", {"daemon/state_dir": 5}, "daemon.state_dir", "5 is not a text", '"5"'),
    ("unknown choice", {f"{P}mode": "acting"}, "policies.default.mode", "none of observe, recommend, act", "Did you mean act?"),
    ("protocol of a service mesh", {f"{S}pool/protocol": "GRPC"}, "topology.services.pool.protocol", "none of HTTP", "HTTP2 (with TLS) or H2C"),
    ("mode of another load balancer", {f"{R}us-east4/balancing/mode": "CONNECTION"}, "topology.regions.us-east4.balancing.mode", "none of", "IN_FLIGHT"),
    ("affinity of another load balancer", {f"{S}pool/affinity": "CLIENT_IP_PROTO"}, "topology.services.pool.affinity", "none of", "CLIENT_IP"),
    ("word for regions", {f"{S}pool/regions": "every"}, "topology.services.pool.regions", "none of all", "Write one of them"),
    ("scaler between 0 and 0.1", {f"{R}us-east4/scaler": 0.05}, "topology.regions.us-east4.scaler", "between 0 and 0.1 there is nothing", "0 to drain"),
    ("scaler above 1", {f"{R}us-east4/scaler": 1.5}, "topology.regions.us-east4.scaler", "out of range", "0.1 to 1.0"),
    ("negative scaler", {f"{R}us-east4/scaler": -1}, "topology.regions.us-east4.scaler", "out of range", "0.1 to 1.0"),
    ("single backend with scaler 0", {f"{S}europe": {"health_check": "ready", "home": "europe-west4", "backends": {"europe-west4": {"scaler": 0}}}}, "topology.services.europe.backends.europe-west4.scaler", "refuses scaler 0 for a single backend", "second region"),
    ("all backends at 0", {f"{S}pool/backends": {"europe-west4": {"scaler": 0}, "us-east4": {"scaler": 0}}}, "topology.services.pool.backends.europe-west4.scaler", "nobody would get an answer", "at least one"),
    ("all serving backends at 0", {f"{S}pool/backends": {"europe-west4": {"scaler": 0}, "us-east4": {"standby": True}}}, "topology.services.pool.backends.europe-west4.scaler", "nobody would get an answer", "at least one"),
    ("only standby regions", {f"{S}pool/backends": {"europe-west4": {"standby": True}, "us-east4": {"standby": True}}}, "topology.services.pool", "every region of this service is a standby", "standby: false"),
    ("region name", {f"{R}Europe": {"groups": [{"zone": "us-east4-b", "neg": "x"}]}}, "topology.regions.Europe", "not the name of a region", "europe-west4"),
    ("zone for a region", {f"{S}europe/home": "europe-west4-a"}, "topology.services.europe.home", "not the name of a region", "europe-west4"),
    ("region for a zone", {EU: {"zone": "europe-west4", "neg": "eu"}}, "topology.regions.europe-west4.groups[0].zone", "not the name of a zone", "one letter"),
    ("zone in another region", {EU: {"zone": "us-east4-b", "neg": "eu"}}, "topology.regions.europe-west4.groups[0].zone", "not in europe-west4", "us-east4"),
    ("group without a kind", {EU: {"zone": "europe-west4-a"}}, "topology.regions.europe-west4.groups[0]", "names no group", "hybrid_neg"),
    ("group with two kinds", {EU: {"zone": "europe-west4-a", "neg": "a", "instance_group": "b"}}, "topology.regions.europe-west4.groups[0]", "names 2 groups: neg and instance_group", "entry of its own"),
    ("group without its zone", {EU: {"neg": "eu"}}, "topology.regions.europe-west4.groups[0]", "lacks its zone", "europe-west4-b"),
    ("partial URL", {EU: {"url": "projects/p/zones/europe-west4-a/networkEndpointGroups/eu"}}, "topology.regions.europe-west4.groups[0].url", "Google wants it in full", "https://www.googleapis.com/compute/v1/projects/p"),
    ("URL of something else", {EU: {"url": "https://example.com/eu"}}, "topology.regions.europe-west4.groups[0].url", "not the URL of a group", "networkEndpointGroups"),
    ("URL and name", {EU: {"url": f"{URL}/zones/europe-west4-a/networkEndpointGroups/eu", "zone": "europe-west4-a"}}, "topology.regions.europe-west4.groups[0]", "by URL and by zone", "Keep the URL alone"),
    ("URL in another region", {EU: {"url": f"{URL}/zones/us-east4-b/networkEndpointGroups/eu"}}, "topology.regions.europe-west4.groups[0].url", "not in europe-west4", "us-east4"),
    ("regional instance group", {EU: {"url": f"{URL}/regions/europe-west4/instanceGroups/eu"}, **{k: v for k, v in IG.items() if k != EU}}, "topology.services.europe.failover", "are regional", "zonal groups at home"),
    ("zone of a serverless group", {**SERVERLESS, EU: {"serverless_neg": "run", "zone": "europe-west4-a"}}, "topology.regions.europe-west4.groups[0].zone", "no zone", "Remove `zone`"),
    ("group twice in a region", {f"{R}europe-west4/groups": [{"zone": "europe-west4-a", "neg": "eu"}] * 2}, "topology.regions.europe-west4.groups[1]", "listed twice", "Remove one"),
    ("group in two regions", {**SERVERLESS, EU: {"internet_neg": "one"}, f"{R}us-east4/groups/0": {"internet_neg": "one"}}, "topology.regions.us-east4.groups[0]", "cannot be in two regions", "where its endpoints run"),
    ("latitude alone", {f"{R}us-east4/latitude": 39.0}, "topology.regions.us-east4.latitude", "stands alone", "Add longitude"),
    ("created by URL", {EU: {"url": f"{URL}/zones/europe-west4-a/networkEndpointGroups/eu", "create": {}}}, "topology.regions.europe-west4.groups[0].create", "exists already", "Remove `create`"),
    ("created serverless group", {**SERVERLESS, EU: {"serverless_neg": "run", "create": {}}}, "topology.regions.europe-west4.groups[0].create", "makes no serverless_neg", "remove `create`"),
    ("named ports of a NEG", {EU: {"zone": "europe-west4-a", "neg": "eu", "create": {"named_ports": {"http": 80}}}}, "topology.regions.europe-west4.groups[0].create.named_ports", "belong to instance groups", "port: 8080"),
    ("port of an instance group", {**IG, EU: {"zone": "europe-west4-a", "instance_group": "eu", "create": {"port": 80, "named_ports": {"http": 80}}}}, "topology.regions.europe-west4.groups[0].create.port", "named ports, not one port", "named_ports"),
    ("subnetwork of a hybrid NEG", {EU: {"zone": "europe-west4-a", "hybrid_neg": "eu", "create": {"subnetwork": "s"}}}, "topology.regions.europe-west4.groups[0].create.subnetwork", "not to a subnetwork", "Remove"),
    ("no balancing", {f"{R}us-east4/balancing": REMOVE}, "topology.regions.us-east4", "no `balancing`", "max_rate_per_endpoint"),
    ("RATE without a rate", {f"{R}us-east4/balancing": {"mode": "RATE"}}, "topology.regions.us-east4.balancing", "RATE has no rate", "max_rate_per_endpoint"),
    ("two rates", {f"{R}us-east4/balancing": {**RATE, "max_rate": 5}}, "topology.regions.us-east4.balancing", "2 targets: max_rate and max_rate_per_endpoint", "Keep one"),
    ("RATE with in-flight", {f"{R}us-east4/balancing": {**RATE, "max_in_flight": 5}}, "topology.regions.us-east4.balancing.max_in_flight", "knows no limit", "IN_FLIGHT"),
    ("RATE with utilization", {f"{R}us-east4/balancing": {**RATE, "max_utilization": 0.5}}, "topology.regions.us-east4.balancing.max_utilization", "takes no max_utilization", "UTILIZATION"),
    ("IN_FLIGHT without a limit", {f"{R}us-east4/balancing": {"mode": "IN_FLIGHT"}}, "topology.regions.us-east4.balancing", "no limit of requests in flight", "max_in_flight_per_endpoint"),
    ("IN_FLIGHT with a rate", {f"{R}us-east4/balancing": {"mode": "IN_FLIGHT", "max_in_flight": 5, "max_rate": 5}}, "topology.regions.us-east4.balancing.max_rate", "knows no rate", "mode RATE"),
    ("IN_FLIGHT with SHORT traffic", {f"{R}us-east4/balancing": {"mode": "IN_FLIGHT", "max_in_flight": 5, "traffic_duration": "SHORT"}}, "topology.regions.us-east4.balancing.traffic_duration", "LONG requests", "Write LONG"),
    ("RATE with LONG traffic", {f"{R}us-east4/balancing": {**RATE, "traffic_duration": "LONG"}}, "topology.regions.us-east4.balancing.traffic_duration", "SHORT requests", "IN_FLIGHT"),
    ("UTILIZATION of a NEG", {f"{R}us-east4/balancing": {"mode": "UTILIZATION", "max_utilization": 0.8}}, "topology.regions.us-east4.balancing.mode", "CPU of instance groups", "RATE"),
    ("UTILIZATION without a limit", {**IG, f"{R}us-east4/balancing": {"mode": "UTILIZATION"}}, "topology.regions.us-east4.balancing", "no max_utilization", "0.8"),
    ("UTILIZATION with affinity", {**IG, f"{R}us-east4/balancing": {"mode": "UTILIZATION", "max_utilization": 0.8}, f"{S}pool/affinity": "CLIENT_IP"}, "topology.services.pool.affinity", "works only without", "NONE"),
    ("UTILIZATION beside another mode", {**IG, f"{R}us-east4/balancing": {"mode": "UTILIZATION", "max_utilization": 0.8}, f"{S}pool/backends": {"us-east4": {"balancing": {"mode": "RATE", "max_rate_per_instance": 5}}}}, "topology.services.pool.backends.us-east4.balancing", "allows no other mode beside it", "same mode"),
    ("CUSTOM_METRICS without metrics", {f"{R}us-east4/balancing": {"mode": "CUSTOM_METRICS"}}, "topology.regions.us-east4.balancing", "no metrics", "custom_metrics"),
    ("CUSTOM_METRICS in dry run", {f"{R}us-east4/balancing": {"mode": "CUSTOM_METRICS", "custom_metrics": [{"name": "kv", "dry_run": True}]}}, "topology.regions.us-east4.balancing", "only metrics in dry run", "at least one"),
    ("CUSTOM_METRICS with rate and in-flight", {f"{R}us-east4/balancing": {"mode": "CUSTOM_METRICS", "custom_metrics": [{"name": "kv"}], "max_rate": 5, "max_in_flight": 5}}, "topology.regions.us-east4.balancing", "not with both", "Keep one"),
    ("metrics without CUSTOM_METRICS", {f"{R}us-east4/balancing": {**RATE, "custom_metrics": [{"name": "kv"}]}}, "topology.regions.us-east4.balancing.custom_metrics", "takes no custom metrics", "CUSTOM_METRICS"),
    ("per instance of a NEG", {f"{R}us-east4/balancing": {"mode": "RATE", "max_rate_per_instance": 5}}, "topology.regions.us-east4.balancing.max_rate_per_instance", "endpoints, not instances", "max_rate_per_endpoint"),
    ("per endpoint of an instance group", {**IG, f"{R}us-east4/balancing": RATE}, "topology.regions.us-east4.balancing.max_rate_per_endpoint", "instances, not endpoints", "max_rate_per_instance"),
    ("serverless with balancing", {**SERVERLESS, f"{R}us-east4/balancing": RATE}, "topology.regions.us-east4.balancing", "no balancing mode", "attaching and detaching"),
    ("serverless with a scaler", {**SERVERLESS, f"{R}us-east4/scaler": 0.5}, "topology.regions.us-east4.scaler", "serverless_neg has no capacity scaler", "Remove `scaler`"),
    ("internet group with a scaler in a service", {**SERVERLESS, f"{R}us-east4/groups/0": {"internet_neg": "x"}, f"{S}pool/regions": ["us-east4"], f"{S}pool/backends": {"us-east4": {"scaler": 1}}}, "topology.services.pool.backends.us-east4.scaler", "internet_neg has no capacity scaler", "Remove `scaler`"),
    ("serverless preferred", {**SERVERLESS, f"{R}us-east4/preference": "PREFERRED"}, "topology.regions.us-east4.preference", "preference needs one", "Remove"),
    ("serverless with a health check", {**SERVERLESS, f"{S}pool/health_check": "ready"}, "topology.services.pool.health_check", "refuses a health check", "Remove `health_check`"),
    ("serverless with a timeout", {**SERVERLESS, f"{S}pool/timeout": "2m"}, "topology.services.pool.timeout", "refuses a timeout of 2m", "Cloud Run"),
    ("two serverless groups in a region", {**SERVERLESS, f"{R}us-east4/groups": [{"serverless_neg": "one"}, {"serverless_neg": "two"}]}, "topology.regions.us-east4.groups[1]", "one for each region", "Keep one"),
    ("network with an underscore", {f"{EU}/create": {"network": "my_net"}}, "topology.regions.europe-west4.groups[0].create.network", "not the name of a network", "projects/P/global/networks/N"),
    ("subnetwork of no region", {f"{EU}/create": {"subnetwork": "projects/p/subnetworks/s"}}, "topology.regions.europe-west4.groups[0].create.subnetwork", "not the name of a subnetwork", "regions/us-east4/subnetworks"),
    ("port name with capitals", {**IG, f"{S}pool/port_name": "Web"}, "topology.services.pool.port_name", "not the name of a port", "http"),
    ("named port with a space", {**IG, f"{EU}/create": {"named_ports": {"ht tp": 80}}}, "topology.regions.europe-west4.groups[0].create.named_ports.ht tp", "not the name of a port", "http"),
    ("metric twice", {f"{R}us-east4/balancing": {"mode": "CUSTOM_METRICS", "custom_metrics": [{"name": "kv"}, {"name": "kv", "max_utilization": 0.5}]}}, "topology.regions.us-east4.balancing.custom_metrics[1].name", "listed twice", "Keep one"),
    ("serverless home with failover", {**SERVERLESS, f"{S}europe/failover": ["us-east4"]}, "topology.services.europe.failover", "no balancing mode", "zonal groups"),
    ("no health check", {f"{S}pool/health_check": REMOVE}, "topology.services.pool", "no health check", "topology.health_checks"),
    ("unknown health check", {f"{S}pool/health_check": "redy"}, "topology.services.pool.health_check", "no health check called 'redy'", "Did you mean ready?"),
    ("instance groups with NEGs", {k: v for k, v in IG.items() if "us-east4" in k}, "topology.services.pool", "cannot combine", "same kind"),
    ("Private Service Connect with a health check", {**PSC, f"{S}pool/health_check": "ready"}, "topology.services.pool.health_check", "refuses a health check for a psc_neg", "Remove `health_check`"),
    ("zonal with serverless", {k: v for k, v in SERVERLESS.items() if "us-east4" in k}, "topology.services.pool", "cannot combine", "same kind"),
    ("port name of a NEG", {f"{S}pool/port_name": "http"}, "topology.services.pool.port_name", "belong to instance groups", "Remove `port_name`"),
    ("port name that is not created", {**IG, EU: {"zone": "europe-west4-a", "instance_group": "eu", "create": {"named_ports": {"web": 80, "http": 81}}}, f"{S}pool/port_name": "wep"}, "topology.services.pool.port_name", "without a port named 'wep'", "Did you mean web?"),
    ("neither pool nor pinned", {f"{S}pool/regions": REMOVE}, "topology.services.pool", "no regions", "regions: all"),
    ("pool and pinned", {f"{S}pool/home": "us-east4"}, "topology.services.pool", "this one is both", "Keep `regions` or `home`"),
    ("failover of a pool", {f"{S}pool/failover": ["us-east4"]}, "topology.services.pool.failover", "belongs to a pinned service", "`home`"),
    ("failover to itself", {f"{S}europe/failover": ["europe-west4"]}, "topology.services.europe.failover", "its own failover", "other regions"),
    ("unknown home", {f"{S}europe/home": "europe-west1"}, "topology.services.europe.home", "no region 'europe-west1'", "Did you mean europe-west4?"),
    ("unknown failover", {f"{S}europe/failover": ["us-east5"]}, "topology.services.europe.failover[0]", "no region 'us-east5'", "Did you mean us-east4?"),
    ("unknown region of a pool", {f"{S}pool/regions": ["us-east4", "mars-north1"]}, "topology.services.pool.regions[1]", "no region 'mars-north1'", "europe-west4, us-east4"),
    ("region twice", {f"{S}pool/regions": ["us-east4", "us-east4"]}, "topology.services.pool.regions[1]", "listed twice", "once"),
    ("exception for a stranger", {f"{S}pool/backends": {"us-east1": {"scaler": 1}}}, "topology.services.pool.backends.us-east1", "no region 'us-east1'", "Did you mean us-east4?"),
    ("exception for another service's region", {f"{S}pool/regions": ["us-east4"], f"{S}pool/backends": {"europe-west4": {"scaler": 1}}}, "topology.services.pool.backends.europe-west4", "not a region of this service", "us-east4"),
    ("unknown policy", {f"{S}pool/policy": "defualt"}, "topology.services.pool.policy", "no policy called", "Did you mean default?"),
    ("no default policy", {"policies": {"careful": {}}, f"{S}europe/policy": "careful"}, "topology.services.pool", "names none", "careful"),
    ("affinity without hashing", {f"{S}pool/affinity": "CLIENT_IP", f"{S}pool/locality": "LEAST_REQUEST"}, "topology.services.pool.locality", "has no effect", "MAGLEV"),
    ("draining above an hour", {f"{S}pool/draining": "2h"}, "topology.services.pool.draining", "out of range", "0s to 1h"),
    ("no frontend", {"topology/frontends": {}}, "topology.frontends", "no frontend", "`http`, `https` or both"),
    ("redirect without HTTPS", {f"{F}http/redirect_to_https": True}, "topology.frontends.http.redirect_to_https", "no HTTPS frontend", "frontends.https"),
    ("two frontends on one port", {f"{F}https": {**HTTPS, "port": 80}}, "topology.frontends.https.port", "both listen on port 80", "its own port"),
    ("HTTPS without certificates", {f"{F}https": {}}, "topology.frontends.https.certificates", "is missing", "Add it"),
    ("HTTPS with empty certificates", {f"{F}https": {"certificates": {}}}, "topology.frontends.https.certificates", "no certificate", "managed"),
    ("certificates of two kinds", {f"{F}https": {"certificates": {"managed": ["a.example.com"], "map": "m"}}}, "topology.frontends.https.certificates", "managed and map at once", "exactly one"),
    ("wildcard in a managed certificate", {f"{F}https": {"certificates": {"managed": ["*.example.com"]}}}, "topology.frontends.https.certificates.managed[0]", "wildcard", "certificate map"),
    ("URL as a domain", {f"{F}https": {"certificates": {"managed": ["https://a.example.com"]}}}, "topology.frontends.https.certificates.managed[0]", "not a domain name", "api.example.com"),
    ("no domains", {f"{F}https": {"certificates": {"managed": []}}}, "topology.frontends.https.certificates.managed", "1 to 100 domains", "certificate map"),
    ("domain twice", {f"{F}https": {"certificates": {"managed": ["a.example.com"] * 2}}}, "topology.frontends.https.certificates.managed", "listed twice", "once"),
    ("sixteen certificates", {f"{F}https": {"certificates": {"managed": [f"a{n}.example.com" for n in range(16)]}}}, "topology.frontends.https.certificates.managed", "16 certificates, and a proxy takes 15", "a list inside the list"),
    ("sixteen of two kinds", {f"{F}https": {"certificates": {"managed": [f"a{n}.example.com" for n in range(15)], "given": [GIVEN]}}}, "topology.frontends.https.certificates.managed", "16 certificates, and a proxy takes 15", "certificate map"),
    ("wildcard in a shared certificate", {f"{F}https": {"certificates": {"managed": [["a.example.com", "*.example.com"]]}}}, "topology.frontends.https.certificates.managed[0][1]", "wildcard", "certificate map"),
    ("domain twice in one certificate", {f"{F}https": {"certificates": {"managed": [["a.example.com", "a.example.com"]]}}}, "topology.frontends.https.certificates.managed[0]", "listed twice in one", "once"),
    ("too many domains in one certificate", {f"{F}https": {"certificates": {"managed": [[f"a{n}.example.com" for n in range(101)]]}}}, "topology.frontends.https.certificates.managed[0]", "not 101", "certificate map"),
    ("empty certificate", {f"{F}https": {"certificates": {"managed": [[]]}}}, "topology.frontends.https.certificates.managed[0]", "empty", "at least 1"),
    ("map beside given ones", {f"{F}https": {"certificates": {"given": [GIVEN], "map": "m"}}}, "topology.frontends.https.certificates", "given and map at once", "exactly one"),
    ("alarm that never comes", {f"{F}https": {"certificates": {"managed": ["a.example.com"], "alarm_after": "90d"}}}, "topology.frontends.https.certificates.alarm_after", "out of range", "10m to 30d"),
    ("two HTTP frontends on one port", {f"{F}http": [{"port": 80}, {"port": 80}]}, "topology.frontends.http[1].port", "two frontends both listen on port 80", "its own port"),
    ("no frontend in the list", {f"{F}http": []}, "topology.frontends.http", "empty", "at least 1"),
    ("keep-alive past Google's", {f"{F}http/keep_alive": "21m"}, "topology.frontends.http.keep_alive", "out of range", "5s to 20m"),
    ("keep-alive in parts of a second", {f"{F}http/keep_alive": "5500ms"}, "topology.frontends.http.keep_alive", "whole number of seconds", "6s"),
    ("regional server TLS policy", {f"{F}https": {**HTTPS, "server_tls_policy": "projects/p/locations/us-east4/serverTlsPolicies/m"}}, "topology.frontends.https.server_tls_policy", "not the name of a server TLS policy", "locations/global"),
    ("unknown early data", {f"{F}https": {**HTTPS, "tls_early_data": "ON"}}, "topology.frontends.https.tls_early_data", "none of", "STRICT"),
    ("label with capitals", {f"{F}labels": {"Team": "a"}}, "topology.frontends.labels.Team", "not the key of a label", "small letter"),
    ("label that is Spillway's", {f"{F}labels": {"managed-by": "me"}}, "topology.frontends.labels.managed-by", "Spillway's own", "another key"),
    ("label that is Google's", {"topology/address": {"labels": {"goog-x": "me"}}}, "topology.address.labels.goog-x", "reserved by Google", "another key"),
    ("value of a label with a space", {"topology/address": {"labels": {"team": "a b"}}}, "topology.address.labels.team", "not the value of a label", "small letters"),
    ("IP version twice", {"topology/address": {"ip_version": ["IPV4", "IPV4"]}}, "topology.address.ip_version", "listed twice", "[IPV4, IPV6]"),
    ("two addresses of one version", {"topology/address": {"existing": ["203.0.113.7", "203.0.113.8"]}}, "topology.address.existing[1]", "an address of IPV4 already", "one of each"),
    ("three addresses", {"topology/address": {"existing": ["203.0.113.7", "2001:db8::1", "global/addresses/a"]}}, "topology.address.existing", "3 addresses", "one IPv6"),
    ("certificate map", {f"{F}https": {"certificates": {"map": "projects/p/map"}}}, "topology.frontends.https.certificates.map", "not a certificate map", "certificatemanager"),
    ("too many certificates", {f"{F}https": {"certificates": {"given": []}}}, "topology.frontends.https.certificates.given", "1 to 15 certificates", "certificate map"),
    ("certificate file not there", {f"{F}https": {"certificates": {"given": [GIVEN]}}}, "topology.frontends.https.certificates.given[0].certificate_file", "cannot be read", "PEM"),
    ("key file not there", {f"{F}https": {"certificates": {"given": [GIVEN]}}}, "topology.frontends.https.certificates.given[0].private_key_file", "cannot be read", "PEM"),
    ("two certificates of one name", {f"{F}https": {"certificates": {"given": [GIVEN, GIVEN]}}}, "topology.frontends.https.certificates.given[1].name", "two certificates called api", "its own name"),
    ("strict ciphers for old TLS", {f"{F}https": {**HTTPS, "ssl_policy": {"profile": "RESTRICTED", "min_tls": "TLS_1_0"}}}, "topology.frontends.https.ssl_policy.min_tls", "no ciphers", "TLS_1_2"),
    ("address that is none", {"topology/address": {"existing": "1.2.3"}}, "topology.address.existing", "not an IP address", "203.0.113.7"),
    ("regional address", {"topology/address": {"existing": "projects/p/regions/r/addresses/a"}}, "topology.address.existing", "not the URL of a global address", "global/addresses"),
    ("address of the other version", {"topology/address": {"existing": "2001:db8::1"}}, "topology.address.existing", "IPv6", "Set ip_version to IPV6"),
    ("private address", {"topology/address": {"existing": "10.0.0.5"}}, "topology.address.existing", "no address that clients on the internet can reach", "reserved in this project"),
    ("local IPv6 address", {"topology/address": {"existing": "fd00::5", "ip_version": "IPV6"}}, "topology.address.existing", "no address that clients", "remove the key"),
    ("address of another project", {"topology/address": {"existing": "projects/other/global/addresses/a"}}, "topology.address.existing", "in the project other", "projects/my-project/global/addresses/NAME"),
    ("address with a bad name", {"topology/address": {"existing": "global/addresses/A_B"}}, "topology.address.existing", "not the URL of a global address", "global/addresses"),
    ("name for an existing address", {"topology/address": {"existing": "203.0.113.7", "name": "x"}}, "topology.address.name", "one already", "Remove one"),
    ("unknown default service", {"topology/default_service": "poool"}, "topology.default_service", "no service called 'poool'", "Did you mean pool?"),
    ("route to an unknown service", {"topology/routes/0/service": "euro"}, "topology.routes[0].service", "no service called 'euro'", "Did you mean europe?"),
    ("path to an unknown service", {"topology/routes/0/paths/0/service": "euro"}, "topology.routes[0].paths[0].service", "no service called 'euro'", "europe"),
    ("host twice", {"topology/routes": [{"hosts": ["a.example.com"], "service": "europe"}, {"hosts": ["a.example.com"]}]}, "topology.routes[1].hosts[0]", "has a route already", "into one route"),
    ("host with a scheme", {"topology/routes/0/hosts": ["https://a.example.com"]}, "topology.routes[0].hosts[0]", "more than a host name", "without scheme"),
    ("host with capitals", {"topology/routes/0/hosts": ["A.example.com"]}, "topology.routes[0].hosts[0]", "not a host name", "small letters"),
    ("host with an empty label", {"topology/routes/0/hosts": ["api..example.com"]}, "topology.routes[0].hosts[0]", "not a host name", "between dots 1 to 63"),
    ("host with a hyphen at an edge", {"topology/routes/0/hosts": ["api-.example.com"]}, "topology.routes[0].hosts[0]", "not a host name", "no hyphen first or last"),
    ("host with a long label", {"topology/routes/0/hosts": ["a" * 64 + ".example.com"]}, "topology.routes[0].hosts[0]", "not a host name", "1 to 63"),
    ("path twice", {"topology/routes/0/paths": [{"paths": ["/a"], "service": "europe"}, {"paths": ["/a"], "service": "pool"}]}, "topology.routes[0].paths[1].paths[0]", "listed twice", "one of the services"),
    ("star in the middle", {"topology/routes/0/paths/0/paths": ["/europe*"]}, "topology.routes[0].paths[0].paths[0]", "not a path", "/europe/*"),
    ("path without a slash", {"topology/routes/0/paths/0/paths": ["europe/*"]}, "topology.routes[0].paths[0].paths[0]", "not a path", "/europe/*"),
    ("path with a query", {"topology/routes/0/paths/0/paths": ["/a?b=1"]}, "topology.routes[0].paths[0].paths[0]", "not a path", "only the path"),
    ("path for everything", {"topology/routes/0/paths/0/paths": ["/*"]}, "topology.routes[0].paths[0].paths[0]", "catches every path", "`service:` of the route"),
    ("probe longer than its interval", {H: {"interval": "5s", "timeout": "10s"}}, "topology.health_checks.ready.timeout", "may take 10s", "at most 5s"),
    ("path of a TCP probe", {H: {"type": "tcp", "path": "/x"}}, "topology.health_checks.ready.path", "a tcp check has no path", "type http"),
    ("probe path without a slash", {H: {"path": "healthz"}}, "topology.health_checks.ready.path", "not a path", "/healthz"),
    ("probe path with a space", {H: {"path": "/health z"}}, "topology.health_checks.ready.path", "no request line can carry", "%20"),
    ("probe path with a fragment", {H: {"path": "/healthz#now"}}, "topology.health_checks.ready.path", "no request line can carry", "/healthz"),
    ("probe host with a line end", {H: {"host": "api\nX-Evil: 1"}}, "topology.health_checks.ready.host", "no value for a Host header", "without spaces"),
    ("gRPC service of an HTTP probe", {H: {"grpc_service": "x"}}, "topology.health_checks.ready.grpc_service", "names no gRPC service", "type grpc"),
    ("service name too long", {"name": "a" * 30, f"{S}{LONG}": {"health_check": "ready", "regions": "all"}}, f"topology.services.{LONG}", "73 characters, and Google takes 63", "by 10"),
    ("health check name too long", {"name": "a" * 30, f"topology/health_checks/{LONG}": {}}, f"topology.health_checks.{LONG}", "73 characters", "by 10"),
    ("certificate name too long", {"name": "a" * 30, f"{F}https": {"certificates": {"given": [{**GIVEN, "name": "b" * 30}]}}}, "topology.frontends.https.certificates.given[0].name", "with the hash", "by 7"),
    ("dwell shorter than dead time", {f"{P}rhythm": {"dwell": "2m"}}, "policies.default.rhythm.dwell", "dead time of 380s", "380s or more"),
    ("posture dwell shorter than dead time", {f"{P}postures": {"dwell": "2m"}}, "policies.default.postures.dwell", "dead time of 380s", "380s or more"),
    ("waiting shorter than blindness", {f"{P}rhythm": {"up_wait": "1m"}}, "policies.default.rhythm.up_wait", "270s old", "270s or more"),
    ("longest rest shorter than the shortest", {f"{P}rhythm": {"hold_max": "5m"}}, "policies.default.rhythm.hold_max", "longest rest", "7m or more"),
    ("all samples stale", {f"{P}evidence": {"max_age": "4m"}}, "policies.default.evidence.max_age", "count as stale", "330s or more"),
    ("all health reads stale", {f"{P}evidence": {"health_max_age": "10s"}}, "policies.default.evidence.health_max_age", "read every 15s", "15s or more"),
    ("window too narrow for the evidence", {"daemon/observe/window": "5m"}, "daemon.observe.window", "need 450s", "450s or more"),
    ("errors leave and return at once", {f"{P}triggers": {"return_error_ratio": 0.6}}, "policies.default.triggers.return_error_ratio", "less than drain_error_ratio", "Lower"),
    ("health leaves and returns at once", {f"{P}triggers": {"return_healthy_share": 0.2}}, "policies.default.triggers.return_healthy_share", "more than 0.25", "0.35"),
    ("posture order", {f"{P}postures": {"scarce_below": 0.4}}, "policies.default.postures.scarce_below", "less than guarded_below", "Lower"),
    ("posture thresholds", {f"{P}postures": {"scarce": {"failover_threshold": 90}}}, "policies.default.postures.scarce.failover_threshold", "scarce spills sooner (90 %) than guarded (50 %)", "50 or less"),
    ("join above leave", {f"{P}membership": {"join_below": 0.7}}, "policies.default.membership.leave_above", "more than join_below", "Raise"),
    ("window that ends before it begins", {f"{P}freezes": [{"start": "2027-01-02T00:00:00Z", "end": "2027-01-01T00:00:00Z", "reason": "xmas"}]}, "policies.default.freezes[0].end", "ends before it begins", "after `start`"),
    ("time without a zone", {f"{P}freezes": [{"start": "2027-01-02T00:00:00", "end": "2027-01-03T00:00:00Z", "reason": "xmas"}]}, "policies.default.freezes[0].start", "no time zone", "Z for UTC"),
    ("planned work without a region", {f"{P}planned": [{"start": "2027-01-01T00:00:00Z", "end": "2027-01-02T00:00:00Z", "reason": "work"}]}, "policies.default.planned[0]", "names no region", "`freezes`"),
    ("planned work in an unknown region", {f"{P}planned": [{"start": "2027-01-01T00:00:00Z", "end": "2027-01-02T00:00:00Z", "reason": "work", "region": "us-east1"}]}, "policies.default.planned[0].region", "no region 'us-east1'", "Did you mean us-east4?"),
    ("freeze with a region", {f"{P}freezes": [{"start": "2027-01-01T00:00:00Z", "end": "2027-01-02T00:00:00Z", "reason": "work", "region": "us-east4"}]}, "policies.default.freezes[0].region", "all regions", "`planned`"),
    ("objective past the timeout", {f"{P}slo": {"latency": "10m"}, f"{S}europe": {"home": "us-east4", "health_check": "ready", "timeout": "1h"}}, "policies.default.slo.latency", "pool gives up after 5m", "less than 5m"),
    ("more serving regions than there are", {f"{P}floors": {"min_serving_regions": 3}, f"{S}europe": REMOVE, "topology/routes": REMOVE}, "policies.default.floors.min_serving_regions", "pool has 2", "2 or less"),
    ("fast pass slower than the loop", {"daemon/health_pass": "90s", f"{P}evidence": {"health_max_age": "2m"}}, "daemon.health_pass", "whole loop every 60s", "15s"),
    ("relative state folder", {"daemon/state_dir": "var"}, "daemon.state_dir", "where the daemon is started", "/var/lib/spillway"),
    ("address without a port", {"daemon/listen": "localhost"}, "daemon.listen", "not an address", "127.0.0.1:9464"),
    ("state in no known place", {"daemon/engine/backend": "my-bucket"}, "daemon.engine.backend", "not a place", "gs://"),
    ("stack name", {"daemon/engine/stack": "a b"}, "daemon.engine.stack", "not the name of a stack", "main"),
    ("token file not there", {"daemon/token_file": "/nowhere/token"}, "daemon.token_file", "cannot be read", "nobody else"),
    ("certificate of the page not there", {"daemon/tls": {"certificate_file": "/nowhere/a.crt", "private_key_file": "/nowhere/a.key"}}, "daemon.tls.certificate_file", "cannot be read", "PEM"),
    ("key of the page not there", {"daemon/tls": {"certificate_file": "/nowhere/a.crt", "private_key_file": "/nowhere/a.key"}}, "daemon.tls.private_key_file", "cannot be read", "PEM"),
    ("certificate of the page without a key", {"daemon/tls": {"certificate_file": "/nowhere/a.crt"}}, "daemon.tls.private_key_file", "missing", ""),
    ("webhook without an address", {"daemon/webhooks": [{"format": "slack"}]}, "daemon.webhooks[0]", "neither `url` nor `url_file`", "one of them"),
    ("webhook with two addresses", {"daemon/webhooks": [{"url": HOOK, "url_file": "x"}]}, "daemon.webhooks[0]", "both `url` and `url_file`", "one of them"),
    ("webhook whose file is not there", {"daemon/webhooks": [{"url_file": "/nowhere/url"}]}, "daemon.webhooks[0].url_file", "cannot be read", "nobody else"),
    ("webhook that anybody could read", {"daemon/webhooks": [{"url": "http://hooks.example.com/T0-secret"}]}, "daemon.webhooks[0].url", "not on this machine", "https://hooks.example.com"),
    ("webhook that is no URL", {"daemon/webhooks": [{"url": "T0-secret"}]}, "daemon.webhooks[0].url", "no https URL", "https://"),
    ("webhook whose host has two dots in a row", {"daemon/webhooks": [{"url": "https://hooks..example.com/T0-secret"}]}, "daemon.webhooks[0].url", "no host can have", "https://"),
    ("webhook whose host has a long part", {"daemon/webhooks": [{"url": f"https://{'h' * 64}.example.com/T0-secret"}]}, "daemon.webhooks[0].url", "no host can have", "https://"),
    ("webhook with a password", {"daemon/webhooks": [{"url": "https://ana:T0-secret@hooks.example.com/"}]}, "daemon.webhooks[0].url", "user name", "https://"),
    ("webhooks that are no list", {"daemon/webhooks": HOOK}, "daemon.webhooks", "a list is wanted", "list"),
    ("webhook that is no section", {"daemon/webhooks": [HOOK]}, "daemon.webhooks[0]", "section", "keys"),
    ("webhook for an unknown severity", {"daemon/webhooks": [{"url": HOOK, "severities": ["pages"]}]}, "daemon.webhooks[0].severities[0]", "'pages' is none of page, ticket, note", "Did you mean page?"),
    ("webhook for nothing", {"daemon/webhooks": [{"url": HOOK, "severities": []}]}, "daemon.webhooks[0].severities", "empty", "1"),
    ("runbook that is no page", {"daemon/runbook_url": "wiki/spillway"}, "daemon.runbook_url", "no URL of a page", "https://wiki.example.com"),
    ("engine that is a tool of the tests", {"daemon/engine/kind": "cli+standin"}, "daemon.engine.kind", "a tool of Spillway's own tests", "auto or embedded"),
    ("engine that cannot reach Google", {"daemon/engine/kind": "embedded"}, "daemon.engine.kind", "cannot change Google Cloud", "cli+plugin"),
    ("sandbox missing", {"cloud": "sandbox"}, "cloud", "`sandbox` is missing", "scenario"),
    ("sandbox superfluous", {"sandbox": {"scenario": "x.yaml"}}, "sandbox", "no sandbox to set up", "cloud: sandbox"),
    ("sandbox open to others", {"cloud": "sandbox", "sandbox": {"scenario": "x.yaml", "http": "0.0.0.0:8480"}}, "sandbox.http", "from outside", "127.0.0.1"),
    ("sandbox twice on a port", {"cloud": "sandbox", "sandbox": {"scenario": "x.yaml", "http": "127.0.0.1:9464"}}, "sandbox.http", "wanted twice", "its own port"),
    ("scenario not there", {"cloud": "sandbox", "sandbox": {"scenario": "x.yaml"}}, "sandbox.scenario", "no scenario file", "relative to this file"),
]  # fmt: skip

WARNINGS: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("pinned without failover", {f"{S}europe/failover": REMOVE}, "topology.services.europe.home", "every path that leads here dies with it", "failover: [REGION]"),
    ("pool with a single region", {f"{S}pool/regions": ["us-east4"]}, "topology.services.pool.regions", "nothing to move", "second region"),
    ("all places of the proxy taken", {f"{F}https": {"certificates": {"managed": [f"a{n}.example.com" for n in range(15)]}}}, "topology.frontends.https.certificates.managed", "all 15 places", "share certificates"),
    ("redirect past the HTTPS port", {f"{F}http/redirect_to_https": True, f"{F}https": {**HTTPS, "port": 8443}}, "topology.frontends.http.redirect_to_https", "leads to port 443", "port 443"),
    ("unused region", {f"{R}us-west1": {"groups": [{"zone": "us-west1-a", "neg": "w"}], "balancing": RATE}, f"{S}pool/regions": ["us-east4", "europe-west4"]}, "topology.regions.us-west1", "no service uses the region us-west1", "Remove it"),
    ("unused health check", {"topology/health_checks/other": {}}, "topology.health_checks.other", "no service uses", "Remove it"),
    ("unused policy", {"policies/careful": {}}, "policies.careful", "no service uses the policy careful", "Remove it"),
    ("unreached service", {f"{S}lost": {"health_check": "ready", "regions": "all"}}, "topology.services.lost", "nothing leads to", "route"),
    ("tick faster than samples", {"daemon/tick": "20s"}, "daemon.tick", "sees nothing new", "60s"),
    ("listening to everybody", {"daemon/listen": ":9464"}, "daemon.listen", "ask for no password", "firewall"),
    ("listening to everybody without a token", {"daemon/listen": ":9464"}, "daemon.listen", "ask for no password", "daemon.tls and daemon.token_file"),
    ("passphrase not there", {"daemon/engine/passphrase_file": "/nowhere/pass"}, "daemon.engine.passphrase_file", "no file", "where the daemon runs"),
    ("draining shorter than requests", {f"{S}pool/draining": "10s"}, "topology.services.pool.draining", "cut after 10s", "5m"),
    ("draining where requests outlast the longest", {f"{S}pool/timeout": "1d"}, "topology.services.pool.draining", "cut after 5m", "Write 1h, which is the most there is, and give the service a `timeout` of 1h or less"),
    ("longest draining", {f"{S}pool/timeout": "1d", f"{S}pool/draining": "1h"}, "topology.services.pool.draining", "cut after 1h", "There is no longer one than 1h"),
    ("removal where requests outlast the longest", {f"{S}pool/timeout": "1d"}, "policies.default.membership.drain_wait", "a request to pool may take 1d", "Write 2h, which is the most there is, and give the service a `timeout` of 2h or less"),
    ("removal before the last answer of a route", {"topology/routes/0/paths/0/timeout": "20m", f"{S}europe/draining": "20m"}, "policies.default.membership.drain_wait", "a request to europe may take 20m by the `timeout` of a route", "Write 20m or more"),
    ("removal before the last answer of a default route", {"topology/routes/0/timeout": "3h"}, "policies.default.membership.drain_wait", "a request to pool may take 3h by the `timeout` of a route", "give the route a `timeout` of 2h or less"),
    ("removal before the last answer", {f"{P}membership": {"drain_wait": "1m"}, f"{S}europe": REMOVE, "topology/routes": REMOVE}, "policies.default.membership.drain_wait", "removal can cut it", "5m or more"),
]  # fmt: skip


def test_no_message_about_a_webhook_holds_its_url(change: Change, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("http://hooks.example.com/T0-secret\n")
    cases = [e[1] for e in ERRORS if e[0].startswith("webhook")]
    cases.append({"daemon/webhooks": [{"url_file": str(file)}]})
    for changes in cases:
        verdict = change(changes)
        assert verdict.problems, changes
        assert "T0-secret" not in _said(verdict, "")


def test_the_check_waits_for_no_pipe_in_the_place_of_a_secret(
    change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spillway.config.reading.PIPE_SECONDS", 0.05)
    os.mkfifo(tmp_path / "url")
    verdict = change({"daemon/webhooks": [{"url_file": str(tmp_path / "url")}]})
    assert any("no file of the disk" in problem.message for problem in verdict.problems)


def test_a_character_that_no_file_has_is_told_and_no_defect(change: Change) -> None:
    verdict = change({"daemon/webhooks": [{"url_file": "/etc/a\0b"}], "daemon/state_dir": "/var/\0"})
    told = [problem.path for problem in verdict.problems if "no file, name" in problem.message]
    assert sorted(told) == ["daemon.state_dir", "daemon.webhooks[0].url_file"]


def test_webhooks_are_taken_and_their_url_is_not_in_their_repr(change: Change, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(HOOK + "\n")
    hooks = [{"url": HOOK}, {"url": "http://127.0.0.1:9093/x"}, {"url_file": str(file), "format": "slack"}]
    verdict = change({"daemon/webhooks": hooks})
    assert verdict.problems == ()
    assert verdict.config is not None
    found = verdict.config.daemon.webhooks
    assert [hook.severities for hook in found] == [("page", "ticket")] * 3
    assert "T0-secret" not in repr(verdict.config)


def _said(verdict: Verdict, path: str) -> str:
    return (
        "\n".join(f"{p.path}: {p.message} {p.remedy}" for p in (*verdict.problems, *verdict.warnings))
        + f"\nwanted: {path}"
    )


@pytest.mark.parametrize(
    ("changes", "path", "message", "remedy"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_error(change: Change, changes: dict[str, Any], path: str, message: str, remedy: str) -> None:
    verdict = change(changes)
    assert verdict.config is None, "it was accepted"
    found = [p for p in verdict.problems if p.path == path and message in p.message]
    assert len(found) == 1, _said(verdict, path)
    assert remedy in found[0].remedy, _said(verdict, path)
    assert 0 < found[0].line <= verdict.text.count("\n") + 1
    assert found[0].file.endswith("spillway.yaml")


@pytest.mark.parametrize(
    ("changes", "path", "message", "remedy"), [w[1:] for w in WARNINGS], ids=[w[0] for w in WARNINGS]
)
def test_warning(change: Change, changes: dict[str, Any], path: str, message: str, remedy: str) -> None:
    verdict = change(changes)
    assert verdict.problems == (), _said(verdict, path)
    assert verdict.config is not None
    found = verdict.warning_at(path)
    assert message in found.message, _said(verdict, path)
    assert remedy in found.remedy, _said(verdict, path)


@pytest.mark.parametrize(
    "entry",
    [e for e in ERRORS if e[0] not in {"missing section", "two certificates of one name"}],
    ids=lambda e: str(e[0]),
)
def test_one_mistake_is_reported_once(
    change: Change, entry: tuple[str, dict[str, Any], str, str, str]
) -> None:
    """No mistake drags a crowd of others behind it: a second and third only where two services share it."""
    verdict = change(entry[1])
    assert len(verdict.problems) <= 3, _said(verdict, entry[2])


def test_what_google_takes_is_taken(change: Change) -> None:
    """The neighbours of what the rules refuse."""
    lawful: dict[str, Any] = {
        EU: {"zone": "europe-west4-a", "neg": "eu", "create": {"network": "projects/p/global/networks/n", "subnetwork": "s"}},
        "topology/address": {"existing": "https://www.googleapis.com/compute/v1/projects/my-project/global/addresses/a"},
        "topology/routes/0/hosts": ["*.example.com", "*-b.example.com", "xn--a.example.com", "localhost"],
        H: {"path": "/healthz?full=1", "host": "api.internal:8080"},
    }  # fmt: skip
    verdict = change(lawful)
    assert verdict.problems == (), _said(verdict, "")
    managed = [["a.example.com", "b.example.com"], "a.example.com", "c.example.com"]
    several: dict[str, Any] = {
        "topology/address": {
            "existing": ["203.0.113.7", "2001:db8::1"],
            "labels": {"team": "a_b-1", "empty": ""},
        },
        f"{F}labels": {"team": "inference"},
        f"{F}http": [{"port": 80, "redirect_to_https": True}, {"port": 8080, "keep_alive": "20m"}],
        f"{F}https": [
            {"certificates": {"managed": managed}, "keep_alive": "5s", "tls_early_data": "PERMISSIVE"},
            {"port": 8443, "certificates": {"map": "m"}, "server_tls_policy": "mtls"},
        ],
    }
    verdict = change(several)
    assert (verdict.problems, verdict.warnings) == ((), ()), _said(verdict, "")
    verdict = change(
        {"topology/address": {"existing": "203.0.113.7", "name": "six", "ip_version": ["IPV4", "IPV6"]}}
    )
    assert verdict.problems == (), _said(verdict, "")
    verdict = change({**SERVERLESS, f"{S}pool/timeout": "30s", f"{S}pool/draining": "30s"})
    assert verdict.problems == (), _said(verdict, "")


def test_a_key_that_belongs_to_another_certificate_is_refused(change: Change, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_pair(tmp_path / name)
    given = {"name": "own", "certificate_file": "one.crt", "private_key_file": "one.key"}
    at = f"{F}https"
    assert change({at: {"certificates": {"given": [given]}}}).problems == ()
    verdict = change({at: {"certificates": {"given": [{**given, "private_key_file": "two.key"}]}}})
    found = verdict.at("topology.frontends.https.certificates.given[0].private_key_file")
    assert "does not belong to the certificate" in found.message
    assert "for which this certificate was issued" in found.remedy


def write_pair(stem: Path) -> None:
    """A key and a certificate for it, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.example.com")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    stem.with_suffix(".crt").write_bytes(certificate)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    stem.with_suffix(".key").write_bytes(key.private_bytes(*form))


def test_all_mistakes_are_reported_at_once(change: Change) -> None:
    """Twenty mistakes of all kinds in one configuration: the broken parts do not hide what is wrong with the others."""
    together = [
        "bare number for a duration", "port range", "scaler between 0 and 0.1", "unknown key", "project number",
        "probe longer than its interval", "dwell shorter than dead time", "relative state folder", "unknown failover",
        "unknown default service", "star in the middle", "posture order", "engine that cannot reach Google",
    ]  # fmt: skip
    chosen = [e for e in ERRORS if e[0] in together]
    assert len(chosen) == len(together)
    changes: dict[str, Any] = {}
    for entry in chosen:
        changes |= entry[1]
    verdict = change(changes)
    missing = [
        e[0] for e in chosen if not any(p.path == e[2] and e[3] in p.message for p in verdict.problems)
    ]
    assert missing == [], _said(verdict, "")
    assert [p.line for p in verdict.problems] == sorted(p.line for p in verdict.problems)


def test_a_rule_is_silent_about_what_rests_on_a_broken_value(change: Change) -> None:
    verdict = change({f"{P}timing": {"propagation": "soon"}, f"{P}rhythm": {"dwell": "30s"}})
    assert [p.path for p in verdict.problems] == ["policies.default.timing.propagation"]
    verdict = change({"topology/regons": {}, "topology/regions": REMOVE})
    assert [p.path for p in verdict.problems] == ["topology.regons"], "its misspelling says enough"
    verdict = change({f"{R}us-east4/balancng": RATE, f"{R}us-east4/balancing": REMOVE})
    assert [p.path for p in verdict.problems] == ["topology.regions.us-east4.balancng"]


def test_items_keep_their_place_when_one_before_them_is_broken(change: Change) -> None:
    verdict = change({f"{R}europe-west4/groups": [{"zone": 5}, {"zone": "us-east4-a", "neg": "x"}]})
    assert (
        verdict.at("topology.regions.europe-west4.groups[1].zone").line
        > verdict.at("topology.regions.europe-west4.groups[0].zone").line
    )


def test_the_sample_is_the_one_that_is_changed() -> None:
    assert "europe-west4" in SOUND
