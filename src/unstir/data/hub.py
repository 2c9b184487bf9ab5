"""Data sets of Hugging Face in a local folder, without their library.

    data-00000-of-00001.arrow  state.json  dataset_info.json      `Dataset.save_to_disk`
    dataset_dict.json  train/  test/                              `DatasetDict.save_to_disk`: `train` is read
    data/train-00000-of-00001.parquet                             as on the hub; `train` is read
    mnist/train/0000.parquet                                      as the hub converts them

Where no part is called `train` and there is only one, that one is read; else the folder of one is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unstir.data.arrow import SUFFIXES, read_tables
from unstir.data.dataset import Dataset
from unstir.data.found import Parts
from unstir.data.labels import path_key
from unstir.data.splits import TRAIN, split_of_file, training_files
from unstir.data.wording import listed, quoted, reason, shown
from unstir.errors import InputError

_LARGEST_JSON = 2**26
_LONGEST_NAME = 200


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote the folder."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def read_saved(
    folder: Path,
    name: str,
    skip_bad: bool = False,
    size: int | None = None,
    *,
    drop: bool = False,
    label: str | None = None,
) -> Dataset:
    """The data set in a folder that `save_to_disk` wrote; of several parts, `train`.

    Args:
        folder: it.
        name: the data set's name.
        skip_bad: as in `read_tables`.
        size: as in `read_tables`.
        drop: as in `read_tables`.
        label: as in `read_tables`.

    Raises:
        InputError: no such part, files missing or of an old format; and as `read_tables`.
    """
    passed: tuple[str, ...] = ()
    if (folder / "dataset_dict.json").is_file():
        parts = _json(folder / "dataset_dict.json").get("splits")
        splits = [part for part in parts if isinstance(part, str)] if isinstance(parts, list) else []
        chosen = TRAIN if TRAIN in splits else splits[0] if len(splits) == 1 else None
        if chosen is None or not _plain(chosen):
            raise InputError(
                f"{shown(folder)} has the parts {listed(splits) or 'none'}: give the folder of one of them"
            )
        passed = tuple(
            f"{shown(folder / part)}: is beside {chosen}, the part that is read"
            for part in splits
            if part != chosen
        )
        folder = folder / chosen
    state, what = _json(folder / "state.json"), shown(folder)
    if state.get("_indices_data_files"):
        raise InputError(f"{what} keeps a choice of rows, as old versions did: save it again with datasets")
    entries = state.get("_data_files")
    entries = entries if isinstance(entries, list) else []
    files = [entry.get("filename") for entry in entries if isinstance(entry, dict)]
    if not files or not all(isinstance(file, str) and _plain(file) for file in files):
        raise InputError(f"{what}/state.json names no files in its folder: save it again with datasets")
    paths = [folder / str(file) for file in files]
    gone = next((path for path in paths if not path.is_file()), None)
    if gone is not None:
        raise InputError(f"{shown(gone)} is not there, and state.json names it: copy the whole folder")
    about = folder / "dataset_info.json"
    features = _json(about).get("features") if about.is_file() else None
    known = features if isinstance(features, dict) else None
    return read_tables(paths, what, name, skip_bad, size, known, drop=drop, label=label).passing_over(passed)


def read_tables_in(
    folder: Path,
    files: Sequence[Parts],
    name: str,
    skip_bad: bool = False,
    size: int | None = None,
    *,
    drop: bool = False,
    label: str | None = None,
) -> Dataset:
    """The part `train` among files of tables in a folder, or the only part.

    Args:
        folder: it.
        files: .parquet, .arrow or .feather in it, as names in parts.
        name: the data set's name.
        skip_bad: as in `read_tables`.
        size: as in `read_tables`.
        drop: as in `read_tables`.
        label: as in `read_tables`.

    Raises:
        InputError: several sets, or several parts and none `train`; and as `read_tables`.
    """
    what, sets = shown(folder), sorted({split_of_file(file)[0] for file in files})
    if len(sets) > 1:
        found = listed("/".join(where) or "." for where in sets)
        raise InputError(f"{what} holds tables in {found}: give the folder of one set")
    chosen, passed = training_files(sorted(files, key=path_key), what)
    paths = [folder.joinpath(*file) for file in chosen]
    whole = what if len(paths) > 1 else shown(paths[0])
    return read_tables(paths, whole, name, skip_bad, size, drop=drop, label=label).passing_over(passed)


def is_table(file: Parts) -> bool:
    """Whether the name is one of a table of Arrow or Parquet."""
    return file[-1].lower().endswith(SUFFIXES)


def _plain(name: str) -> bool:
    """Whether it is the name of a file in the folder itself."""
    return Path(name).name == name and "\0" not in name and len(name) <= _LONGEST_NAME


def _json(path: Path) -> dict[str, Any]:
    what = shown(path)
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise InputError(f"{what} is too large for what it is: save the data again")
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{what} cannot be read ({reason(error)}): copy or save the data again") from error
    if not isinstance(found, dict):
        raise InputError(f"{what} holds {quoted(type(found).__name__)}, no record: save the data again")
    return found
