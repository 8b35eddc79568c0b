"""What is put together for a configuration, and what a change of it means."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from tests.control.fakes import FakeClock, FakeCloud, fleet

from spillway.compose.changes import Watch, digest_of, restart_needed, session_of
from spillway.compose.clouds import clock_of, closer
from spillway.compose.running import exporter_of, rhythm_of, tell_warnings
from spillway.compose.tools import Provisioner, keeper_of
from spillway.config import load
from spillway.config.access import Access, WebTlsConfig
from spillway.config.load import Loaded
from spillway.control.memory import Kept
from spillway.core.values.overlay import initial_overlay
from spillway.errors import PermanentError, TemporaryError
from spillway.ports import Outcome
from spillway.service.watch import ClockWatch

DEMO = Path(__file__).resolve().parents[2] / "config" / "demo.yaml"


def loaded(folder: Path, **changes: str) -> Loaded:
    """The demo's configuration with some of its text replaced, and a state folder of its own."""
    text = DEMO.read_text(encoding="utf-8").replace(
        "scenarios/demo.yaml", str(DEMO.parent / "scenarios" / "demo.yaml")
    )
    text = text.replace("127.0.0.1:8480", "127.0.0.1:9").replace("127.0.0.1:8481", "127.0.0.1:10")
    for old, new in changes.items():
        text = text.replace(f"{old}:", f"{new}:")
    path = folder / "spillway.yaml"
    path.write_text(f"{text}\ndaemon:\n  state_dir: {folder / 'state'}\n", encoding="utf-8")
    return load.load(path)


def test_a_sandbox_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match=r"127\.0\.0\.1:9"):
        clock_of(loaded(tmp_path).config)


def test_what_check_warns_of_is_logged_by_a_daemon_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "open.yaml"
    path.write_text(
        loaded(tmp_path).path.read_text(encoding="utf-8") + "  listen: 0.0.0.0:9464\n", encoding="utf-8"
    )
    tell_warnings(load.load(path))
    assert "daemon.listen: 0.0.0.0:9464 can be reached from outside this machine" in caplog.text


def test_intervals_are_the_worlds_and_deadlines_the_walls(tmp_path: Path) -> None:
    rhythm = rhythm_of(loaded(tmp_path).config, 60.0)
    assert (rhythm.tick, rhythm.health) == (1.0, 0.25)
    assert (rhythm.stop, rhythm.write) == (60.0, 900.0)


def test_only_what_a_process_cannot_change_needs_a_restart(tmp_path: Path) -> None:
    config = loaded(tmp_path).config
    assert restart_needed(config, config) == ()
    daemon = config.daemon
    slower = config.model_copy(update={"daemon": daemon.model_copy(update={"tick": 120.0})})
    assert restart_needed(config, slower) == ()
    moved = config.model_copy(
        update={"project": "other-project", "daemon": daemon.model_copy(update={"listen": "127.0.0.1:1"})}
    )
    assert restart_needed(config, moved) == ("project", "daemon.listen")


def test_a_build_is_due_for_other_files_another_engine_or_another_sandbox(tmp_path: Path) -> None:
    one = loaded(tmp_path)
    assert digest_of(one, "embedded", "") == digest_of(loaded(tmp_path), "embedded", "")
    assert digest_of(one, "embedded", "") != digest_of(one, "cli+plugin", "")
    assert digest_of(one, "embedded", "1") != digest_of(one, "embedded", "2")
    assert session_of(one.config) != ""
    (tmp_path / "spillway.yaml").write_text((tmp_path / "spillway.yaml").read_text() + "# more\n")
    assert digest_of(load.load(tmp_path / "spillway.yaml"), "embedded", "") != digest_of(one, "embedded", "")


