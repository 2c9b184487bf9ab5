"""Columns of categories: text as codes 0, 1, … of its distinct values in natural order, and back.

    codes  c_i = k  where  text_i = names[k]        names distinct, rising by `natural_key`

An empty cell is a category of its own, named '', and is written as an empty cell again. Text that is no
category is refused: dates, free text, and names or numbers of single rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from unstir.data.arrays import Array
from unstir.data.dataset import Dataset
from unstir.data.labels import MAX_CLASSES, natural_key
from unstir.data.limits import check_memory, is_large
from unstir.data.wording import counted, listed, quoted
from unstir.errors import InputError

MOST = 1000  # categories in a column
LONGEST = 200  # letters of a category
FLAGS = ("false", "true")
_FEW = 100  # so many may be all different
COLUMNS, CATEGORIES = "columns", "categories_"  # arrays of an .npz
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?|\d{1,2}([./-])\d{1,2}\2\d{2,4}([ T].*)?")

Names = tuple[str, ...] | None


def from_texts(column: Any, what: str) -> tuple[Array, tuple[str, ...]]:  # noqa: ANN401  pyarrow has no types
    """Codes `(n,)` float64 and the category names of a pyarrow column of text.

    Args:
        column: a chunked array of strings; a null is an empty cell.
        what: the column's place, for messages.

    Raises:
        InputError: more than 1,000 categories, or more than 100 where most rows have one of their own; dates;
            a category above 200 letters or with letters that cannot be printed.
    """
    from pyarrow import compute, int64, types

    # Dictionaries stay dictionaries: written out, a file of some bytes may be gigabytes.
    if types.is_dictionary(column.type):
        coded = column.unify_dictionaries().combine_chunks()
    else:
        coded = column.combine_chunks().dictionary_encode()
    entries = [text or "" for text in coded.dictionary.to_pylist()] + [""]
    used, places = np.unique(
        compute.fill_null(coded.indices.cast(int64()), -1).to_numpy(), return_inverse=True
    )
    texts = [entries[place] for place in used]
    names = sorted(set(texts), key=natural_key)
    _check(names, len(coded), what)
    rank = {text: code for code, text in enumerate(names)}
    codes = np.array([rank[text] for text in texts], dtype=np.float64)
    return codes[places], tuple(names)


def to_texts(codes: Array, names: tuple[str, ...]) -> Any:  # noqa: ANN401
    """A pyarrow array of the texts of codes `(n,)`; true and false are booleans, '' is null.

    Raises:
        InputError: a code that is none of the categories.
    """
    import pyarrow as pa

    whole = np.asarray(codes).astype(np.int64)
    if len(whole) and not (whole.min() >= 0 and whole.max() < len(names) and (whole == codes).all()):
        raise InputError(f"samples hold codes that are none of {counted(len(names), 'category')}")
    if set(names) <= {"", *FLAGS}:
        flags = [{"": None, "false": False, "true": True}[name] for name in names]
        return pa.array([flags[code] for code in whole], pa.bool_())
    return pa.array([name or None for name in names], pa.string()).take(pa.array(whole))


def to_arrays(columns: Sequence[str], categories: Sequence[Names]) -> dict[str, Array]:
    """The names of a table with categories as arrays of an .npz: `columns`, `categories_J` of column J."""
    if not any(names is not None for names in categories):
        return {}
    mixed = ((j, names) for j, names in enumerate(categories) if names is not None)
    return {COLUMNS: np.array(columns), **{f"{CATEGORIES}{j}": np.array(names) for j, names in mixed}}


def from_arrays(dataset: Dataset, arrays: Mapping[str, Array], what: str) -> Dataset:
    """A table of codes with the names that `to_arrays` wrote beside it; other data as they are.

    Raises:
        InputError: codes that are none of the categories.
    """
    given = arrays.get(COLUMNS)
    if given is None or dataset.kind != "table" or given.shape != dataset.shape or given.dtype.kind != "U":
        return dataset
    found: list[Names] = [None] * dataset.shape[0]
    for j in range(len(found)):
        names = arrays.get(f"{CATEGORIES}{j}")
        if names is None:
            continue
        codes, texts = dataset.values[:, j], tuple(map(str, names.reshape(-1)))
        if bool(((codes != codes.round()) | (codes < 0) | (codes >= len(texts))).any()):
            raise InputError(
                f"{what}: column {j} holds codes that are none of {len(texts)} categories: write it again"
            )
        found[j] = texts
    return replace(dataset, columns=tuple(map(str, given)), categories=_plain(found))


def with_categories(dataset: Dataset, columns: Sequence[str]) -> Dataset:
    """A table in which the named columns of whole numbers are categories, '1' for 1.

    Columns of text are categories already, and stay as they are: where all are, the data set comes back as it
    is, and what lies on disk stays there.

    Raises:
        InputError: a name that is no column's, a column with numbers that are not whole, or a table with
            columns to code that does not fit into memory.
    """
    found = list(dataset.categories or (None,) * len(dataset.columns))
    places = [(name, _index(dataset, name, "categorical")) for name in dict.fromkeys(columns)]
    places = [(name, j) for name, j in places if found[j] is None]
    if not places:
        return dataset
    values = _own(dataset)
    for name, j in places:
        numbers = values[:, j].double()
        if bool((numbers != numbers.round()).any()):
            wrong = float(numbers[numbers != numbers.round()][0])
            raise InputError(
                f"categorical={name}: the column holds {wrong:g}, which is no whole number; leave it a number"
            )
        names, codes = _texts(numbers)
        _check(names, len(numbers), f"categorical={name}: the column")
        found[j], values[:, j] = tuple(names), codes.float()
    return replace(dataset, values=values, categories=_plain(found))


def with_labels(dataset: Dataset, column: str) -> Dataset:
    """A table whose column of that name has become its labels, and is among its values no more.

    A column of categories gives named classes, in their order; whole numbers from 0 stay class numbers.

    Raises:
        InputError: a name that is no column's, the only column there is, labels there already, or numbers
            that are no class numbers.
    """
    j = _index(dataset, column, "label column")
    if dataset.labels is not None or len(dataset.columns) == 1:
        why = "the data have labels already" if dataset.labels is not None else "no other column is left"
        raise InputError(f"label column={column}: {why}; leave it out")
    numbers, names = dataset.values[:, j].double(), (dataset.categories or (None,) * len(dataset.columns))[j]
    if names is None:
        if bool(((numbers != numbers.round()) | (numbers < 0) | (numbers >= MAX_CLASSES)).any()):
            raise InputError(
                f"label column={column}: holds {float(numbers.min()):g} to {float(numbers.max()):g}; give a "
                "column of text or of whole numbers from 0"
            )
        names = tuple(str(k) for k in range(int(numbers.max()) + 1))
    kept = [i for i in range(len(dataset.columns)) if i != j]
    return replace(
        dataset,
        values=_without(dataset, j),
        labels=numbers.long(),
        label_names=names,
        columns=tuple(dataset.columns[i] for i in kept),
        categories=_plain([dataset.categories[i] for i in kept]) if dataset.categories else (),
    )


def with_column(dataset: Dataset, column: str, place: int) -> Dataset:
    """A table whose labels have become a column again, at `place`: what `with_labels` undoes.

    Classes named 0, 1, 2, … are numbers, all others categories.
    """
    if dataset.labels is None:
        return dataset
    numbers = dataset.label_names == tuple(map(str, range(len(dataset.label_names))))
    categories = list(dataset.categories or (None,) * len(dataset.columns))
    categories.insert(place, None if numbers else dataset.label_names)
    codes = dataset.labels[:, None].to(dataset.values)
    return replace(
        dataset,
        values=torch.cat([dataset.values[:, :place], codes, dataset.values[:, place:]], 1),
        labels=None,
        label_names=(),
        columns=(*dataset.columns[:place], column, *dataset.columns[place:]),
        categories=_plain(categories),
    )


def recoded(dataset: Dataset, columns: Sequence[str], categories: Sequence[Names]) -> Dataset:
    """A table with the codes of another one: each text keeps its meaning, whatever its number there.

    Args:
        dataset: a table.
        columns: the other table's column names.
        categories: its categories, empty where it has none.

    Raises:
        InputError: other columns, text in place of numbers, or a category that the other does not know.
    """
    if dataset.kind != "table" or not (categories or dataset.categories):
        return dataset
    if len(dataset.columns) != len(columns):
        raise InputError(
            f"data {dataset.name}: has {counted(len(dataset.columns), 'column')}, and {len(columns)} are "
            f"wanted: give {listed(columns)}"
        )
    ours: Sequence[Names] = dataset.categories or (None,) * len(columns)
    theirs = categories or (None,) * len(columns)
    values = dataset.values if tuple(ours) == tuple(theirs) else _own(dataset)
    for j, (mine, names) in enumerate(zip(ours, theirs, strict=True)):
        if mine == names:
            continue
        place = f"data {dataset.name}: column {quoted(dataset.columns[j])}"
        if names is None and mine is not None and (numbers := _numbers(mine)) is not None:
            values[:, j] = numbers[values[:, j].long()]  # codes of a run, which a .parquet has as text
            continue
        if names is None:
            raise InputError(f"{place} holds text, and numbers are wanted: give the same columns")
        rank = {name: code for code, name in enumerate(names)}
        given, codes = (list(mine), values[:, j].long()) if mine is not None else _texts(values[:, j])
        held = torch.bincount(codes, minlength=len(given)).tolist()
        if strange := [text for text, n in zip(given, held, strict=True) if n and text not in rank]:
            raise InputError(
                f"{place} holds {quoted(strange[0])}, which is none of the {len(names)} categories there: "
                "leave those rows out"
            )
        values[:, j] = torch.tensor([rank.get(text, 0) for text in given]).float()[codes]
    return replace(dataset, values=values, columns=tuple(columns), categories=tuple(categories))


def _own(dataset: Dataset) -> torch.Tensor:
    """A copy of the values, to be written to."""
    check_memory(f"data {dataset.name} with columns that are coded anew", dataset.values.nbytes)
    return dataset.values.clone()


def _without(dataset: Dataset, j: int) -> torch.Tensor:
    """The values without column j; of a large table a view, where the column is its first or last."""
    values, last = dataset.values, len(dataset.columns) - 1
    if is_large(values.nbytes) and j in (0, last):
        return values[:, 1:] if j == 0 else values[:, :last]
    check_memory(f"data {dataset.name} without the column {quoted(dataset.columns[j])}", values.nbytes)
    return values[:, [i for i in range(last + 1) if i != j]]


def _texts(numbers: torch.Tensor) -> tuple[list[str], torch.Tensor]:
    """Numbers as the texts that a file has for them."""
    distinct, codes = np.unique(numbers.numpy(), return_inverse=True)
    return [str(int(v)) if v == round(v) else str(v) for v in distinct.tolist()], torch.from_numpy(codes)


def _numbers(names: Sequence[str]) -> torch.Tensor | None:
    """Texts as the numbers that they are, or None where one is no finite number."""
    try:
        numbers = torch.tensor([float(name) for name in names])
    except ValueError:
        return None
    return numbers if bool(numbers.isfinite().all()) else None


def _plain(categories: Sequence[Names]) -> tuple[Names, ...]:
    return tuple(categories) if any(names is not None for names in categories) else ()


def _index(dataset: Dataset, name: str, option: str) -> int:
    if name not in dataset.columns:
        held = listed(dataset.columns[:8])
        held = (
            held or "none, they are no table; of images :label=NAME behind the data names a column of classes"
        )
        raise InputError(f"{option}={name}: no column has this name; data {dataset.name} have {held}")
    return dataset.columns.index(name)


def _check(texts: Sequence[str], n: int, what: str) -> None:
    filled = [text for text in texts if text]
    if not filled:
        raise InputError(f"{what} has no values at all: leave the column out")
    for text in filled:
        if len(text) > LONGEST or not text.isprintable():
            wrong = f"{len(text)} letters are too many for" if len(text) > LONGEST else "cannot be printed as"
            raise InputError(f"{what}: {quoted(text)}, {wrong} a category: mend it or leave the column out")
    if all(_DATE.fullmatch(text) for text in filled):
        raise InputError(
            f"{what} holds dates, such as {quoted(filled[0])}: turn them into numbers, such as days since a "
            "day, or leave the column out"
        )
    if len(texts) > MOST or (len(texts) > _FEW and 2 * len(texts) > n):
        raise InputError(
            f"{what} holds {len(texts):,} different texts in {n:,} rows (such as {quoted(filled[0])}), too "
            "many for categories: leave the column out"
        )
