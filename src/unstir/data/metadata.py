"""`metadata.csv` or `metadata.jsonl` beside images: the class of each, as in Hugging Face's imagefolder.

    file_name,label               {"file_name": "1.png", "label": "cat"}
    1.png,cat                     {"file_name": "more/2.png", "label": "dog"}
    more/2.png,dog

`file_name` counts from the folder that the file lies in. What else is in it, captions and boxes, is not read.
A file that says no class is passed over, and it is said why.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from unstir.data.found import Parts, in_parts
from unstir.data.labels import COLUMN_NAMES, Class, as_class
from unstir.data.limits import size_text
from unstir.data.wording import listed, reason, shown
from unstir.errors import InputError

NAMES = ("metadata.csv", "metadata.jsonl")
_UNREAD = ("metadata.parquet",)
_LARGEST = 2**26  # bytes
_FILE = "file_name"


def is_metadata(file: Parts) -> bool:
    """Whether the file says something of images beside it."""
    return file[-1].lower() in (*NAMES, *_UNREAD)


def read_classes(
    files: Iterable[Parts], images: Collection[Parts], read: Callable[[Parts], bytes], what: str
) -> tuple[dict[Parts, Class], tuple[str, ...]]:
    """The classes that the files of metadata among `files` tell.

    Args:
        files: names in parts.
        images: those whose classes are wanted.
        read: gives a file's content, or raises an `OSError` or a `ValueError`.
        what: the place, for messages.

    Returns:
        Classes by image, empty where nothing says one; and the files passed over, each as 'place: reason'.
    """
    found: dict[Parts, Class] = {}
    passed: list[str] = []
    wanted = set(images)
    for file in files:
        if not is_metadata(file):
            continue
        try:
            if file[-1].lower() in _UNREAD:
                raise ValueError(f"of files beside images {listed(NAMES)} are read")
            told = _classes(read(file), file, wanted)
            if not told:
                raise ValueError(f"none of its {_FILE} is an image here that has a label")
            found |= told
        except (OSError, ValueError, RecursionError, csv.Error, InputError) as error:
            passed.append(f"{shown('/'.join((what, *file)))}: {reason(error)}")
    return found, tuple(passed)


def _classes(content: bytes, file: Parts, wanted: Collection[Parts]) -> dict[Parts, Class]:
    if len(content) > _LARGEST:
        raise ValueError(f"{size_text(len(content))}, above the limit of {size_text(_LARGEST)}")
    text = content.decode("utf-8-sig")
    rows = _csv(text) if file[-1].lower().endswith(".csv") else _lines(text)
    found: dict[Parts, Class] = {}
    key = ""
    for row in rows:
        key = key or _column(row)
        name, told = row.get(_FILE), as_class(row.get(key))
        image = (*file[:-1], *in_parts(name)) if isinstance(name, str) else ()
        if told is not None and told != -1 and image in wanted:
            found[image] = told
    return found


def _column(row: Mapping[str, Any]) -> str:
    """The column of classes, of the first row that is read."""
    found = next((name for name in COLUMN_NAMES if name in row), None)
    if _FILE not in row:
        raise ValueError(f"it has no column {_FILE}")
    if found is None:
        raise ValueError(f"it has no column of classes ({listed(COLUMN_NAMES)})")
    return found


def _csv(text: str) -> Iterator[Mapping[str, Any]]:
    yield from csv.DictReader(io.StringIO(text, newline=""))


def _lines(text: str) -> Iterator[Mapping[str, Any]]:
    for line in text.splitlines():
        row = json.loads(line) if line.strip() else {}
        if not isinstance(row, dict):
            raise ValueError("a line is no record")
        if row:
            yield row
