from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import feather, parquet

from unstir.data import load
from unstir.data.dataset import Dataset
from unstir.data.tables import csv_bytes, parquet_bytes, read_csv, read_parquet

Refused = Callable[..., str]


def csv(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def parquet_of(tmp_path: Path, **columns: object) -> Path:
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def same(dataset: Dataset, rows: list[list[float]], columns: tuple[str, ...]) -> None:
    assert dataset.kind == "table"
    assert dataset.values.dtype == torch.float32
    assert np.array_equal(dataset.values.numpy(), np.array(rows, np.float32))
    assert dataset.columns == columns


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2.5\n-3,4e-2\n",
        "a,b\r\n1,2.5\r\n-3,4e-2",
        "a,b\r1,2.5\r-3,4e-2\r",
        b"\xef\xbb\xbfa,b\n1,2.5\n-3,4e-2\n",
        "\n\na,b\n\n 1 , +2.5\n\n-3,.04\n\n",
        '"a","b"\n"1","2.5"\n"-3","0.04"\n',
    ],
)
def test_ways_to_write_the_same(tmp_path: Path, text: str | bytes) -> None:
    same(read_csv(csv(tmp_path, text), "t"), [[1, 2.5], [-3, 0.04]], ("a", "b"))


def test_without_a_header_no_row_is_lost(tmp_path: Path) -> None:
    same(read_csv(csv(tmp_path, "1,2\n3,4\n"), "t"), [[1, 2], [3, 4]], ("x0", "x1"))
    same(read_csv(csv(tmp_path, "5"), "t"), [[5]], ("x0",))


def test_quoted_numbers_are_names(tmp_path: Path) -> None:
    same(read_csv(csv(tmp_path, '"400","410"\n1,2\n'), "t"), [[1, 2]], ("400", "410"))


def test_names_of_any_letters(tmp_path: Path) -> None:
    same(read_csv(csv(tmp_path, '"größe, cm",σ\n1,2\n'), "t"), [[1, 2]], ("größe, cm", "σ"))


def test_many_rows_and_long_ones(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((3, 20_000)).astype(np.float32)
    text = (
        ",".join(f"c{i}" for i in range(20_000)) + "\n" + "\n".join(",".join(map(str, row)) for row in rows)
    )
    assert np.array_equal(read_csv(csv(tmp_path, text), "t").values.numpy(), rows)
    tall = np.arange(300_000, dtype=np.float32)
    text = "n\n" + "\n".join(map(str, tall))
    assert np.array_equal(read_csv(csv(tmp_path, text), "t").values[:, 0].numpy(), tall)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n3,four\n", "row 2 (line 3), column 'b': 'four' is no number: mend it"),
        ("a,b\n\n1,2\n\n3,\n", "row 2 (line 5), column 'b' has no value: fill it, leave out the column"),
        ("a,b\nx,nan\ny,\n", "row 1 (line 2), column 'b' holds 'nan', which is no value"),
        ("a,b\n1,nan\n", "row 1 (line 2), column 'b' holds 'nan', which is no value"),
        ("a,b\n1,2\n1,NA\n", "row 2 (line 3), column 'b' holds 'NA', which is no value"),
        ("a,b\n-inf,1\n", "column 'a': '-inf' is not finite"),
        ("a,b\n1,1e999\n", "column 'b': '1e999' is not finite"),
        ("a,b\n1,1e39\n", "holds 1e+39 in row 1, column 'b': 1 value is not finite"),
        ("1,2\n3,x\n", "row 2 (line 2), column 'x1': 'x' is no number"),
        ("a,b\n1,true\n1,7\n", "row 1 (line 2), column 'b': 'true' is no number"),
        ("a,b\n1,2020-01-01\n", "column 'b' holds dates, such as '2020-01-01': turn them into numbers"),
        ("a,b\n1,24.12.2020 10:00\n1,\n", "column 'b' holds dates, such as '24.12.2020 10:00'"),
        ("a,b\n1,\n2,\n", "column 'b' has no values at all: leave the column out"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "names a column 'setosa', and the column holds 'setosa' too"),
        ("a,b\n" + "".join(f"{i},name {i}\n" for i in range(101)), "101 different texts in 101 rows"),
        ("a,b\n1,2\n3\n", "row 2 (line 3) has 1 values for 2 columns"),
        ("a,b\n1,2,3\n", "row 1 (line 2) has 3 values for 2 columns"),
        ("a;b\n1;2\n", "has ';' between its columns: give commas"),
        ("a\n" + "x" * 5000, "'" + "x" * 60 + "'…, 5000 letters are too many for a category"),
        ("", "is empty: give at least one row"),
        ("\n \n", "is empty"),
        ("a,b\n", "holds 2 columns and no rows"),
        ("a,b,a\n1,2,3\n", "has two columns 'a': give each its own name"),
        (",a\n0,1\n", "column 1 has no name, as pandas' row numbers have none"),
        (b"a\n\xff\xfe\n", "is no .csv table"),
        ("a,b\n1,2\n".encode("utf-16"), "is no .csv table"),
        (b"\x00\x01\x02\x03" * 10, "t.csv"),
        (b"a,b\n1,\x002\n", "column 'b': '\\x002', cannot be printed as a category"),
    ],
)
def test_what_is_no_table(tmp_path: Path, refused: Refused, text: str | bytes, words: str) -> None:
    path = csv(tmp_path, text)
    message = refused(read_csv, path, "t")
    assert message.startswith(str(path))
    assert words in message


