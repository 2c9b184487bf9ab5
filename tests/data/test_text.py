from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from unstir.data import (
    Dataset,
    Letters,
    check_target,
    coder_from_dict,
    from_lines,
    load,
    save_samples,
    to_lines,
)
from unstir.errors import InputError


def test_lines_go_in_and_come_out(tmp_path: Path) -> None:
    lines = ["to be", "oder nicht", "être", "生きる", "🙂 x"]
    path = tmp_path / "lines.txt"
    path.write_bytes(("\ufeff" + "\r\n".join([*lines, "", "  "]) + "\r\n").encode())
    data = load(path)
    assert (data.kind, data.shape, len(data), data.values.dtype) == ("text", (10,), 5, torch.int32)
    assert to_lines(data.values) == lines
    assert data.values[0].tolist() == [*map(ord, "to be"), 0, 0, 0, 0, 0]
    out = save_samples(tmp_path / "again.txt", data.values)
    assert out.read_text("utf-8").split("\n")[:-1] == lines
    again = load(out)
    assert torch.equal(again.values, data.values)
    with np.load(save_samples(tmp_path / "again.npz", data.values)) as saved:
        assert saved["samples"].tolist() == lines


def test_padding_amid_a_line_shows() -> None:
    values = torch.tensor([[49, 0, 50, 0], [0, 0, 0, 0]], dtype=torch.int32)
    assert to_lines(values) == ["1 2", ""]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no lines with anything in them"),
        (b"\n \n", "has no lines with anything in them"),
        (b"ab\xff\xfe", "cannot be read as"),
        (b"a\0b\n", "holds zero bytes"),
        (b"x" * 5000, "has a line of 5000 letters"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load(path)
    assert words in str(error.value)
    assert "bad.txt" in str(error.value)
    assert "\n" not in str(error.value)


def test_letters_number_the_alphabet_and_back() -> None:
    data = from_lines(["ba", "abc"], "d")
    letters = Letters.fit(data)
    assert letters.alphabet == (0, *map(ord, "abc"))
    numbers = letters.to_model(data.values)
    assert numbers.dtype == torch.int64
    assert numbers.tolist() == [[2, 1, 0], [1, 2, 3]]
    assert torch.equal(letters.to_data(numbers), data.values)
    assert letters.to_data(numbers).dtype == torch.int32
    assert coder_from_dict(letters.to_dict()) == letters
    with pytest.raises(InputError, match="holds the letter 'z', which the training text does not"):
        letters.to_model(from_lines(["az"], "d").values)
    with pytest.raises(InputError, match="the letters are 0 to 3"):
        letters.to_data(torch.tensor([[4]]))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"kind": "letters"}, "give kind and alphabet"),
        ({"kind": "letters", "alphabet": "abc"}, "give a list of code points"),
        ({"kind": "letters", "alphabet": [1, True]}, "give a list of code points"),
        ({"kind": "letters", "alphabet": [65]}, "an alphabet of 1 letter; give two or more"),
        ({"kind": "letters", "alphabet": [66, 65]}, "in rising order"),
        ({"kind": "letters", "alphabet": [65, 2**40]}, "in rising order"),
    ],
)
def test_damaged_alphabets_are_refused(data: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as error:
        coder_from_dict(data)
    assert words in str(error.value)


def test_arithmetic_is_right_and_never_twice() -> None:
    data = load("arithmetic")
    lines = to_lines(data.values)
    assert len(lines) == len(set(lines)) == 10_000
    signs = {"+": 0, "-": 0}
    for line in lines:
        match = re.fullmatch(r"(\d{1,2})([+-])(\d{1,2})=(\d{1,3})", line)
        assert match is not None
        a, b, c = int(match[1]), int(match[3]), int(match[4])
        assert c == (a + b if match[2] == "+" else a - b)
        signs[match[2]] += 1
    assert min(signs.values()) > 3000
    assert torch.equal(load("arithmetic").values, data.values)


def test_text_goes_where_text_can() -> None:
    for target in ("a.png", "a.csv", "a.parquet", "folder"):
        with pytest.raises(InputError, match="holds no text: give"):
            check_target(target, (3, 9), kind="text")
    with pytest.raises(InputError, match="holds text, and this is a table"):
        save_samples("a.txt", torch.zeros(3, 2))
    with pytest.raises(InputError, match="holds text, and these are images"):
        check_target("a.txt", (3, 1, 8, 8))
    values = from_lines(["ab"], "d").values
    with pytest.raises(InputError, match="are no table"):
        save_samples("a.txt", values, kind="table")


def test_a_split_keeps_text_text() -> None:
    train, held = load("arithmetic").split(0.2)
    assert isinstance(train, Dataset)
    assert (train.kind, held.kind, len(held)) == ("text", "text", 2000)
