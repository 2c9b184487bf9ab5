from __future__ import annotations

import pytest

from unstir.measure._picture import _caption


@pytest.mark.parametrize(
    ("percent", "words"),
    [
        (0.0, "identical"),
        (0.03, "below 0.1 %"),
        (0.14, "0.1 %"),
        (9.0, "9.0 %"),
        (9.94, "9.9 %"),
        (41.4, "41 %"),
    ],
)
def test_only_an_exact_copy_is_called_identical(percent: float, words: str) -> None:
    assert _caption(percent) == words