def test_parquet_of_every_kind_of_number(tmp_path: Path) -> None:
    path = parquet_of(
        tmp_path,
        int8=pa.array([1, -2], pa.int8()),
        big=pa.array([2**63 - 1, 0], pa.int64()),
        half=pa.array(np.array([0.5, 2], np.float16)),
        double=[1e-30, 3.0],
        flag=[True, False],
        money=pa.array([Decimal("1.25"), Decimal("-3.5")]),
    )
    rows = [[1, 2**63, 0.5, 1e-30, 1, 1.25], [-2, 0, 2, 3, 0, -3.5]]
    same(read_parquet(path, "t"), rows, ("int8", "big", "half", "double", "flag", "money"))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"a": pa.array([b"four"])}, "column 'a' holds 'binary', \"b'four'\" in row 1: turn it into numbers"),
        ({"a": pa.array([None, None], pa.string())}, "column 'a' has no values at all"),
        ({"a": pa.array([0], pa.timestamp("s"))}, "'timestamp[ms]', '1970-01-01 00:00:00' in row 1"),
        ({"a": [[1.0, 2.0]]}, "column 'a' holds 'list<"),
        ({"a": [1, 2, None, None]}, "row 3, column 'a' has no value, and 2 in all have none"),
        ({"a": [1.0, float("nan")]}, "row 2, column 'a' has no value, and 1 in all"),
        ({"a": pa.array([], pa.float64())}, "holds 1 columns and no rows"),
        ({}, "holds 0 columns"),
        ({"a": [1.0], "__index_level_0__": [7]}, "column 2 has no name, as pandas' row numbers"),
    ],
)
def test_parquet_that_is_no_table(
    tmp_path: Path, refused: Refused, columns: dict[str, object], words: str
) -> None:
    path = parquet_of(tmp_path, **columns)
    message = refused(read_parquet, path, "t")
    assert message.startswith(str(path))
    assert words in message


def test_damaged_parquet(tmp_path: Path, refused: Refused) -> None:
    path = parquet_of(tmp_path, a=[1.0, 2.0])
    whole = path.read_bytes()
    for content in (b"", b"PAR1", whole[:-20], whole[20:], b"PAR1" + bytes(50) + b"PAR1"):
        path.write_bytes(content)
        message = refused(read_parquet, path, "t")
        assert message.startswith(f"{path} is no whole .parquet file (")
        assert message.endswith("): write it again")


