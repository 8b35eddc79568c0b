"""Where a configuration comes from: one YAML file, or a directory of them, with the place of every value."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spillway.config.reading import read_bounded
from spillway.config.tree import Location, parse
from spillway.errors import Problem

MAX_BYTES = 4 * 1024 * 1024
"""Largest file. 200 services in ten regions take less than one of these four MiB."""
MAX_FILES = 200
"""Most files in a directory."""

_JOINED_DEPTH = 2
"""Sections are joined across files down to this level: `topology`, and in it `services`, `regions` and the like."""
_OWN_PREFIX = "x-"
"""Top-level keys that begin so belong to the user: a home for anchors."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands."""

    file: str
    line: int
    mark: int = field(default=-1, compare=False)
    """Characters before it in the file; -1 where nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What was read. `data` holds dicts, lists, text, numbers, truth values and None, nothing else."""

    path: Path
    data: Any
    places: dict[Location, Place]
    problems: tuple[Problem, ...]
    files: tuple[Path, ...]
    """All files read, for whoever watches them."""
    digest: str
    """SHA-256 over names and contents, in hexadecimal."""

    def place(self, location: Location) -> Place:
        """The place of `location`, or of the nearest thing around it that has one."""
        return self._nearest(location)[0]

    def _nearest(self, location: Location) -> tuple[Place, Location]:
        """The nearest place, and what of `location` has none of its own."""
        for length in range(len(location), -1, -1):
            if (found := self.places.get(location[:length])) is not None:
                return found, location[length:]
        return Place(str(self.path), 0), location

    def folder(self, location: Location) -> Path:
        """Folder of the file in which `location` is written: relative file names start there."""
        return Path(self.place(location).file).parent

    def problem(self, location: Location, message: str, remedy: str) -> Problem:
        """A problem at `location`."""
        place, rest = self._nearest(location)
        return Problem(
            file=place.file,
            line=place.line,
            path=dotted(location),
            message=message,
            remedy=remedy,
            origin=f"{place.mark}:{dotted(rest)}" if place.mark >= 0 else "",
        )


def dotted(location: Location) -> str:
    """`topology.regions.europe-west4.groups[0].zone`; `(whole file)` for the root."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(whole file)"


def read(path: Path) -> Source:
    """Read a file, or all `*.yaml` in a directory; what cannot be read is among the problems."""
    if path.is_dir():
        return _read_directory(path)
    return _source(path, [_read_file(path)])


def parsed(path: Path, text: str) -> Source:
    """What `path` would hold with this text; the file itself is neither read nor written."""
    return _source(path, [_parse_file(path, text.encode())])


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: Path
    content: bytes
    data: Any
    places: dict[Location, Place]
    problems: tuple[Problem, ...]


def _failed(path: Path, message: str, remedy: str, content: bytes = b"", line: int = 0) -> _File:
    problem = Problem(file=str(path), line=line, path=dotted(()), message=message, remedy=remedy)
    return _File(path=path, content=content, data=None, places={}, problems=(problem,))


def _read_file(path: Path) -> _File:
    try:
        content = read_bounded(path, MAX_BYTES)
    except FileNotFoundError:
        return _failed(
            path, "there is no such file.", "Give the path of a YAML file, or of a directory of them."
        )
    except TimeoutError as error:
        return _failed(path, f"{error.strerror}.", "Give the path of a YAML file.")
    except OSError as error:
        return _failed(
            path,
            f"it cannot be read: {error.strerror or error}.",
            "Let the user that runs Spillway read it.",
        )
    if len(content) > MAX_BYTES:
        return _failed(
            path,
            f"it is larger than {MAX_BYTES // 1024 // 1024} MiB.",
            "Is this the right file? Split it if it is.",
            content,
        )
    return _parse_file(path, content)


def _parse_file(path: Path, content: bytes) -> _File:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _failed(
            path, f"byte {content[error.start]:#04x} is not UTF-8.", "Save the file as UTF-8.", content, line
        )
    tree = parse(text)
    name = str(path)
    problems = [
        Problem(file=name, line=f.line, path=dotted(f.location), message=f.message, remedy=f.remedy)
        for f in tree.flaws
    ]
    data = tree.data
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if not key.startswith(_OWN_PREFIX)}
    elif not problems:
        what = "it is empty." if data is None else "it holds no keys at its top level."
        problems.append(
            Problem(file=name, line=1, path=dotted(()), message=what, remedy="Write `key: value` lines.")
        )
        data = None
    places = {
        location: Place(name, line, tree.marks.get(location, -1)) for location, line in tree.lines.items()
    }
    return _File(path=path, content=content, data=data, places=places, problems=tuple(problems))


def _read_directory(path: Path) -> Source:
    problems: list[Problem] = []
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        failed = _failed(
            path, f"the directory cannot be read: {error.strerror or error}.", "Let Spillway's user read it."
        )
        return _source(path, [failed])
    files = [entry for entry in entries if entry.suffix == ".yaml" and entry.is_file()]
    problems.extend(
        Problem(
            file=str(entry),
            line=0,
            path=dotted(()),
            message="only files that end in .yaml are read from a directory.",
            remedy=f"Rename it to {entry.stem}.yaml, or move it elsewhere.",
        )
        for entry in entries
        if entry.suffix == ".yml"
    )
    if not files or len(files) > MAX_FILES:
        what = (
            "there is no *.yaml file in this directory."
            if not files
            else f"there are more than {MAX_FILES} files."
        )
        return _source(
            path, [_failed(path, what, "Give the directory that holds the configuration alone.")], problems
        )
    return _source(path, [_read_file(file) for file in files], problems)


def _source(path: Path, files: list[_File], problems: list[Problem] | None = None) -> Source:
    found = list(problems or ())
    for file in files:
        found.extend(file.problems)
    data: Any = None
    places: dict[Location, Place] = {}
    for file in files:
        if file.data is None:
            places.update({} if len(files) > 1 else file.places)
        elif data is None:
            data, places = file.data, dict(file.places)
        else:
            _join(data, places, file, (), file.data, found)
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path.name}\0{len(file.content)}\0".encode())
        digest.update(file.content)
    return Source(
        path=path,
        data=data,
        places=places,
        problems=tuple(found),
        files=tuple(file.path for file in files),
        digest=digest.hexdigest(),
    )


def _join(
    into: dict[str, Any],
    places: dict[Location, Place],
    file: _File,
    at: Location,
    added: dict[str, Any],
    found: list[Problem],
) -> None:
    """Add one file's sections to what the files before it hold; what stands in both is a conflict."""
    for key, value in added.items():
        location = (*at, key)
        if key not in into:
            into[key] = value
            places.update({p: place for p, place in file.places.items() if p[: len(location)] == location})
        elif isinstance(value, dict) and isinstance(into[key], dict) and len(location) <= _JOINED_DEPTH:
            _join(into[key], places, file, location, value, found)
        else:
            first = places[location]
            place = file.places[location]
            found.append(
                Problem(
                    file=place.file,
                    line=place.line,
                    path=dotted(location),
                    message=f"it is also in {first.file}:{first.line}.",
                    remedy="Keep it in one of the two files.",
                )
            )
