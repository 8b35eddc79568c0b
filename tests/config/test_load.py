"""Loading: from a path to values that the rest can rely on, or to a ConfigError with everything in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from tests.config.sample_config import SOUND, Change, Verdict

from spillway.config import names
from spillway.config.load import fleet, load, starting_overlay
from spillway.core.values.overlay import initial_overlay
from spillway.core.values.policy import Mode, Policy
from spillway.core.values.topology import BalancingMode, GroupKey, Preference
from spillway.errors import ConfigError

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


def written(folder: Path, text: str = SOUND) -> Path:
    path = folder / "spillway.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def with_certificate(folder: Path) -> Path:
    data = yaml.safe_load(SOUND)
    given = {"name": "api", "certificate_file": "tls/api.pem", "private_key_file": "tls/api.key"}
    data["topology"]["frontends"]["https"] = {"certificates": {"given": [given]}}
    (folder / "tls").mkdir()
    (folder / "tls/api.pem").write_text(PEM)
    (folder / "tls/api.key").write_text(KEY)
    return written(folder, yaml.safe_dump(data))


def test_a_sound_file_is_loaded(tmp_path: Path) -> None:
    path = written(tmp_path)
    loaded = load(path)
    assert loaded.config.project == "my-project"
    assert loaded.warnings == ()
    assert loaded.path == path
    assert loaded.files == (path,)
    assert loaded == load(path), "loading is repeatable"


def test_a_mistake_raises_with_every_problem(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND.replace("port: 80", "port: 80-443").replace("my-project", "x"))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [(p.line, p.path) for p in caught.value.problems] == [
        (3, "project"),
        (6, "topology.frontends.http.port"),
    ]
    assert str(path) in str(caught.value)


def test_one_mistake_in_a_list_is_one_problem(tmp_path: Path) -> None:
    """pydantic also complains that the list has no entry left."""
    path = written(tmp_path, SOUND.replace("neg:", "nag:", 1))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [p.path.rpartition(".")[2] for p in caught.value.problems] == ["nag"]


@pytest.mark.parametrize("text", ["", "- 1\n", "cloud: [\n", "a: 1\n---\n"])
def test_what_is_no_configuration_raises(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    assert caught.value.problems


def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.yaml")


def test_a_directory_is_one_configuration(tmp_path: Path) -> None:
    data = yaml.safe_load(SOUND)
    (tmp_path / "10-daemon.yaml").write_text(yaml.safe_dump({"cloud": "gcp", "project": data["project"]}))
    services = data["topology"].pop("services")
    (tmp_path / "20-topology.yaml").write_text(yaml.safe_dump({"topology": data["topology"]}))
    (tmp_path / "30-services.yaml").write_text(yaml.safe_dump({"topology": {"services": services}}))
    assert load(tmp_path).config == load(written(tmp_path / "..")).config
    (tmp_path / "30-services.yaml").write_text(
        "topology:\n  services:\n    pool: {health_check: redy, regions: all}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    places = {(Path(p.file).name, p.line, p.path) for p in caught.value.problems}
    assert ("30-services.yaml", 3, "topology.services.pool.health_check") in places


def test_problems_of_several_files_stand_in_order(
    check_files: Callable[[Mapping[str, str]], Verdict],
) -> None:
    data = yaml.safe_load(SOUND)
    data["topology"]["frontends"]["http"]["port"] = "80-443"
    topology = yaml.safe_dump({"topology": data["topology"]})
    verdict = check_files({"b.yaml": topology, "a.yaml": "cloud: gcp\nproject: X\n"})
    assert [Path(p.file).name for p in verdict.problems] == ["a.yaml", "b.yaml"]


def test_file_names_become_absolute_and_are_followed(tmp_path: Path) -> None:
    path = with_certificate(tmp_path)
    loaded = load(path)
    (https,) = loaded.config.topology.frontends.secure
    assert https.certificates.given is not None
    assert https.certificates.given[0].certificate_file == str(tmp_path / "tls/api.pem")
    assert loaded.files == (path, tmp_path / "tls/api.pem", tmp_path / "tls/api.key")
    (tmp_path / "tls/api.pem").write_text(PEM + PEM)
    assert load(path).digest != loaded.digest, "a renewed certificate is a change"


def test_a_certificate_that_is_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = with_certificate(tmp_path)
    (tmp_path / "tls/api.pem").unlink()
    os.mkfifo(tmp_path / "tls/api.pem")
    with pytest.raises(ConfigError, match="no file of the disk"):
        load(path)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("api.pem", "not a certificate", "does not hold a certificate in PEM form"),
        ("api.pem", KEY, "does not hold a certificate in PEM form"),
        ("api.key", KEY.replace("PRIVATE", "ENCRYPTED PRIVATE"), "It is encrypted"),
        ("api.key", "\x00\xff", "does not hold an unencrypted private key"),
    ],
)
def test_certificates_must_be_pem(tmp_path: Path, file: str, text: str, words: str) -> None:
    path = with_certificate(tmp_path)
    (tmp_path / "tls" / file).write_text(text)
    with pytest.raises(ConfigError, match=words):
        load(path)


def test_a_comment_changes_the_digest_and_nothing_else(tmp_path: Path) -> None:
    before = load(written(tmp_path))
    after = load(written(tmp_path, SOUND + "# a remark\n"))
    assert after.config == before.config
    assert after.digest != before.digest


def test_the_fleet_is_what_the_core_needs(change: Change) -> None:
    config = change({"topology/regions/us-east4/cost": 0.9, "topology/regions/us-east4/standby": True}).config
    assert config is not None
    found = fleet(config)
    assert [s.name for s in found.services] == ["europe", "pool"]
    pool, pinned = found.service("pool"), found.service("europe")
    assert (pool.resource, pool.home, pool.policy) == ("spillway-pool", None, "default")
    us = pool.backend("us-east4")
    assert us.groups == (GroupKey(name="us", scope="us-east4-a"),)
    assert (us.target.mode, us.target.per_endpoint, us.cost, us.standby, us.movable) == (
        BalancingMode.RATE,
        10.0,
        0.9,
        True,
        True,
    )
    assert us.latitude == pytest.approx(39.0, abs=0.1)
    assert pinned.home == "europe-west4"
    assert pinned.backend("europe-west4").preference is Preference.PREFERRED
    assert pinned.backend("us-east4").preference is Preference.DEFAULT
    assert pool.backend("europe-west4").preference is Preference.DEFAULT


def test_a_pinned_service_alone_prefers_nothing(change: Change) -> None:
    config = change({"topology/services/europe": {"health_check": "ready", "home": "us-east4"}}).config
    assert config is not None
    (backend,) = fleet(config).service("europe").backends
    assert backend.preference is Preference.DEFAULT


def test_targets_of_all_modes(change: Change) -> None:
    modes: dict[str, tuple[dict[str, object], tuple[float | None, ...]]] = {
        "IN_FLIGHT": ({"max_in_flight_per_endpoint": 8}, (8, None, None)),
        "CUSTOM_METRICS": (
            {
                "custom_metrics": [
                    {"name": "kv", "max_utilization": 0.7},
                    {"name": "q", "max_utilization": 0.1, "dry_run": True},
                ],
                "max_rate": 50,
            },
            (None, 50.0, 0.7),
        ),
        "RATE": ({"max_rate": 120}, (None, 120.0, None)),
    }
    for mode, (figures, wanted) in modes.items():
        config = change({"topology/regions/us-east4/balancing": {"mode": mode, **figures}}).config
        assert config is not None
        target = fleet(config).service("pool").backend("us-east4").target
        assert target.mode == mode
        assert (target.per_endpoint, target.per_group, target.max_utilization) == wanted


def test_a_region_that_nobody_knows_takes_its_place_from_the_configuration(change: Change) -> None:
    region = {"groups": [{"zone": "moon-north1-a", "neg": "m"}], "balancing": {"mode": "RATE", "max_rate": 5}}
    config = change({"topology/regions/moon-north1": region}).config
    assert config is not None
    backend = fleet(config).service("pool").backend("moon-north1")
    assert (backend.latitude, backend.longitude) == (None, None)
    config = change({"topology/regions/moon-north1": {**region, "latitude": 1.0, "longitude": 2.0}}).config
    assert config is not None
    backend = fleet(config).service("pool").backend("moon-north1")
    assert (backend.latitude, backend.longitude) == (1.0, 2.0)


def test_the_first_overlay_takes_the_configured_scalers(change: Change) -> None:
    config = change(
        {
            "topology/regions/us-east4/scaler": 0.4,
            "topology/services/europe/backends": {"us-east4": {"standby": True, "scaler": 0.7}},
        }
    ).config
    assert config is not None
    overlay = starting_overlay(config)
    assert overlay.service("pool").backend("us-east4").scaler == 0.4
    assert overlay.service("pool").backend("europe-west4").scaler == 1.0
    waiting = overlay.service("europe").backend("us-east4")
    assert (waiting.member, waiting.scaler) == (False, 0.0)
    sound = change({}).config
    assert sound is not None
    assert starting_overlay(sound) == initial_overlay(fleet(sound))


def test_policies_are_the_cores(change: Change) -> None:
    config = change({"policies/default": {"mode": "act", "rhythm": {"dwell": "10m"}}}).config
    assert config is not None
    found = config.policies["default"]
    assert (found.mode, found.rhythm.dwell) == (Mode.ACT, 600.0)


def test_defaults_are_those_of_the_core(change: Change) -> None:
    config = change({}).config
    assert config is not None
    assert config.policies["default"] == Policy()


def test_without_policies_there_is_the_default_one(tmp_path: Path) -> None:
    config = load(written(tmp_path, SOUND.split("policies:")[0])).config
    assert config.policies == {"default": Policy()}


def test_serverless_regions_are_moved_by_membership(change: Change) -> None:
    from tests.config.test_rules import SERVERLESS

    standby = {**SERVERLESS, "topology/regions/us-east4/standby": True}
    for changes, waits in ((SERVERLESS, False), (standby, True)):
        config = change(changes).config
        assert config is not None
        backend = fleet(config).service("pool").backend("us-east4")
        assert (backend.movable, backend.has_scaler, backend.standby) == (True, False, waits)
        assert backend.groups == (GroupKey(name="run-us", scope="us-east4"),)
        assert backend.target.rate(5, 1) is None


@pytest.mark.parametrize(
    ("group", "key", "url"),
    [
        ({"zone": "us-east4-a", "neg": "n"}, ("n", "us-east4-a"), "zones/us-east4-a/networkEndpointGroups/n"),
        (
            {"zone": "us-east4-a", "hybrid_neg": "n"},
            ("n", "us-east4-a"),
            "zones/us-east4-a/networkEndpointGroups/n",
        ),
        (
            {"zone": "us-east4-a", "instance_group": "n"},
            ("n", "us-east4-a"),
            "zones/us-east4-a/instanceGroups/n",
        ),
        ({"serverless_neg": "n"}, ("n", "us-east4"), "regions/us-east4/networkEndpointGroups/n"),
        ({"psc_neg": "n"}, ("n", "us-east4"), "regions/us-east4/networkEndpointGroups/n"),
        ({"internet_neg": "n"}, ("n", "global"), "global/networkEndpointGroups/n"),
        ({"url": f"{names.API}/projects/q/zones/us-east4-b/instanceGroups/n"}, ("n", "us-east4-b"), None),
        (
            {"url": "https://compute.googleapis.com/compute/beta/projects/q/global/networkEndpointGroups/n"},
            ("n", "global"),
            None,
        ),
    ],
)
def test_names_of_groups(group: dict[str, str], key: tuple[str, str], url: str | None) -> None:
    from spillway.config.groups import GroupConfig

    config = GroupConfig.model_validate(group)
    assert names.group_key("us-east4", config) == GroupKey(name=key[0], scope=key[1])
    wanted = f"{names.API}/projects/p/{url}" if url else group["url"]
    assert names.group_url("p", "us-east4", config) == wanted
    parsed = names.parse_group_url(wanted)
    assert parsed is not None
    assert (parsed.name, parsed.scope) == key


def test_a_group_without_a_name_has_none() -> None:
    from spillway.config.groups import GroupConfig

    for group in (GroupConfig(), GroupConfig(neg="n"), GroupConfig(url="projects/p")):
        with pytest.raises(ValueError, match="group"):
            names.group_key("us-east4", group)


def test_another_secret_in_a_file_is_another_configuration(tmp_path: Path) -> None:
    """Names are relative to the configuration, and a reload sends what the file holds now."""
    data = yaml.safe_load(SOUND)
    keys = {"signed_url_keys": [{"name": "one", "key_file": "url-key"}]}
    data["topology"]["services"]["pool"]["cdn"] = keys
    data["topology"]["buckets"] = {"assets": {"bucket": "acme", "cdn": keys}}
    data["topology"]["services"]["europe"]["iap"] = {
        "enabled": True,
        "oauth2_client_id": "client",
        "oauth2_client_secret_file": "iap-secret",
    }
    (tmp_path / "url-key").write_text("MDEyMzQ1Njc4OWFiY2RlZg==\n")
    (tmp_path / "iap-secret").write_text("hush\n")
    path = written(tmp_path, yaml.safe_dump(data))
    loaded = load(path)
    assert loaded.files == (path, tmp_path / "iap-secret", tmp_path / "url-key")
    digests = {loaded.digest}
    for name, content in (("url-key", "ZmVkY2JhOTg3NjU0MzIxMA=="), ("iap-secret", "hush-hush")):
        (tmp_path / name).write_text(content)
        digests.add(load(path).digest)
    assert len(digests) == 3
    assert "hush" not in str(load(path).config) + str(load(path).data)