def test_a_file_that_changes_comes_or_goes_is_noticed(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("x")
    watch = Watch(tmp_path, (first,))
    assert watch() == watch() == 0
    second.write_text("y")
    assert watch() == 1
    os.utime(second, ns=(1, 1))
    assert watch() == 2
    first.unlink()
    assert watch() == watch() == 3


def test_a_file_that_a_reload_refers_to_is_watched_from_then_on(tmp_path: Path) -> None:
    """A certificate that nobody watches is renewed in vain, until the old one expires."""
    config, certificate = tmp_path / "a.yaml", tmp_path / "api.pem"
    config.write_text("x")
    certificate.write_text("old")
    watch = Watch(config, (config,))
    watch.follow((config, certificate))
    assert watch() == 0, "what was just read is no change"
    os.utime(certificate, ns=(1, 1))
    assert watch() == 1
    watch.follow((config,))
    certificate.unlink()
    assert watch() == 1


def test_commands_work_with_what_a_daemon_has_chosen(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    starting = load.starting_overlay(found.config)
    pool = starting.service("pool")
    chosen = starting.with_service(
        pool.with_backend(pool.backend("us-east4").__class__(region="us-east4", member=True, scaler=0.2))
    )
    keeper_of(tmp_path / "state").save(Kept(overlay=chosen))
    cloud = FakeCloud(FakeClock(), initial_overlay(fleet()))
    assert Provisioner(loaded=found, deployer=cloud).overlay == chosen


def test_a_daemon_learns_what_up_and_destroy_have_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would skip its first build after a `destroy`, or after an `up` of another configuration."""
    monkeypatch.setattr("spillway.compose.tools.session_of", lambda _config: "")  # as on Google Cloud
    found = loaded(tmp_path)
    keeper = keeper_of(tmp_path / "state")
    cloud = FakeCloud(FakeClock(), initial_overlay(fleet()))
    assert Provisioner(loaded=found, deployer=cloud).build().outcome is Outcome.DONE
    assert keeper.look() == (None, ""), "where no daemon has run, there is nothing to be kept"
    keeper.save(Kept(overlay=load.starting_overlay(found.config), provisioned="older"))
    Provisioner(loaded=found, deployer=cloud).build()
    kept, _ = keeper.look()
    assert kept is not None
    assert kept.provisioned == digest_of(found, cloud.kind, "")
    cloud.outcomes = [Outcome.FAILED]
    Provisioner(loaded=found, deployer=cloud).build()
    assert (keeper.look()[0] or Kept()).provisioned == ""
    keeper.save(kept)
    Provisioner(loaded=found, deployer=cloud).destroy()
    assert (keeper.look()[0] or Kept()).provisioned == ""


def test_a_state_file_that_makes_no_sense_is_left_where_it_is(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    state = tmp_path / "state" / "state.json"
    state.parent.mkdir()
    state.write_text("garbage")
    cloud = FakeCloud(FakeClock(), initial_overlay(fleet()))
    with pytest.raises(PermanentError, match=r"state\.json is unreadable"):
        _ = Provisioner(loaded=found, deployer=cloud).overlay
    assert state.read_text() == "garbage"


def test_without_daemon_and_without_cloud_the_configured_start_is_taken(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    cloud = FakeCloud(FakeClock(), initial_overlay(fleet()))
    assert Provisioner(loaded=found, deployer=cloud).overlay == load.starting_overlay(found.config)
    closer(cloud)()


def test_a_jump_of_the_clock_is_told_once_and_slewing_never() -> None:
    wall, steady = [1000.0], [5.0]
    watch = ClockWatch(lambda: wall[0], lambda: steady[0])
    for _ in range(10):
        wall[0] += 1.1
        steady[0] += 1.0
        assert watch.jump() == 0.0
    wall[0] -= 3600.0
    assert watch.jump() == pytest.approx(-3600.0)
    assert watch.jump() == 0.0


def test_the_web_server_gets_tls_and_token_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = loaded(tmp_path).config
    tls = WebTlsConfig(certificate_file="/a.crt", private_key_file="/a.key")
    guarded = config.model_copy(
        update={"daemon": config.daemon.model_copy(update={"tls": tls, "token_file": "/token"})}
    )
    made: list[Access] = []
    monkeypatch.setattr("spillway.adapters.exporter.Exporter", lambda *_, access, **__: made.append(access))
    parts = {name: Mock() for name in ("ticker", "clock", "progress", "log", "recoveries")}
    exporter_of(guarded, Mock(), speed=1.0, journal=tmp_path, **parts)
    assert made == [
        Access(certificate_file=Path("/a.crt"), private_key_file=Path("/a.key"), token_file=Path("/token"))
    ]
    assert restart_needed(config, guarded) == ("daemon.tls", "daemon.token_file")
