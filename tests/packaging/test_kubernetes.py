"""config/kubernetes: valid by the API's own names and types, and its parts fit together and fit the daemon."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.packaging.kubernetes_fields import FILE, KINDS, documents, with_key_file

from spillway.compose.changes import Watch
from spillway.config.load import Loaded, load
from spillway.config.model import DaemonConfig

TEXT, MAP = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}


def strict(required: list[str], **properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


POD_MONITORING = strict(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "monitoring.googleapis.com/v1"},
    kind=TEXT,
    metadata={"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
    spec=strict(
        ["endpoints", "selector"],
        selector={"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"},
        endpoints={
            "type": "array",
            "items": strict(
                ["port"],
                port={"type": ["string", "integer"]},
                path=TEXT,
                scheme=TEXT,
                interval={"type": "string", "pattern": r"^\d+(s|m)$"},
                timeout={"type": "string", "pattern": r"^\d+(s|m)$"},
                params={"type": "object"},
                metricRelabeling={"type": "array"},
            ),
        },
    ),
)
"""From the definition of Google's managed collection, whose schemas no package has."""
DEFS: dict[str, Any] = {
    **json.loads(FILE.read_text(encoding="utf-8"))["$defs"],
    "PodMonitoring": POD_MONITORING,
}
OBJECTS = {document["kind"]: document for name, document in documents() if name.endswith(".yaml")}
POD = OBJECTS["Deployment"]["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]


def mistakes(document: dict[str, Any]) -> list[str]:
    schema = {"$ref": f"#/$defs/{document['kind']}", "$defs": DEFS}
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize(("name", "document"), list(documents()), ids=lambda value: str(value)[:40])
def test_every_object_has_the_fields_of_the_api(name: str, document: dict[str, Any]) -> None:
    assert mistakes(document) == [], name
    assert document["metadata"]["name"].startswith("spillway")


def test_the_files_hold_what_a_running_daemon_takes() -> None:
    assert set(OBJECTS) == {*KINDS, "PodMonitoring"}


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        (("spec",), "replica", 1),
        (("spec",), "replicas", "one"),
        (("spec", "template", "spec"), "securitycontext", {}),
        (("spec", "template", "spec", "containers", 0), "readinessProb", {}),
        (("spec", "template", "spec", "containers", 0, "livenessProbe"), "periodSeconds", "30s"),
        (("spec", "template", "spec", "containers", 0, "resources"), "limit", {}),
    ],
)
def test_a_misspelt_field_and_a_wrong_type_are_found(
    where: tuple[str | int, ...], name: str, value: object
) -> None:
    document = copy.deepcopy(OBJECTS["Deployment"])
    at: Any = document
    for part in where:
        at = at[part]
    at[name] = value
    assert mistakes(document)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    path = tmp_path_factory.mktemp("config") / "spillway.yaml"
    path.write_text(OBJECTS["ConfigMap"]["data"]["spillway.yaml"], encoding="utf-8")
    return load(path)


def test_the_configuration_is_whole_and_fits_the_pod(loaded: Loaded) -> None:
    daemon = loaded.config.daemon
    (port,) = CONTAINER["ports"]
    assert daemon.listen == f"0.0.0.0:{port['containerPort']}", "probes ask at the pod's address"
    assert [warning.path for warning in loaded.warnings] == ["daemon.listen"], (
        "which networkpolicy.yaml answers"
    )
    mounts = {mount["name"]: mount for mount in CONTAINER["volumeMounts"]}
    assert mounts["state"]["mountPath"] == daemon.state_dir
    (variable,) = CONTAINER["env"]
    assert variable["name"] == "SPILLWAY_CONFIG"
    assert Path(variable["value"]).parent == Path(mounts["config"]["mountPath"])
    assert Path(variable["value"]).name in OBJECTS["ConfigMap"]["data"]
    assert "subPath" not in mounts["config"], "a changed ConfigMap would not reach the daemon"
    assert (daemon.engine.backend or "").startswith("gs://")
    service = OBJECTS["Service"]["metadata"]["name"]
    assert {service, f"{service}.spillway.svc"} <= set(daemon.hosts)
    assert all(policy.mode == "observe" for policy in loaded.config.policies.values())