def test_a_parquet_bomb(tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstir.data.limits.FREE_EXPANSION", 2**20)
    path = parquet_of(tmp_path, a=np.zeros(10**6))
    assert "decompression bombs do: if you trust it, write the table as .npy" in refused(
        read_parquet, path, "t"
    )


TITANIC = """\
name of port,age,alive,class,deck
 Southampton ,22,true,3rd,
Cherbourg,38.5,false,1st,C
Southampton,4e1,TRUE,3rd,
"Queenstown, Cork",2,false,10th,G
"""
PORTS = ("Cherbourg", "Queenstown, Cork", "Southampton")
CLASSES = ("1st", "3rd", "10th")


def test_text_columns_are_categories_in_natural_order(tmp_path: Path) -> None:
    found = read_csv(csv(tmp_path, TITANIC.replace("TRUE", "true")), "t")
    same(
        found,
        [[2, 22, 1, 1, 0], [0, 38.5, 0, 0, 1], [2, 40, 1, 1, 0], [1, 2, 0, 2, 2]],
        ("name of port", "age", "alive", "class", "deck"),
    )
    assert found.categories == (PORTS, None, ("false", "true"), CLASSES, ("", "C", "G"))


def test_beside_words_every_word_is_one(tmp_path: Path) -> None:
    found = read_csv(csv(tmp_path, "a,b\nyes,1\nnan,2\nNA,3\ninf,4\nNone,5\n"), "t")
    assert found.categories == (("inf", "NA", "nan", "None", "yes"), None)


def test_numbers_are_never_categories(tmp_path: Path) -> None:
    assert read_csv(csv(tmp_path, "a,b\n0,1\n1,1\n"), "t").categories == ()


def test_parquet_and_csv_give_the_same(tmp_path: Path) -> None:
    columns = {
        "port": pa.array(["b", None, "a"]).dictionary_encode(),
        "size": [0.5, 1.5, 2.5],
        "alive": [True, None, False],
        "sure": [True, True, True],
        "deck": pa.array(["x", "y", ""], pa.large_string()),
    }
    found = read_parquet(parquet_of(tmp_path, **columns), "t")
    flags = ("false", "true")
    assert found.categories == (("", "a", "b"), None, ("", *flags), flags, ("", "x", "y"))
    assert found.values.tolist() == [[2, 0.5, 2, 1, 1], [0, 1.5, 0, 1, 2], [1, 2.5, 1, 1, 0]]
    text = "port,size,alive,deck\nb,0.5,true,x\n,1.5,,y\na,2.5,false,\n"
    other = read_csv(csv(tmp_path, text), "t")
    assert other.categories == (*found.categories[:3], found.categories[4])
    assert torch.equal(other.values, found.values[:, [0, 1, 2, 4]])


@pytest.mark.parametrize(("encode", "read"), [(csv_bytes, read_csv), (parquet_bytes, read_parquet)])
def test_categories_come_back(
    tmp_path: Path, encode: Callable[..., bytes], read: Callable[[Path, str], Dataset]
) -> None:
    first = read_csv(csv(tmp_path, TITANIC.replace("TRUE", "true")), "t")
    path = tmp_path / "again"
    path.write_bytes(encode(first.values.numpy(), first.columns, first.categories))
    second = read(path, "t")
    assert torch.equal(second.values, first.values)
    assert (second.columns, second.categories) == (first.columns, first.categories)


def test_other_tools_read_what_is_written(tmp_path: Path) -> None:
    found = read_csv(csv(tmp_path, TITANIC.replace("TRUE", "true")), "t")
    (tmp_path / "x.parquet").write_bytes(parquet_bytes(found.values.numpy(), found.columns, found.categories))
    table = parquet.read_table(tmp_path / "x.parquet").to_pydict()
    assert table["alive"] == [True, False, True, False]
    assert table["deck"] == [None, "C", None, "G"]
    assert table["class"] == ["3rd", "1st", "3rd", "10th"]


def test_many_mixed_rows(tmp_path: Path) -> None:
    r = np.random.default_rng(0)
    words, numbers = r.choice(["p", "q", "r"], 100_000), r.standard_normal(100_000).astype(np.float32)
    rows = "\n".join(f"{word},{number!s}" for word, number in zip(words, numbers, strict=True))
    found = read_csv(csv(tmp_path, "a,b\n" + rows), "t")
    assert np.array_equal(np.array(found.categories[0])[found.values[:, 0].long().numpy()], words)
    assert np.array_equal(found.values[:, 1].numpy(), numbers)


@pytest.mark.parametrize(("encode", "read"), [(csv_bytes, read_csv), (parquet_bytes, read_parquet)])
def test_round_trips_lose_no_bit(
    tmp_path: Path,
    encode: Callable[[np.ndarray, list[str]], bytes],
    read: Callable[[Path, str], Dataset],
) -> None:
    bits = np.random.default_rng(0).integers(2**32, size=(5000, 3), dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values).all(axis=1)]
    path = tmp_path / "t"
    path.write_bytes(encode(values, ["a", "b, c", "7"]))
    dataset = read(path, "t")
    assert np.array_equal(dataset.values.numpy().view(np.uint32), values.view(np.uint32))
    assert dataset.columns == ("a", "b, c", "7")


