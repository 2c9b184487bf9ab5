from unstir.data.wording import LONGEST, counted, listed, quoted, reason, shown


def test_what_would_break_the_line_is_quoted() -> None:
    assert shown("a b/ü.png") == "a b/ü.png"
    assert shown("a\nb") == r"'a\nb'"
    assert shown("") == "''"
    assert shown("\udc80") == r"'\udc80'"


def test_long_values_are_cut() -> None:
    assert quoted("x" * LONGEST) == repr("x" * LONGEST)
    assert quoted("x" * 1000) == repr("x" * LONGEST) + "…"


def test_reasons_are_one_line_without_the_path() -> None:
    assert reason(ValueError("one\n  two\x00")) == "one two?"
    assert reason(FileNotFoundError(2, "No such file", "/some/path")) == "No such file"
    assert reason(EOFError()) == "EOFError"
    assert len(reason(ValueError("y" * 10_000))) < 200


def test_lists_and_counts() -> None:
    assert listed(["a", 2]) == "a, 2"
    assert [counted(n, "image") for n in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