def test_a_changed_configmap_reaches_the_daemon(tmp_path: Path) -> None:
    """The kubelet writes a new folder and turns one link; the file's own name leads through that link."""
    for version, text in (("..1", "name: one\n"), ("..2", "name: two\n")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "spillway.yaml").write_text(text, encoding="utf-8")
    os.utime(tmp_path / "..1" / "spillway.yaml", (1e9, 1e9))
    (tmp_path / "..data").symlink_to("..1")
    path = tmp_path / "spillway.yaml"
    path.symlink_to("..data/spillway.yaml")
    watch = Watch(path, (path,))
    assert watch() == 0
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert watch() == 1


def test_the_objects_name_each_other_rightly() -> None:
    labels = POD["metadata"]["labels"]
    assert OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert OBJECTS["Service"]["spec"]["selector"] == labels
    assert OBJECTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert OBJECTS["PodMonitoring"]["spec"]["selector"]["matchLabels"] == labels
    (port,) = CONTAINER["ports"]
    (endpoint,) = OBJECTS["PodMonitoring"]["spec"]["endpoints"]
    (exposed,) = OBJECTS["Service"]["spec"]["ports"]
    (rule,) = OBJECTS["NetworkPolicy"]["spec"]["ingress"]
    named = {endpoint["port"], exposed["targetPort"], *(each["port"] for each in rule["ports"])}
    assert named == {port["name"]}
    assert POD["spec"]["serviceAccountName"] == OBJECTS["ServiceAccount"]["metadata"]["name"]
    assert "iam.gke.io/gcp-service-account" in OBJECTS["ServiceAccount"]["metadata"]["annotations"]
    volumes = {volume["name"]: volume for volume in POD["spec"]["volumes"]}
    assert set(volumes) == {mount["name"] for mount in CONTAINER["volumeMounts"]}
    claim = OBJECTS["PersistentVolumeClaim"]["metadata"]["name"]
    assert volumes["state"]["persistentVolumeClaim"]["claimName"] == claim
    assert volumes["config"]["configMap"]["name"] == OBJECTS["ConfigMap"]["metadata"]["name"]


def test_the_key_file_is_mounted_where_its_variable_says() -> None:
    (container,) = with_key_file()["spec"]["template"]["spec"]["containers"]
    names = {variable["name"]: variable["value"] for variable in container["env"]}
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(Path(names["GOOGLE_APPLICATION_CREDENTIALS"]).parent) in mounts
    volumes = {volume["name"] for volume in with_key_file()["spec"]["template"]["spec"]["volumes"]}
    assert volumes == {mount["name"] for mount in container["volumeMounts"]}


def test_there_is_one_daemon_and_it_gets_the_time_that_it_takes() -> None:
    spec, defaults = OBJECTS["Deployment"]["spec"], DaemonConfig()
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert POD["spec"]["terminationGracePeriodSeconds"] > defaults.stop_deadline + 10
    startup = CONTAINER["startupProbe"]
    assert (
        startup["periodSeconds"] * startup["failureThreshold"] > defaults.engine.deadline + 3 * defaults.tick
    )
    paths = {
        name: CONTAINER[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")
    }
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    assert CONTAINER["args"] == ["run", "--stay"], (
        "the image's entry point stays: its init reaps the engine's plugins"
    )
    assert "command" not in CONTAINER


def test_the_pod_keeps_to_the_restricted_profile_on_a_read_only_root() -> None:
    pod, container = POD["spec"]["securityContext"], CONTAINER["securityContext"]
    assert pod["runAsNonRoot"]
    assert pod["runAsUser"] == pod["fsGroup"] == 65532, "the user of the image"
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["spec"]["automountServiceAccountToken"] is False
    assert any("emptyDir" in volume for volume in POD["spec"]["volumes"]), "/tmp"
    assert {"requests", "limits"} == set(CONTAINER["resources"])
    assert not CONTAINER["image"].endswith(":latest")