CELLS = {
    "age": "22,,38,NA,54,nan",
    "fare": "7.25,8.05,,9,51.8625,30",
    "cabin": "C85,,E46,,B28,C1",
    "sex": "f,m,f,m,f,m",
}


def people(tmp_path: Path) -> Path:
    """Six people, of whom four lack a number and one more a cabin."""
    columns = [text.split(",") for text in CELLS.values()]
    rows = [",".join(CELLS), *(",".join(row) for row in zip(*columns, strict=True))]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_rows_without_a_number_are_left_out_where_that_is_asked(tmp_path: Path, refused: Refused) -> None:
    path = people(tmp_path)
    mend = f"give {path}:missing=drop to leave out such rows"
    assert mend in refused(load, path)
    data = load(f"{path}:missing=drop")
    np.testing.assert_array_equal(data.values[:, :2], np.float32([[22, 7.25], [54, 51.8625]]))
    # Of the rows that are left: the first two cabins of the alphabet, and one sex.
    assert data.categories == (None, None, ("B28", "C85"), ("f",))
    assert data.values[:, 2:].tolist() == [[1, 0], [0, 0]]
    assert data.skipped == (f"4 of 6 rows of {path}, without age (3), fare (1)",)


def test_parquet_and_feather_lack_the_same(tmp_path: Path, refused: Refused) -> None:
    age, fare = [22, None, 38, None, 54, None], [7.25, 8.05, float("nan"), 9.0, 51.8625, 30.0]
    cabin = [text or None for text in CELLS["cabin"].split(",")]
    table = pa.table({"age": age, "fare": fare, "cabin": cabin, "sex": CELLS["sex"].split(",")})
    wanted = load(f"{people(tmp_path)}:missing=drop")
    parquet.write_table(table, tmp_path / "p.parquet")
    feather.write_feather(table, tmp_path / "p.feather")
    for name in ("p.parquet", "p.feather"):
        path = tmp_path / name
        assert "row 2, column 'age' has no value, and 3 in all have none" in refused(load, path)
        data = load(f"{path}:missing=drop")
        np.testing.assert_array_equal(data.values, wanted.values)
        assert data.categories == wanted.categories
        assert data.skipped == (f"4 of 6 rows of {path}, without age (3), fare (1)",)


def test_whole_tables_are_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,x\n2,\n")
    data = load(f"{tmp_path}/a.csv:missing=drop")
    assert (len(data), data.skipped) == (2, ())  # an empty cell of text is a category
    (tmp_path / "b.csv").write_text("a,b\n1,2\n2,3\n")
    assert (len(load(f"{tmp_path}/b.csv:missing=drop")), data.skipped) == (2, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,\n,2\n", "no row has all its numbers; missing are a (1), b (1): leave such columns out"),
        ("a,b\n1,\n2,inf\n", "row 2 (line 3), column 'b': 'inf' is not finite"),
        ("a,b\n1,\n2,x\n3,4\n", "row 2 (line 3), column 'b': 'x' is no number"),
        ("a,b\n,\n,\n", "column 'a' has no values at all"),
    ],
)
def test_what_is_wrong_stays_wrong(tmp_path: Path, refused: Refused, text: str, words: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert words in refused(load, f"{tmp_path}/a.csv:missing=drop")
