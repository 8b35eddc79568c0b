"""What survives a crash, and the right to write it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spillway.adapters import files
from spillway.adapters.file_lock import FileLease
from spillway.adapters.files import FileStore, write_atomically
from spillway.config import reading
from spillway.errors import TemporaryError

HOLDER = """
import sys, pathlib
from spillway.adapters.file_lock import FileLease
FileLease(pathlib.Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_what_was_saved_comes_back_whole(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state" / "state.json")
    assert store.load() is None
    store.save(b"one")
    store.save(b"two")
    assert store.load() == b"two"
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["state.json"]


def test_a_crash_before_the_rename_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path / "state.json")
    store.save(b"old")

    def dies(self: Path, target: Path) -> Path:
        raise OSError("pulled the plug")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dies)
        with pytest.raises(TemporaryError, match="pulled the plug"):
            store.save(b"new")
    assert store.load() == b"old"
    store.save(b"newer")
    assert store.load() == b"newer"


def test_unreadable_content_is_kept_aside_under_a_free_name(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state.json")
    names = []
    for content in (b"bad", b"worse"):
        store.save(content)
        names.append(Path(store.set_aside()))
    assert [name.read_bytes() for name in names] == [b"bad", b"worse"]
    assert store.load() is None


def test_a_state_file_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.json").mkdir()
    with pytest.raises(TemporaryError, match="cannot be read"):
        FileStore(tmp_path / "state.json").load()


def test_a_state_file_that_is_a_pipe_is_named_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIPE_SECONDS", 0.05)
    os.mkfifo(tmp_path / "state.json")
    with pytest.raises(TemporaryError, match="its end did not come"):
        FileStore(tmp_path / "state.json").load()


def test_a_state_file_without_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_LARGEST", 1 << 20)
    (tmp_path / "state.json").symlink_to("/dev/zero")
    with pytest.raises(TemporaryError, match="larger than 1 MiB"):
        FileStore(tmp_path / "state.json").load()


def test_a_second_process_is_turned_away_until_the_first_dies(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(TemporaryError, match=f"process {holder.pid}") as caught:
            FileLease(tmp_path).acquire()
        assert "state_dir" in caught.value.remedy
        holder.kill()
        holder.wait(10)
    with FileLease(tmp_path):
        assert (tmp_path / "lock").read_text().strip() == str(os.getpid())
    with FileLease(tmp_path):
        pass


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TemporaryError, match="cannot be written"):
        FileLease(tmp_path / "file" / "state").acquire()


def test_a_disk_without_room_for_the_lease_is_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(TemporaryError, match=r"takes nothing: .*No space left"):
        FileLease(tmp_path).acquire()
    monkeypatch.undo()
    with FileLease(tmp_path):
        pass


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_is_replaced_whole_and_keeps_the_mode_that_is_asked_for(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_atomically(path, b"new", mode=mode)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == mode
    assert [found.name for found in tmp_path.iterdir()] == ["kept.json"]


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "kept.json"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["kept.json"]
