"""What adjustments leave behind, in little; `python -m tests.bench growth` makes ten thousand of them."""

from __future__ import annotations

from tests.bench.growth import adjust


def test_adjustments_leave_nothing_behind() -> None:
    found = [size for _, size in adjust(10, marks=3)]
    assert len(found) == 3
    first, last = found[0], found[-1]
    assert last.files == first.files <= 8
    assert last.descriptors <= first.descriptors + 2
    assert last.threads <= first.threads + 2
    assert last.folder_kib < first.folder_kib + 60, "the journal alone grows, up to its bound"
