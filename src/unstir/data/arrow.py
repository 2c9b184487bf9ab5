"""Tables of Arrow with images in them, or numbers: .parquet, .arrow (stream or file) and .feather.

A column holds images where it is a struct with `bytes`, as Hugging Face's `datasets` writes them, or binary
and called so. `datasets` leaves in the schema's metadata which column that is, and the names of the classes:

    {"huggingface": {"info": {"features": {"image": {"_type": "Image"},
                                           "label": {"_type": "ClassLabel", "names": [...]}}}}}

Labels are the column of that type, else the one called `label`, `labels`, `class`, `cls` or `y`, or the one
that is asked for. A table without images is one of numbers and categories (`tables.py`). Nothing is
unpickled, and extension types of other libraries are taken as what they store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from unstir.data import labels as class_labels
from unstir.data.album import Album, Read, read_album
from unstir.data.dataset import Dataset
from unstir.data.images import check_size
from unstir.data.labels import COLUMN_NAMES, MAX_CLASSES, Labels
from unstir.data.limits import check_expansion
from unstir.data.messages import unpacked_size
from unstir.data.tables import from_arrow, read_parquet
from unstir.data.wording import listed, quoted, reason, shown
from unstir.errors import InputError

SUFFIXES = (".parquet", ".arrow", ".feather")
IMAGE_NAMES = ("image", "images", "img", "jpg", "png", "picture")

_ROWS = 32  # read at once

Features = Mapping[str, Any]
Batch = Any  # pyarrow has no types


@dataclass(frozen=True)
class _Columns:
    """The columns of a table with images.

    Attributes:
        image: the name of the images'.
        label: the name of the labels', or None.
        names: of the classes, empty where nothing gives them.
        others: names of columns that hold classes too.
    """

    image: str
    label: str | None
    names: tuple[str, ...]
    others: tuple[str, ...] = ()


def read_tables(
    paths: Sequence[Path],
    what: str,
    name: str,
    skip_bad: bool = False,
    size: int | None = None,
    features: Features | None = None,
    *,
    drop: bool = False,
    label: str | None = None,
) -> Dataset:
    """The images, or the numbers, of the files of one table.

    Args:
        paths: its files, in order, all with the same columns.
        what: all of them, for messages.
        name: the data set's name.
        skip_bad: pass over images that cannot be read, and name them in `Dataset.skipped`.
        size: as in `read_album`.
        features: what a file beside them says of the columns, where their own metadata say nothing.
        drop: leave out the rows of a table of numbers that lack one.
        label: the column whose classes are the labels of images; the usual one without.

    Raises:
        InputError: damaged or growing beyond reason; columns that differ; none with images and one that is no
            number; several that may be the images; no such column of classes; and as `read_album`.
    """
    import pyarrow as pa

    try:
        schemas = [_schema(path) for path in paths]
        for path, schema in zip(paths, schemas, strict=True):
            if schema.names != schemas[0].names or schema.types != schemas[0].types:
                raise InputError(
                    f"{shown(path)} has other columns than {shown(paths[0])}: give files of one table"
                )
        columns = _columns(schemas[0], features, what, label)
        if columns is None:
            if label is not None:
                raise InputError(
                    f"label={label}: is for tables of images, and {what} is one of numbers; give "
                    f"--label-column {label}"
                )
            if size is not None:
                raise InputError(
                    f"size={size}: is for images, and {what} is a table of numbers; leave it out"
                )
            return _numbers(paths, what, name, drop)
        if drop:
            raise InputError(f"missing=drop: is for tables of numbers, and {what} holds images; leave it out")
        marks = _Marks(columns, what)
        for path in paths:
            if _is_parquet(path):
                _check_parquet(path)
            kept = [] if columns.label is None else [columns.label]
            for batch in _batches(path, kept):
                marks.take(batch)
        album = Album(
            what,
            marks.count,
            lambda i: f"row {i + 1}",
            lambda: _images(paths, columns, marks),
            marks.labels,
            files=False,
            passed=tuple(
                f"{what}, column {quoted(other)}: the classes are those of {quoted(columns.label)}; "
                f"{what}:label={other} takes these"
                for other in columns.others
            ),
        )
        return read_album(album, name, skip_bad, size)
    except InputError:
        raise
    except (pa.ArrowException, ValueError, LookupError, ArithmeticError, MemoryError) as error:
        # Such as names that are no UTF-8.
        raise InputError(f"{what} is damaged ({reason(error)}): copy or write it again") from error


def _numbers(paths: Sequence[Path], what: str, name: str, drop: bool) -> Dataset:
    import pyarrow as pa

    if len(paths) == 1 and _is_parquet(paths[0]):
        return read_parquet(paths[0], name, drop)
    for path in paths:
        if _is_parquet(path):
            _check_parquet(path)
    batches = [batch for path in paths for batch in _batches(path, None)]
    return from_arrow(pa.Table.from_batches(batches, schema=_schema(paths[0])), name, what, drop)


def _columns(
    schema: Any,  # noqa: ANN401
    beside: Features | None,
    what: str,
    wanted: str | None,
) -> _Columns | None:
    """Which columns are the images and the labels; None where there are no images."""
    features = _features(schema.metadata) or beside or {}
    pictures = [
        field.name
        for field in schema
        if _holds_struct(field.type)
        or (_is_binary(field.type) and (_kind(features, field.name) == "Image" or field.name in IMAGE_NAMES))
    ]
    if not pictures:
        return None
    if len(set(schema.names)) < len(schema.names):
        raise InputError(f"{what} has several columns of one name: give each its own")
    said = [key for key in pictures if _kind(features, key) == "Image"] or pictures
    chosen = said if len(said) == 1 else [key for key in IMAGE_NAMES if key in said][:1]
    if not chosen:
        raise InputError(f"{what} has images in columns {listed(said)}: call one of them 'image'")
    classes = [key for key in schema.names if _kind(features, key) == "ClassLabel"]
    named = [key for key in COLUMN_NAMES if key in schema.names]
    label = next(iter([key for key in named if key in classes] or classes or named), None)
    if wanted is not None:
        _check_wanted(schema, wanted, what)
        return _Columns(chosen[0], wanted, _class_names(features.get(wanted)))
    others = tuple(key for key in classes if key != label)
    return _Columns(chosen[0], label, _class_names(features.get(label or "")), others)


def _check_wanted(schema: Any, label: str, what: str) -> None:  # noqa: ANN401
    from pyarrow import types

    fit = (types.is_integer, types.is_boolean, types.is_string, types.is_large_string, types.is_dictionary)
    held = [field.name for field in schema if any(fits(field.type) for fits in fit)]
    if label not in held:
        why = "holds neither whole numbers nor text" if label in schema.names else "is no column"
        raise InputError(
            f"label={label}: {why} of {what}; give one of {listed(held) or 'none, there is none'}"
        )


def _features(metadata: Mapping[bytes, bytes] | None) -> Features:
    try:
        found = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        features = found["info"]["features"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _kind(features: Features, column: str) -> str | None:
    feature = features.get(column)
    kind = feature.get("_type") if isinstance(feature, dict) else None
    return kind if isinstance(kind, str) else None


def _class_names(feature: object) -> tuple[str, ...]:
    names = feature.get("names") if isinstance(feature, dict) else None
    fit = isinstance(names, list) and len(names) <= MAX_CLASSES and all(isinstance(n, str) for n in names)
    return tuple(names) if fit and names else ()


def _holds_struct(kind: Any) -> bool:  # noqa: ANN401
    from pyarrow import types

    return types.is_struct(kind) and any(field.name == "bytes" and _is_binary(field.type) for field in kind)


def _is_binary(kind: Any) -> bool:  # noqa: ANN401
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A reader of the file: `ParquetFile`, or one of Arrow's two formats, in memory shared with the disk."""
    import pyarrow as pa
    from pyarrow import ipc, parquet

    try:
        if _is_parquet(path):
            with parquet.ParquetFile(path) as file:
                yield file
            return
        with path.open("rb") as stream:
            start = stream.read(6)
        if start.startswith(b"FEA1"):
            raise InputError(f"{shown(path)} is of Feather's first version: write it again with version 2")
        # A file is a stream between two marks; what its table of contents says is not needed.
        begin = 8 if start == b"ARROW1" else 0
        with pa.memory_map(str(path)) as source:
            source.seek(begin)
            check_expansion(shown(path), path.stat().st_size, unpacked_size(source), "write it unpacked")
            source.seek(begin)
            with ipc.open_stream(source) as reader:
                yield reader
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        raise InputError(
            f"{shown(path)} is no whole {path.suffix} file ({reason(error)}): copy or write it again"
        ) from error


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _schema(path: Path) -> Any:  # noqa: ANN401
    with _opened(path) as reader:
        return reader.schema_arrow if _is_parquet(path) else reader.schema


