"""The filter language: what it accepts, what it means, how it refuses."""

from __future__ import annotations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from spillway.sandbox.monitoring.filters import (
    All,
    Comparison,
    Either,
    Node,
    Not,
    Path,
    Subject,
    comparisons,
    parse,
)
from spillway.sandbox.monitoring.source import Invalid

SUBJECT = Subject(
    project="demo",
    resource_type="https_lb_rule",
    metric_type="m",
    resource={"backend_target_name": "svc", "backend_scope": "europe-west4-a"},
    metric={"response_code": "503", "response_code_class": "500"},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ('resource.type = "https_lb_rule"', True),
        ("resource.type=https_lb_rule AND metric.type = 'm'", True),
        ('resource.label.backend_target_name = "svc" metric.labels.response_code_class = 500', True),
        ('metric.label."response_code" = "503"', True),
        ("metric.labels.response_code >= 500", True),
        ("metric.labels.response_code < 500", False),
        ("metric.labels.response_code != 503", False),
        ('resource.labels.backend_scope = starts_with("europe-")', True),
        ('resource.labels.backend_scope = ends_with("-b")', False),
        ('resource.labels.backend_scope != has_substring("west")', False),
        ('resource.labels.backend_target_name = one_of("other", "svc")', True),
        ('resource.labels.backend_scope = monitoring.regex.full_match("europe-west[0-9]-.")', True),
        ('resource.labels.backend_scope = monitoring.regex.full_match("europe")', False),
        ('NOT resource.type = "x"', True),
        ('-resource.type = "x"', True),
        ('project = "demo" OR project = "other"', True),
        # OR binds tighter than AND: (a OR b) AND c
        ('project = "demo" OR project = "x" AND metric.type = "other"', False),
        ('project = "demo" OR (project = "x" AND metric.type = "other")', True),
        ("metric.labels.nothing > 5", False),
    ],
)
def test_meaning(text: str, expected: bool) -> None:
    assert parse(text).matches(SUBJECT) is expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("metric.type", "the end"),
        ("metric.type =", "the end"),
        ('metric.type = "a" AND', "the end"),
        ('(metric.type = "a"', "closing bracket"),
        ('metric.type = "a")', "'\\)'"),
        ('metric.type : "a"', "':'"),
        ('group.id = "a"', "'group.id'"),
        ('metadata.user_labels.x = "a"', "metadata.user_labels.x"),
        ('metric.type = contains("a")', "'contains'"),
        ("metric.type = starts_with(a)", "quoted argument"),
        ('metric.type = starts_with("a", "b")', "one argument"),
        ('metric.type = monitoring.regex.full_match("(")', "regular expression"),
        ('metric.type = "open', "never closed"),
        ("metric.type = \x00", "character"),
        ('metric.labels.code > "many"', "a number"),
        ('OR metric.type = "a"', "'OR'"),
        ("(" * 60 + 'metric.type = "a"' + ")" * 60, "nested"),
        ("NOT " * 60 + 'metric.type = "a"', "nested"),
    ],
)
def test_refusals_name_what_is_wrong(text: str, named: str) -> None:
    with pytest.raises(Invalid, match=named):
        parse(text)


_labels = st.sampled_from(["backend_target_name", "backend_scope", "nothing"])
_values = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
_plain = st.builds(
    lambda root, label, op, value: Comparison(Path(root, label), op, (value,)),
    st.sampled_from(["resource", "metric"]),
    _labels,
    st.sampled_from(["=", "!="]),
    _values,
)
_functions = st.builds(
    lambda label, op, function, value: Comparison(Path("resource", label), op, (value,), function),
    _labels,
    st.sampled_from(["=", "!="]),
    st.sampled_from(["starts_with", "ends_with", "has_substring"]),
    _values,
)
_one_of = st.builds(
    lambda label, values: Comparison(Path("resource", label), "=", tuple(values), "one_of"),
    _labels,
    st.lists(_values, min_size=1, max_size=4),
)
_trees = st.recursive(
    _plain | _functions | _one_of,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Either(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=8,
)


def _quote(value: str) -> str:
    """`value` as a filter writes it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(node: Node) -> str:
    """A filter that means `node`, with brackets everywhere."""
    if isinstance(node, Not):
        return f"NOT ({_text(node.part)})"
    if isinstance(node, Comparison):
        values = ", ".join(_quote(value) for value in node.values)
        right = f"{node.function}({values})" if node.function else values
        return f"{node.path} {node.operator} {right}"
    word = " AND " if isinstance(node, All) else " OR "
    return word.join(f"({_text(part)})" for part in node.parts)


@given(_trees)
def test_a_written_tree_reads_back_the_same(node: Node) -> None:
    again = parse(_text(node))
    assert again == node
    assert list(comparisons(again)) == list(comparisons(node))


@given(_trees, st.dictionaries(_labels, _values))
def test_de_morgan(node: Node, labels: dict[str, str]) -> None:
    subject = Subject(project="p", resource_type="r", metric_type="m", resource=labels, metric=labels)
    assert parse(f"NOT ({_text(node)})").matches(subject) is not parse(_text(node)).matches(subject)


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        node = parse(text)
    except Invalid as refusal:
        sentence = str(refusal)
        event("refused")
    else:
        sentence = str(node.matches(SUBJECT))
        event("accepted")
    assert sentence
