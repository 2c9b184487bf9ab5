"""`fit`: train a run from Python."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from unstir import physics
from unstir.data import Dataset
from unstir.data import load as load_data
from unstir.data.asked import short_name
from unstir.errors import InputError
from unstir.physics import Process
from unstir.run import Run, load
from unstir.train.config import TrainConfig, make_config
from unstir.train.folder import ARRAY, data_name, read_run_config
from unstir.train.loop import TrainStep
from unstir.train.session import resume as resume_session
from unstir.train.session import start as start_session
from unstir.train.session import training


def fit(
    process: Process | str,
    data: str | Path | Tensor | Dataset | Any,  # noqa: ANN401  # numpy arrays too
    *,
    minutes: float | None = None,
    steps: int | None = None,
    out: str | Path | None = None,
    network: nn.Module | str | None = None,
    resume: bool = False,
    watch: Callable[[TrainStep], None] | None = None,
    **options: Any,  # noqa: ANN401
) -> Run:
    """Train a field for a process on data; return the run.

    Ctrl-C ends the training early: what there is so far is kept, returned, and can be resumed.

    Args:
        process: an object or a specification such as `poisson:D=128`.
        data: a built-in name, a path, an array or a tensor: see `unstir.data.load`.
        minutes: the budget in time (1 by default).
        steps: the budget in steps, in its place.
        out: the run folder; by default a new one under `runs/`.
        network: a name such as `unet` or `dit:small` (see `unstir networks`), or a module of your own,
            `network(x, noise, label)`.
        resume: go on with the run in `out`; what is given beside must be as it was.
        watch: called with each `TrainStep`.
        options: any other field of `TrainConfig`, such as `lr` or `seed`.

    Raises:
        InputError: bad data or options, a folder that holds a run, a full disk.
    """
    named = isinstance(data, (str, Path))
    source = None if named else load_data(data)
    module = None if isinstance(network, str) else network
    values = {"data": str(data) if named else ARRAY, "process": _process_name(process)} | options
    given = {"minutes": minutes, "steps": steps, "network": network if module is None else None}
    values |= {key: value for key, value in given.items() if value is not None}
    path = None if out is None else Path(out).expanduser()
    if resume:
        if path is None:
            raise InputError("resume: give the run's folder as out=...")
        _check_same(read_run_config(path), values)
        session = resume_session(path, source, module)
    else:
        config = make_config(values if {"minutes", "steps"} & values.keys() else values | {"minutes": 1.0})
        session = start_session(config, path or new_run_path(config), source, module)
    for step in training(session):
        if watch is not None:
            watch(step)
    return load(session.path, network=module, device=session.config.device)


def _process_name(process: Process | str) -> str:
    """The name by which the run's folder finds its process again."""
    name = process if isinstance(process, str) else process.name
    if not isinstance(process, str) and physics.parse(name) != process:
        raise InputError(f"process {name}: is not the one of that name; give one made by unstir.physics")
    return name


def _check_same(config: TrainConfig, values: dict[str, Any]) -> None:
    """Refuse options that differ from those that a run began with."""
    given = make_config(values if "minutes" in values else {"steps": 1} | values)
    for key in values:
        ours, theirs = getattr(given, key), getattr(config, key)
        if key == "data" and ours != ARRAY:
            ours = data_name(ours)
        elif key == "process":
            ours = physics.parse(ours).name
        if ours not in ("auto", None, theirs):
            raise InputError(f"{key}={ours}: the run began with {theirs}; give that, or leave it out")


def new_run_path(config: TrainConfig, root: Path = Path("runs")) -> Path:
    """A folder under `root` that is not there yet, named after data and process."""
    stem = f"{short_name(config.data)}-{config.process}".replace(":", "-").replace("=", "").replace(",", "-")
    candidates = itertools.chain([stem], (f"{stem}-{i}" for i in itertools.count(2)))
    return next(root / name for name in candidates if not (root / name).exists())
