"""`spillway setup`: what it downloads and where it puts it; what it says where the network refuses, or hangs."""

from __future__ import annotations

import io
import os
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from spillway.adapters.engine.pulumi_cli.installation import (
    cli_version,
    find_cli,
    has_plugin,
    install_missing,
    plugin_folder,
    plugin_version,
)

INSTALLER = """\
mkdir -p "$1/bin"
cat >"$1/bin/pulumi" <<'CLI'
#!/bin/sh
echo "$@" >>"$PULUMI_HOME/calls"
{answer}
CLI
chmod +x "$1/bin/pulumi"
"""
"""Stands where Pulumi's own installer stands: it puts a CLI into the folder that it is given."""
PUTS_THE_PLUGIN = """\
folder="$PULUMI_HOME/plugins/resource-gcp-$5"
mkdir -p "$folder"
echo '#!/bin/sh' >"$folder/pulumi-resource-gcp"
chmod +x "$folder/pulumi-resource-gcp"
"""
CALLERS = (os.environ.get("PATH", ""), os.environ.get("PULUMI_HOME") or str(Path.home() / ".pulumi"))
"""The caller's own, before the fixtures that hide them."""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for the engine on a machine that has none."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    if find_cli(tmp_path) is not None:
        pytest.skip("SKIPPED LOUDLY: there is a `pulumi` in /usr/bin, which setup takes")
    return tmp_path / "home"


def installer(answer: str) -> tuple[str, ...]:
    return ("sh", "-c", INSTALLER.format(answer=answer), "installer")


def test_it_fetches_the_cli_and_lets_it_fetch_the_plugin(home: Path) -> None:
    result = install_missing(installer=installer(PUTS_THE_PLUGIN))
    assert result.ok, result.lines
    assert result.cli == str(home / "versions" / cli_version() / "bin" / "pulumi")
    assert result.plugin == str(plugin_folder(home))
    calls = (home / "calls").read_text().splitlines()
    assert calls == [f"plugin install resource gcp v{plugin_version()} --non-interactive"]
    again = install_missing(installer=("false",))
    assert again.ok, "what is there is not fetched again"
    assert (home / "calls").read_text().splitlines() == calls


def test_the_plugin_can_be_run_by_the_user_of_the_daemon(home: Path) -> None:
    """The CLI makes its folders for whoever runs `setup`, which is root, and the daemon has a user of its own."""
    result = install_missing(installer=installer(PUTS_THE_PLUGIN + f"\nchmod -R go= {home}/plugins"))
    assert result.ok, result.lines
    for path in (home / "plugins", plugin_folder(home), plugin_folder(home) / "pulumi-resource-gcp"):
        assert path.stat().st_mode & 0o777 == 0o755, path


def test_another_folder_is_said_to_need_a_setting(home: Path, tmp_path: Path) -> None:
    result = install_missing(tmp_path / "elsewhere", installer=installer(PUTS_THE_PLUGIN))
    assert result.ok, result.lines
    assert (
        result.lines[-1] == f"Set PULUMI_HOME={tmp_path / 'elsewhere'} for Spillway, so that it finds them."
    )
    assert not home.exists()


def test_without_a_network_it_says_which_file_goes_where(home: Path) -> None:
    result = install_missing(installer=("sh", "-c", "echo 'Name or service not known' >&2; exit 1"))
    text = "\n".join(result.lines)
    assert not result.ok
    assert "could not be fetched: Name or service not known" in text
    assert f"pulumi-v{cli_version()}-linux" in text
    assert f"{home}/versions/{cli_version()}/bin" in text
    assert str(plugin_folder(home)) in text
    assert "`cloud: sandbox` works" in text


@pytest.mark.parametrize("there", [True, False])
def test_the_curl_that_the_installer_needs_is_named_where_it_is_missing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """A slim image has none, and the installer's own last line only says that something went wrong."""
    programs = tmp_path / "programs"
    programs.mkdir()
    if there:
        (programs / "curl").write_text("#!/bin/sh\n", encoding="utf-8")
        (programs / "curl").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    result = install_missing(installer=("/bin/sh", "-c", "echo 'Something went wrong.' >&2; exit 1"))
    assert not result.ok
    assert any("needs `curl`" in line for line in result.lines) is not there


def test_a_refused_plugin_leaves_the_cli_and_says_what_is_missing(home: Path) -> None:
    said = (
        "warning: Error downloading plugin: 403 Forbidden",
        "Will retry in 1.28s [5/5]",
        "error: failed all 5 attempts",
    )
    answer = "\n".join(f"echo '{line}' >&2" for line in said) + "\nexit 255"
    result = install_missing(installer=installer(answer))
    assert not result.ok
    assert result.cli is not None
    text = "\n".join(result.lines)
    assert "The gcp plugin could not be fetched: Error downloading plugin: 403 Forbidden" in text
    assert "To put the Pulumi CLI in place" not in text


def test_a_network_that_hangs_is_not_waited_for(home: Path) -> None:
    began = time.monotonic()
    result = install_missing(installer=("sh", "-c", "sleep 60 & wait"), deadline=0.5)
    assert time.monotonic() - began < 20
    assert "could not be fetched: it took longer than 0.5 s" in result.lines[0]


def test_an_installer_that_installs_nothing_is_found_out(home: Path) -> None:
    result = install_missing(installer=("true",))
    assert not result.ok
    assert "put none into" in result.lines[0]


@contextmanager
def served(archive: bytes) -> Iterator[tuple[str, list[str]]]:
    """A download server on loopback: its address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(archive)))
            self.end_headers()
            self.wfile.write(archive)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.engine
def test_the_real_cli_downloads_the_plugin_to_where_it_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", CALLERS[0])
    if find_cli(Path(CALLERS[1])) is None:
        pytest.skip("SKIPPED LOUDLY: there is no `pulumi` on PATH; `spillway setup` gets it")
    program = b"#!/bin/sh\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("pulumi-resource-gcp")
        entry.size, entry.mode = len(program), 0o755
        archive.addfile(entry, io.BytesIO(program))
    home = tmp_path / "home"
    with served(packed.getvalue()) as (address, asked):
        monkeypatch.setenv("PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES", f".*={address}")
        result = install_missing(home, installer=("false",))
    assert result.ok, result.lines
    assert has_plugin(home)
    assert any(f"pulumi-resource-gcp-v{plugin_version()}-linux" in path for path in asked), asked
