"""Tables of numbers and categories: .csv and .parquet, read and written through pyarrow.

A .csv has commas, a decimal point and UTF-8; its first line names the columns, unless every cell of it is a
bare number (a quoted number is a name). Rows count from 1 after the header. A column holds finite numbers in
every cell, or text that is no number in every cell but the empty ones: then it is one of categories, see
`categories.py`. Text and booleans are categories, numbers never. Rows that lack a number are refused, or left
out where that is asked for (`missing.py`).
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from unstir.data.arrays import Array, from_array
from unstir.data.categories import FLAGS, Names, from_texts, to_texts
from unstir.data.csv_lines import blame, check_names, head, number
from unstir.data.dataset import Dataset
from unstir.data.limits import check_expansion, check_memory
from unstir.data.missing import mend_of, missing_cells, whole_rows
from unstir.data.wording import quoted, reason, shown
from unstir.errors import InputError


def read_csv(path: Path, name: str, drop: bool = False) -> Dataset:
    """The table of a .csv file.

    Args:
        path: the file.
        name: the data set's name.
        drop: leave out the rows that lack a number, and say so in `Dataset.skipped`.

    Raises:
        InputError: empty, ragged or not UTF-8; columns without a name or of the same name; in a column of
            numbers a cell that is empty, text, NaN or infinite (its column, row and value are named); dates,
            or text that is no category.
    """
    import pyarrow as pa

    what = shown(path)
    try:
        check_memory(what, path.stat().st_size)
        with path.open(encoding="utf-8-sig") as stream:
            first, columns, skip = head(stream, what)
        try:
            table = _arrow_csv(path, columns, skip, len(first), pa.float64())
            numbers = _stack([column.to_numpy() for column in table.columns], what)
        except pa.ArrowInvalid:
            numbers = np.full((1, 1), np.nan)
        if not np.isfinite(numbers).all():
            table = _arrow_csv(path, columns, skip, len(first), pa.string())
            return _mixed(table, path, name, drop)
    except InputError:
        raise
    except (pa.ArrowException, OSError, UnicodeError, MemoryError) as error:
        blame(path)
        raise InputError(f"{what} is no .csv table ({reason(error)}): give UTF-8 with commas") from error
    return from_array(numbers, name, what=what, columns=columns)


def read_parquet(path: Path, name: str, drop: bool = False) -> Dataset:
    """The table of a .parquet file.

    Args:
        path: the file.
        name: the data set's name.
        drop: as in `read_csv`.

    Raises:
        InputError: damaged, growing beyond reason, a column of neither numbers nor categories, a number
            missing or not finite.
    """
    import pyarrow as pa
    from pyarrow import parquet

    what = shown(path)
    try:
        with parquet.ParquetFile(path) as file:
            texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
            check_names(schema.names, what)
            for field in schema:
                _check_type(field, partial(_first_value, file, field.name), what)
            groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
            unpacked = sum(max(0, group.total_byte_size) for group in groups)
            needed = max(8 * rows * len(schema.names), unpacked)
            check_expansion(what, path.stat().st_size, needed, "write the table as .npy")
            check_memory(what, needed)
            table = file.read()
        return from_arrow(table, name, what, drop)
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise InputError(f"{what} is no whole .parquet file ({reason(error)}): write it again") from error


def from_arrow(table: Any, name: str, what: str, drop: bool = False) -> Dataset:  # noqa: ANN401  pyarrow has no types
    """The data set of a `pyarrow.Table`; `drop` as in `read_csv`.

    Raises:
        InputError: a column of neither numbers nor categories, a number missing or not finite, no rows.
    """
    check_names(table.column_names, what)
    for field in table.schema:
        _check_type(field, partial(next, iter(table.column(field.name)), None), what)
    check_memory(what, 8 * table.num_rows * table.num_columns)
    skipped: tuple[str, ...] = ()
    if drop:
        pairs = zip(table.column_names, table.columns, strict=True)
        table, skipped = _dropped(table, {k: missing_cells(v) for k, v in pairs if _is_number(v.type)}, what)
    pairs = zip(table.column_names, table.columns, strict=True)
    found = [_column(column, key, what) for key, column in pairs]
    numbers = _stack([column for column, _ in found], what)
    dataset = from_array(numbers, name, what=what, columns=table.column_names)
    return replace(_named(dataset, [names for _, names in found]), skipped=skipped)


def csv_bytes(values: Array, columns: Sequence[str], categories: Sequence[Names] = ()) -> bytes:
    """A table as .csv, every float32 in the fewest digits that give it back, every code as its category."""
    from pyarrow import csv as arrow

    stream = io.BytesIO()
    arrow.write_csv(_arrow_table(values, columns, categories), stream)
    return stream.getvalue()


def parquet_bytes(values: Array, columns: Sequence[str], categories: Sequence[Names] = ()) -> bytes:
    """A table as .parquet, every code as its category."""
    from pyarrow import parquet

    stream = io.BytesIO()
    parquet.write_table(_arrow_table(values, columns, categories), stream)
    return stream.getvalue()


def _arrow_table(values: Array, columns: Sequence[str], categories: Sequence[Names]) -> Any:  # noqa: ANN401  pyarrow has no types
    import pyarrow as pa

    arrays = [
        pa.array(np.ascontiguousarray(column)) if names is None else to_texts(column, names)
        for column, names in zip(values.T, categories or (None,) * len(columns), strict=True)
    ]
    return pa.table(arrays, names=list(columns))


def _arrow_csv(path: Path, columns: Sequence[str], skip: int, line: int, kind: Any) -> Any:  # noqa: ANN401
    from pyarrow import csv as arrow

    return arrow.read_csv(
        path,
        read_options=arrow.ReadOptions(column_names=columns, skip_rows=skip, block_size=max(2**20, 4 * line)),
        convert_options=arrow.ConvertOptions(column_types=dict.fromkeys(columns, kind)),
    )


def _mixed(table: Any, path: Path, name: str, drop: bool) -> Dataset:  # noqa: ANN401
    """The data set of cells that are not all numbers: each column is one kind throughout."""
    import pyarrow as pa
    from pyarrow import compute

    what, found = shown(path), list[tuple[Array, Names]]()
    skipped: tuple[str, ...] = ()
    table = pa.table([compute.utf8_trim_whitespace(column) for column in table.columns], table.column_names)
    numbers = [_parsed(column) for column in table.columns]
    keys = [key for key, column in zip(table.column_names, numbers, strict=True) if column is not None]
    gone = {key: missing_cells(table[key]) for key in keys} if drop else {}
    if not all(
        column is None or (np.isfinite(column) | gone.get(key, False)).all()
        for key, column in zip(table.column_names, numbers, strict=True)
    ):
        blame(path, set(table.column_names) - set(keys), drop)
    if drop:
        table, skipped = _dropped(table, gone, what)
        numbers = [None if key not in gone else _parsed(table[key]) for key in table.column_names]
    for key, column, parsed in zip(table.column_names, table.columns, numbers, strict=True):
        if parsed is not None:
            found.append((parsed, None))
            continue
        codes, names = from_texts(column, f"{what}, column {quoted(key)}")
        if key in names:
            raise InputError(
                f"{what}: its first line names a column {quoted(key)}, and the column holds {quoted(key)} "
                "too: put a line of names above the rows"
            )
        found.append((codes, names))
    dataset = from_array(
        _stack([column for column, _ in found], what), name, what=what, columns=table.column_names
    )
    return replace(_named(dataset, [names for _, names in found]), skipped=skipped)


def _dropped(table: Any, missing: Mapping[str, Array], what: str) -> tuple[Any, tuple[str, ...]]:  # noqa: ANN401
    """The rows that have all their numbers, and what is to be said of the others."""
    import pyarrow as pa

    if not missing or not table.num_rows:
        return table, ()
    whole, told = whole_rows(missing, what)
    return (table.filter(pa.array(whole)), (told,)) if told else (table, ())


def _parsed(column: Any) -> Array | None:  # noqa: ANN401
    """A column of text as numbers, NaN where a cell is none; or None where no cell is one."""
    from pyarrow import ArrowInvalid, compute, float64

    with suppress(ArrowInvalid):  # most columns are all numbers, and this is ten times as fast
        return np.asarray(compute.cast(column, float64()).to_numpy())
    coded = column.combine_chunks().dictionary_encode()
    texts = coded.dictionary.to_pylist()
    numbers = [number(text) for text in texts]
    # Beside words, `nan` and `inf` are words too.
    words = all(n is None or not math.isfinite(n) for n in numbers)
    if words and (any(n is None and text for n, text in zip(numbers, texts, strict=True)) or not any(texts)):
        return None
    known = np.array([math.nan if n is None else n for n in numbers], dtype=np.float64)
    found: Array = known[compute.fill_null(coded.indices, 0).to_numpy()]
    return found


def _named(dataset: Dataset, categories: Sequence[Names]) -> Dataset:
    mixed = any(names is not None for names in categories)
    return replace(dataset, categories=tuple(categories)) if mixed else dataset


def _first_value(file: Any, column: str) -> object:  # noqa: ANN401
    rows = (batch.column(0)[0] for batch in file.iter_batches(batch_size=1, columns=[column]))
    return next(rows, None)


def _check_type(field: Any, first: Callable[[], object], what: str) -> None:  # noqa: ANN401
    from pyarrow import types

    numeric = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    if any(fits(field.type) for fits in numeric) or _is_text(field.type):
        return
    value = None if types.is_nested(field.type) else first()
    example = "" if value is None else f", {quoted(value)} in row 1"
    raise InputError(
        f"{what}, column {quoted(field.name)} holds {quoted(field.type)}{example}: "
        "turn it into numbers (a date into days), into text, or leave the column out"
    )


def _is_text(kind: Any) -> bool:  # noqa: ANN401
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _column(column: Any, key: str, what: str) -> tuple[Array, Names]:  # noqa: ANN401
    """Numbers, or codes with the names of their categories."""
    from pyarrow import string, types

    if types.is_boolean(column.type):
        codes, names = from_texts(column.cast(string()), f"{what}, column {quoted(key)}")
        return (codes, names) if "" in names else (np.asarray(column.to_numpy(), dtype=np.float64), FLAGS)
    if _is_text(column.type):
        return from_texts(column, f"{what}, column {quoted(key)}")
    return _numbers(column, key, what), None


def _is_number(kind: Any) -> bool:  # noqa: ANN401
    from pyarrow import types

    return any(fits(kind) for fits in (types.is_integer, types.is_floating, types.is_decimal))


def _numbers(column: Any, key: str, what: str) -> Array:  # noqa: ANN401
    from pyarrow import float64, types

    if gone := int(missing_cells(column).sum()):
        row = int(np.argmax(missing_cells(column))) + 1
        raise InputError(
            f"{what}: row {row}, column {quoted(key)} has no value, and {gone} in all have none: "
            f"{mend_of(what)}"
        )
    return np.asarray((column.cast(float64()) if types.is_decimal(column.type) else column).to_numpy())


def _stack(columns: list[Array], what: str) -> Array:
    if not columns or not len(columns[0]):
        raise InputError(f"{what} holds {len(columns)} columns and no rows: give at least one row")
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
