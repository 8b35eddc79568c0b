"""Reading: plain data, the line of everything, and the text's own mistakes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.config.sample_config import from_text

from spillway.config import reading, source
from spillway.config.source import MAX_BYTES, Place, dotted, read


def test_values_and_their_lines() -> None:
    found = from_text("a: 1\nb:\n  - x\n  - y: 2.5\n    z: ~\n")
    assert found.data == {"a": 1, "b": ["x", {"y": 2.5, "z": None}]}
    assert found.problems == ()
    assert found.place(("b", 1, "z")) == Place("config.yaml", 5)
    assert found.place(("b", 0)) == Place("config.yaml", 3)
    assert found.place(("b", 1, "absent")).line == 4, "the nearest thing around it"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True), ("False", False), ("on", "on"), ("no", "no"), ("y", "y"),
        ("80", 80), ("-3", -3), ("0", 0), ("080", "080"), ("010", "010"), ("0x1f", "0x1f"), ("1_000", "1_000"),
        ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), (".inf", ".inf"), (".nan", ".nan"),
        ("80:43", "80:43"), ("80:443", "80:443"), ("80-443", "80-443"), ("2026-01-01", "2026-01-01"),
        ("~", None), ("null", None), ("", None), ('"80"', "80"), ("'true'", "true"), ("9" * 40, "9" * 40),
    ],
)  # fmt: skip
def test_plain_words_are_read_as_in_yaml_1_2(word: str, value: object) -> None:
    data = from_text(f"key: {word}").data
    assert data == {"key": value}
    assert type(data["key"]) is type(value)


def test_keys_are_always_text() -> None:
    assert from_text("80: a\non: b\nnull: c").data == {"80": "a", "on": "b", "null": "c"}


def test_duplicate_key_names_both_lines() -> None:
    (problem,) = from_text("a:\n  x: 1\n  y: 2\n  x: 3\n").problems
    assert (problem.line, problem.path) == (4, "a.x")
    assert "line 2" in problem.message


def test_anchors_aliases_and_merge_keys() -> None:
    found = from_text(
        "x-base: &base {mode: RATE, rate: 5}\na: *base\nb:\n  <<: *base\n  rate: 7\nc: {<<: [*base, {q: 1}]}\n"
    )
    assert found.data == {
        "a": {"mode": "RATE", "rate": 5},
        "b": {"rate": 7, "mode": "RATE"},
        "c": {"mode": "RATE", "rate": 5, "q": 1},
    }
    assert found.problems == ()
    assert found.place(("b", "rate")).line == 5
    assert found.place(("b", "mode")).line == 1, "a merged value stands where its anchor is"
    assert found.place(("a", "mode")).line == 1


@pytest.mark.parametrize(
    ("text", "line", "words", "remedy"),
    [
        ("a: 1\nb: [1, 2", 2, "not YAML", "bracket"),
        ("a:\n\tb: 1", 2, "not YAML", "spaces"),
        ("a: b: c", 1, "mapping values", "quotes"),
        ("a: 1\nb: 'x", 2, "not YAML", "quotation"),
        ("a: *nowhere", 1, "undefined alias", "anchor"),
        ("a: &a [*a]", 1, "contains itself", "Write the values out"),
        ("a: &a {<<: *a}", 1, "contains itself", "Write the values out"),
        ("a: 1\n---\nb: 2", 2, "second YAML document", "---"),
        ("a: !!python/object:os.system x", 1, "tag", "Remove the tag"),
        ("? [a]\n: b", 1, "key must be a word", "quotes"),
        ("a: {<<: 5}", 1, "needs a mapping", "<<: *name"),
        ("", 1, "empty", "key: value"),
        ("- a\n- b", 1, "no keys", "key: value"),
        ("[" * 100, 1, "nested", "bracket"),
        ("a: \x07", 1, "special characters", "control character"),
        ('a: 1\nb: "x\\0y"', 2, "no file, name or message", "escape"),
        ('a: 1\nb: "\\ud800"', 2, "'\\ud800'", "escape"),
        ('"a\\0": 1', 1, "'\\x00'", "escape"),
    ],
)
def test_mistakes_of_the_text(text: str, line: int, words: str, remedy: str) -> None:
    problems = from_text(text).problems
    assert any(p.line == line and words in p.message and remedy in p.remedy for p in problems), problems


def test_a_small_text_cannot_describe_an_enormous_structure() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    found = from_text("\n".join(lines))
    assert found.data is None
    assert "values" in found.problems[0].message


def test_size_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"a: 1\n#" + b"x" * MAX_BYTES)
    found = read(path)
    assert found.data is None
    assert "larger than 4 MiB" in found.problems[0].message


def test_what_is_not_there_or_not_utf8(tmp_path: Path) -> None:
    missing = read(tmp_path / "none.yaml")
    assert missing.data is None
    assert "no such file" in missing.problems[0].message
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    (problem,) = read(tmp_path / "latin.yaml").problems
    assert (problem.line, "UTF-8" in problem.message) == (2, True)


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read(tmp_path / "bom.yaml").data == {"a": 1}


def test_a_directory_joins_sections(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("cloud: gcp\ntopology:\n  services:\n    pool: {x: 1}\n")
    (tmp_path / "b.yaml").write_text("topology:\n  services:\n    other: {x: 2}\n  regions: {r: 1}\n")
    (tmp_path / ".hidden.yaml").write_text("cloud: other\n")
    found = read(tmp_path)
    assert found.problems == ()
    assert found.data == {
        "cloud": "gcp",
        "topology": {"services": {"pool": {"x": 1}, "other": {"x": 2}}, "regions": {"r": 1}},
    }
    assert found.place(("topology", "services", "other", "x")) == Place(str(tmp_path / "b.yaml"), 3)
    assert [f.name for f in found.files] == ["a.yaml", "b.yaml"]
    assert found.folder(("topology", "regions")) == tmp_path


def test_a_directory_reports_conflicts_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("cloud: gcp\ntopology:\n  services:\n    pool: {x: 1}\n")
    (tmp_path / "b.yaml").write_text("cloud: gcp\ntopology:\n  services:\n    pool: {y: 1}\n")
    problems = read(tmp_path).problems
    assert [(Path(p.file).name, p.line, p.path) for p in problems] == [
        ("b.yaml", 1, "cloud"),
        ("b.yaml", 4, "topology.services.pool"),
    ]
    assert all("a.yaml:" in p.message for p in problems)


def test_a_directory_says_what_it_does_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("cloud: gcp\n")
    messages = " ".join(p.message for p in read(tmp_path).problems)
    assert "end in .yaml" in messages
    assert "no *.yaml file" in messages


def test_one_broken_file_of_a_directory_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("cloud: [\n")
    (tmp_path / "b.yaml").write_text("project: x\n")
    found = read(tmp_path)
    assert found.data == {"project": "x"}
    assert [Path(p.file).name for p in found.problems] == ["a.yaml"]


def test_digest_follows_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\n")
    before = read(path).digest
    assert read(path).digest == before
    path.write_text("a: 2\n")
    assert read(path).digest != before


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_FILES", 1)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(f"{name[0]}: 1\n")
    assert "more than 1 files" in read(tmp_path).problems[0].message


def test_dotted_paths() -> None:
    assert dotted(("a", 0, "b", 1)) == "a[0].b[1]"
    assert dotted(()) == "(whole file)"


@given(st.text(max_size=200))
def test_no_text_at_all_is_answered_by_an_exception(text: str) -> None:
    found = from_text(text) if text.isprintable() or "\n" in text else from_text(ascii(text))
    assert found.data is not None or found.problems


@given(
    st.recursive(
        st.one_of(st.booleans(), st.integers(-999, 999), st.text("abcxyz", min_size=1, max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3),
        ),
        max_leaves=12,
    )
)
def test_what_is_dumped_is_read_back(value: object) -> None:
    import yaml

    assert from_text(yaml.safe_dump({"key": value})).data == {"key": value}


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe that nobody writes to."""
    path = tmp_path / "pipe.yaml"
    os.mkfifo(path)
    return path


def test_nothing_waits_for_a_writer_without_a_bound(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIPE_SECONDS", 0.05)
    (problem,) = read(pipe).problems
    assert problem.message == "it is no file of the disk, and its end did not come within 0.05 s."


def test_a_pipe_that_is_written_to_is_a_configuration_too(pipe: Path) -> None:
    writer = threading.Thread(target=pipe.write_text, args=("a: 1\n",), daemon=True)
    writer.start()
    assert read(pipe).data == {"a": 1}
    writer.join(5.0)


def test_a_device_without_end_is_too_large() -> None:
    (problem,) = read(Path("/dev/zero")).problems
    assert "larger than" in problem.message
