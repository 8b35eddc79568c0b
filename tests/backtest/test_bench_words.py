"""What `python -m tests.bench` makes of words that choose nothing."""

import pytest
from tests.bench.__main__ import FIGURES, STUDIES, main


def test_words_that_choose_nothing_are_an_error_that_lists_what_there_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["varied --first 3"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "'varied --first 3'" in said.err
    assert all(name in said.err for name in (*STUDIES, *(figure.name for figure in FIGURES)))
