"""Pages: whole, in order, and only for the request that began them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillway.sandbox.monitoring.pages import PAGE_MAX, Place, page, page_size, place_of, token_of
from spillway.sandbox.monitoring.reducers import Series
from spillway.sandbox.monitoring.source import Invalid, Value

START = Place(series=0, point=0, now=5.0)


def _answer(sizes: list[int]) -> list[Series]:
    return [
        Series(resource={"n": str(i)}, metric={}, points=tuple((60.0 * (j + 1), j) for j in range(size)))
        for i, size in enumerate(sizes)
    ]


@given(st.lists(st.integers(1, 9), max_size=8), st.integers(1, 12))
def test_all_points_once_newest_first(sizes: list[int], size: int) -> None:
    answer = _answer(sizes)
    got: dict[str, list[tuple[float, Value]]] = {}
    place: Place | None = START
    pages = 0
    while place is not None:
        shown, place = page(answer, place, size, headers=False)
        assert sum(len(one.points) for one in shown) <= size
        for one in shown:
            got.setdefault(one.resource["n"], []).extend(one.points)
        pages += 1
    assert got == {one.resource["n"]: list(one.points[::-1]) for one in answer}
    assert pages == max(1, -(-sum(sizes) // size))


def test_headers_count_series_and_have_no_points() -> None:
    answer = _answer([3, 3, 3])
    shown, following = page(answer, START, 2, headers=True)
    assert [one.resource["n"] for one in shown] == ["0", "1"]
    assert all(one.points == () for one in shown)
    assert following is not None
    rest, end = page(answer, following, 2, headers=True)
    assert [one.resource["n"] for one in rest] == ["2"]
    assert end is None


def test_tokens_belong_to_their_request() -> None:
    token = token_of(Place(series=2, point=7, now=1.5), "abc")
    assert place_of(token, "abc") == Place(series=2, point=7, now=1.5)
    with pytest.raises(Invalid, match="another request"):
        place_of(token, "abd")


@pytest.mark.parametrize("token", ["x", "!!!", "e30=", "WzFd", "\u00e9"])
def test_a_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(Invalid, match="page_token"):
        place_of(token, "abc")


def test_page_size() -> None:
    assert page_size(0) == PAGE_MAX
    assert page_size(10**9) == PAGE_MAX
    assert page_size(7) == 7
    with pytest.raises(Invalid, match="page_size"):
        page_size(-1)