def _batches(path: Path, columns: list[str] | None) -> Iterator[Batch]:
    """The rows of a file, a few at a time, checked so that no damaged offset leads out of the memory."""
    with _opened(path) as reader:
        if _is_parquet(path):
            rows = _ROWS if columns is not None else 2**16
            for batch in reader.iter_batches(batch_size=rows, columns=columns):
                batch.validate(full=True)
                yield batch
            return
        for whole in reader:
            batch = whole if columns is None else whole.select(columns)
            batch.validate(full=True)
            yield batch


def _check_parquet(path: Path) -> None:
    with _opened(path) as file:
        groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
        unpacked = sum(max(0, group.total_byte_size) for group in groups)
    check_expansion(shown(path), path.stat().st_size, unpacked, "write it with less compression")


class _Marks:
    """The labels of the rows, and how many rows there are."""

    def __init__(self, columns: _Columns, what: str) -> None:
        self._columns, self._what = columns, what
        self._found: list[int | str | None] = []
        self.count = 0

    def take(self, batch: Batch) -> None:
        """Note the labels of a batch, whose only column they are, or count its rows."""
        self.count += batch.num_rows
        if self._columns.label is not None:
            self._found.extend(_class(value, self._columns) for value in batch.column(0).to_pylist())

    @property
    def missing(self) -> set[int]:
        """Rows without a label, where others have one."""
        if all(value is None for value in self._found):
            return set()
        return {i for i, value in enumerate(self._found) if value is None}

    def labels(self, kept: Sequence[int]) -> Labels | None:
        """Labels of the rows kept, None where the table has none.

        Raises:
            InputError: a number that has no name, or is below 0 or from `MAX_CLASSES`.
        """
        found = [self._found[i] for i in kept] if self._found else []
        if all(value is None for value in found):
            return None
        if any(isinstance(value, str) for value in found):
            return class_labels.from_names([str(value) for value in found])
        what = f"{self._what}, column {quoted(self._columns.label)},"
        numbers, names = class_labels.from_array(np.array(found, dtype=np.int64), len(found), what)
        given = self._columns.names
        if given and len(names) > len(given):
            raise InputError(
                f"{what} holds class {len(names) - 1}, and its metadata name {len(given)}: write it again"
            )
        return numbers, given or names


def _class(value: object, columns: _Columns) -> int | str | None:
    """A label as a class, None where there is none: `datasets` writes −1 for it."""
    if isinstance(value, bool | int):
        return None if value == -1 else int(value)
    return value if isinstance(value, str) and value and not columns.names else None


def _images(paths: Sequence[Path], columns: _Columns, marks: _Marks) -> Iterator[tuple[int, Read]]:
    from pyarrow import types

    missing, index = marks.missing, 0
    for path in paths:
        for batch in _batches(path, [columns.image]):
            files = batch.column(0)
            if types.is_struct(files.type):
                place = files.type.get_field_index("bytes")
                files = files.flatten()[place]
            for k in range(batch.num_rows):
                yield index, partial(_content, files, k, index in missing)
                index += 1


def _content(files: Any, k: int, unlabelled: bool) -> bytes:  # noqa: ANN401
    scalar = files[k]
    if not scalar.is_valid:
        raise ValueError("no bytes: paths outside the table are not followed")
    if unlabelled:
        raise ValueError("no label")
    buffer = scalar.as_buffer()
    check_size(buffer.size)
    content: bytes = buffer.to_pybytes()
    return content
