"""What `check` says of the web server's TLS and token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.config.sample_config import Verdict
from tests.kit.tls import self_signed

Change = Callable[[Mapping[str, Any]], Verdict]


def tls_of(certificate: Path, key: Path) -> dict[str, str]:
    return {"certificate_file": str(certificate), "private_key_file": str(key)}


def token_in(folder: Path, text: str) -> str:
    file = folder / "token"
    file.write_text(text)
    return str(file)


def listen_warnings(verdict: Verdict) -> list[str]:
    assert not verdict.problems
    return [str(warning) for warning in verdict.warnings if warning.path == "daemon.listen"]


def test_only_tls_and_token_together_end_the_warning_beyond_loopback(change: Change, tmp_path: Path) -> None:
    tls = {"daemon/tls": tls_of(*self_signed(tmp_path, "spillway"))}
    token = {"daemon/token_file": token_in(tmp_path, "a" * 32)}
    beyond = {"daemon/listen": "0.0.0.0:9464"}
    assert listen_warnings(change({**beyond, **tls, **token})) == []
    assert listen_warnings(change({**tls})) == []
    assert listen_warnings(change({**token})) == []
    [told] = listen_warnings(change({**beyond, **tls}))
    assert "ask for no password" in told
    assert told.endswith("or set daemon.token_file.")
    [told] = listen_warnings(change({**beyond, **token}))
    assert "crosses the network unencrypted" in told
    assert told.endswith("or set daemon.tls.")


@pytest.mark.parametrize(
    ("text", "said"),
    [("s3cret", "6 characters"), ("s3cret" * 100, "600 characters"), ("s3cret!" * 10, "other than"), ("s3cret\n" * 2, "one line")],
)  # fmt: skip
def test_a_token_that_is_none_is_a_mistake_and_is_not_told(
    change: Change, tmp_path: Path, text: str, said: str
) -> None:
    [problem] = change({"daemon/token_file": token_in(tmp_path, text)}).problems
    assert problem.path == "daemon.token_file"
    assert problem.line > 0
    assert said in problem.message
    assert problem.remedy
    assert "s3cret" not in str(problem)


def test_a_key_of_another_certificate_is_a_mistake(change: Change, tmp_path: Path) -> None:
    certificate, _ = self_signed(tmp_path, "one")
    _, key = self_signed(tmp_path, "two")
    [problem] = change({"daemon/tls": tls_of(certificate, key)}).problems
    assert (problem.path, problem.line > 0) == ("daemon.tls.private_key_file", True)
    assert "does not belong" in problem.message


def test_what_the_server_could_not_load_is_a_mistake(change: Change, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "one")
    certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    [problem] = change({"daemon/tls": tls_of(certificate, key)}).problems
    assert (problem.path, problem.line > 0) == ("daemon.tls", True)
    assert "cannot be loaded" in problem.message
