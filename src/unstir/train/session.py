"""A training session: a run folder, its data and the trainer, begun anew or from where it stopped."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from unstir import physics
from unstir.data import Coder, Dataset, coder_from_dict, recoded
from unstir.data import load as load_data
from unstir.data.items import Items, Parts, model_units, parted
from unstir.errors import InputError
from unstir.fields import LearnedField, field_class
from unstir.fields.networks import FOR_IMAGES
from unstir.physics import Process
from unstir.train.arrangement import Arrangement, fastest, lay
from unstir.train.checkpoint import has_checkpoints, load_checkpoint, save_checkpoint, set_aside
from unstir.train.cluster import Cluster, joined
from unstir.train.config import TrainConfig, make_config
from unstir.train.distill import teach
from unstir.train.folder import (
    ARRAY,
    DataInfo,
    data_name,
    digest,
    kept_digest,
    make_field,
    read_info,
    read_process,
    read_run_config,
    reopened,
    write_folder,
)
from unstir.train.loop import Trainer, TrainStep
from unstir.train.machine import choose_device, has_fast_bfloat16, using_threads
from unstir.train.optimizer import USUAL_LR
from unstir.train.source import as_read, read_data
from unstir.train.storage import clear, explained, write_text
from unstir.train.tracking import check_tracker, tracking

_METRICS_EVERY = 0.5  # seconds
_IMAGES = 64  # a step
_COMPILES = 60  # minutes of training, from which on it is measured what compiling gains
_MEASURED = 4096  # items that a measured step may be taken from
_PER_COMPONENT = 50  # items for each component of a sketch
_NUMBERS = 2**23  # of a sketch, which every checkpoint holds twice


@dataclass(frozen=True)
class Session:
    """Everything a run in training is made of.

    Attributes:
        path: the run folder.
        config: resolved.
        info: of the data.
        train: training data.
        heldout: data held out.
        trainer: ready to iterate.
        passed_over: checkpoints that resuming passed over, each with the reason.
    """

    path: Path
    config: TrainConfig
    info: DataInfo
    train: Dataset
    heldout: Dataset
    trainer: Trainer
    passed_over: tuple[str, ...] = ()


def start(
    config: TrainConfig, path: Path, source: Dataset | None = None, network: nn.Module | None = None
) -> Session:
    """Make a new run folder and all that trains in it.

    Args:
        config: as given; what says `auto` is resolved.
        path: a folder that holds no run yet.
        source: the data, where they are not to be read from `config.data`.
        network: for `network: custom`.

    Raises:
        InputError: bad data or options, or a folder that holds a run.
    """
    cluster, asked = joined(), config
    path = cluster.led(lambda: _unused(path))
    check_tracker(config.track)
    if config.network == "custom" and network is None:
        raise InputError(
            "network=custom: is a module given in Python, unstir.fit(network=...); give mlp or unet"
        )
    process = physics.parse(config.process)
    data, place = read_data(config, source)
    kind: str = "custom" if network is not None else config.network
    if kind == "auto":
        kind = field_class(process).usual_network(data.kind)
    device = choose_device(config.device)
    fast = has_fast_bfloat16(device) and kind in FOR_IMAGES
    optimizer = config.optimizer
    if optimizer == "auto":
        optimizer = "muon" if kind in FOR_IMAGES else "adam"
    values = config.model_dump() | {
        "data": config.data if source is not None else data_name(config.data),
        "partner": None if config.partner is None else data_name(config.partner),
        "network": kind,
        "optimizer": optimizer,
        "batch": _batch(config, kind),
        "lr": USUAL_LR[optimizer] if config.lr is None else config.lr,
        "precision": ("bfloat16" if fast else "float32") if config.precision == "auto" else config.precision,
    }
    parts = parted(data, config.holdout, config.seed)
    coder = process.coder(parts.train)
    items = parts.items(coder, device)
    known = items.sample(len(parts.train))
    process = process.prepared(known, _partner(config, coder, parts.train))
    labelled = _labelled(config, data, process)
    sketch = _components(config, data, parts.count, process) if kind != "custom" else config.sketch
    config = make_config(values | {"process": process.name, "labels": labelled, "sketch": sketch})
    info = _info(parts, coder, process, labelled=labelled, place=place)
    field = make_field(config, info, process, network).to(device)
    labels = parts.train.labels if labelled else None
    if config.teacher is None:
        field.prepare(known.to(device), labels)
    else:
        teach(field, config, info, items[:1], labels, begin=True)
    # In a cluster threads are the launcher's to share out, again at each launch, and all must do the same.
    if cluster.size == 1:
        config = make_config(config.model_dump() | _arranged(asked, config, field, known, labels))
    trainer = _trainer(config, field, items, parts.labels, cluster)
    cluster.led(lambda: write_folder(path, config, info, process))
    return Session(path, config, info, parts.train, parts.heldout, trainer)


def resume(path: Path, source: Dataset | None = None, network: nn.Module | None = None) -> Session:
    """Go on with the run in `path` from its newest whole checkpoint, exactly as if it had never stopped.

    A run that was killed before its first checkpoint begins again at step 0. Checkpoints that are passed over
    are set aside under another name, so that none is taken for one of this run's to come.

    Raises:
        InputError: no run or no whole checkpoint there, or other data than it began with.
    """
    cluster = joined()
    config, info = read_run_config(path), read_info(path)
    check_tracker(config.track)
    if source is None and config.data == ARRAY:
        raise InputError("data: were an array in Python; give it again to unstir.fit(..., resume=True)")
    data, place = read_data(config, source)
    parts = parted(data, config.holdout, config.seed)
    process = read_process(path, config, info)
    coder = coder_from_dict(info.scaling)  # a newer version may find another for the same data
    labelled = bool(info.label_names)  # config.yaml of an old run does not say
    if _info(parts, coder, process, labelled=labelled, place=place) != info:
        raise InputError(f"data {config.data}: are not those that run {path} began with; start a new run")
    device = choose_device(config.device)
    begun = has_checkpoints(path)
    made = (
        reopened(path, config, info, process, network)
        if begun
        else make_field(config, info, process, network)
    )
    field = made.to(device)
    items = parts.items(coder, device)
    if config.teacher is not None:
        labels = parts.train.labels if labelled else None
        teach(field, config, info, items[:1], labels, begin=not begun)
    elif not begun:
        known = items.sample(len(parts.train))
        field.prepare(known.to(device), parts.train.labels if labelled else None)
    trainer = _trainer(config, field, items, parts.labels, cluster)
    session = Session(path, config, info, parts.train, parts.heldout, trainer)
    if begun:
        expected = session.trainer.expected()
        checkpoint = cluster.together(lambda: load_checkpoint(path, expected))
        try:
            session.trainer.restore(checkpoint)
        except InputError as error:
            raise InputError(f"run {path}: {error}") from None
        session = dataclasses.replace(session, passed_over=checkpoint.passed_over)
    cluster.led(lambda: _tidy(path, session.trainer.step))
    return session


def training(session: Session) -> Iterator[TrainStep]:
    """Train to the end of the budget, or until Ctrl-C, with metrics and checkpoints; one record a step.

    The last thing done is always a whole checkpoint. In a cluster all processes end after the same step, and
    the leader keeps checkpoints and metrics.

    Raises:
        InputError: the disk is full, or training diverged.
    """
    trainer, path, cluster = session.trainer, session.path, session.trainer.cluster
    saved = noted = time.monotonic()
    at = saved_at = trainer.step
    with (
        using_threads(session.config.threads if cluster.size == 1 else None),
        stop_on_interrupt(patient=cluster.size > 1) as interrupted,
        explained(path),
        _metrics(path, cluster).open("a", encoding="utf-8") as metrics,
        tracking(session) as track,
    ):
        for step in trainer:
            now = time.monotonic()
            if now - noted >= _METRICS_EVERY or step.index in (1, step.total):
                rate = (step.index - at) * session.config.batch / max(now - noted, 1e-9)
                noted, at = now, step.index
                loss = float(step.loss)
                line = {
                    "step": step.index,
                    "loss": round(loss, 6) if math.isfinite(loss) else None,
                    "lr": step.lr,
                    "seconds": round(step.seconds, 3),
                    "items_per_second": round(rate, 1),
                    "skipped": step.skipped,
                }
                metrics.write(json.dumps(line) + "\n")
                metrics.flush()
                track.figures(step.index, line)
            yield step
            due = cluster.leads and now - saved >= 60 * session.config.checkpoint_minutes
            # Any process may be told to stop, but none stops alone.
            stops, dues = cluster.summed(interrupted.is_set(), due)
            if stops:
                break
            if dues:
                save(session)
                track.samples()
                saved_at = at = trainer.step
                saved = noted = time.monotonic()
        # Within the block: a Ctrl-C must not cut the last checkpoint either.
        if trainer.step != saved_at:
            save(session)
        if trainer.budget.done(trainer.step):
            track.samples()


def _metrics(path: Path, cluster: Cluster) -> Path:
    return path / "metrics.jsonl" if cluster.leads else Path(os.devnull)


def save(session: Session) -> Path:
    """Write a checkpoint of where the session stands."""
    trainer = session.trainer
    tensors, state = trainer.tensors(), trainer.state()
    return trainer.cluster.led(lambda: save_checkpoint(session.path, trainer.step, tensors, state))


@contextmanager
def stop_on_interrupt(*, patient: bool = False) -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that a step is never cut in half; a second interrupts at once.

    Args:
        patient: a second does nothing: a launcher passes on the one that its processes have had already.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if event.is_set() and not patient:
            raise KeyboardInterrupt
        event.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _unused(path: Path) -> Path:
    """A folder for a new run.

    Raises:
        InputError: it holds one.
    """
    if (path / "config.yaml").exists() or has_checkpoints(path):
        raise InputError(f"out {path}: holds a run already; resume it (--resume) or choose another folder")
    return path


def _tidy(path: Path, step: int) -> None:
    """Put out of the way what a run left that goes on from `step`."""
    set_aside(path, step)
    for folder in (path, path / "checkpoints"):
        clear(folder, alone=True)
    _cut_metrics(path / "metrics.jsonl", step)


def _labelled(config: TrainConfig, data: Dataset, process: Process) -> bool:
    """Whether the field learns the data's classes.

    Raises:
        InputError: it should, and they have none.
    """
    if config.labels == "auto":
        return len(data.label_names) > 1 and not process.prior_holds_data
    if config.labels and data.labels is None:
        raise InputError(f"labels=True: data {data.name} have none; leave it out, or give labelled data")
    return config.labels


def _batch(config: TrainConfig, network: str) -> int:
    """As given, or the usual: fewer images, of which each costs more than all that a step does but once."""
    given = "batch" in config.model_fields_set
    return _IMAGES if not given and network in FOR_IMAGES else config.batch


def _components(config: TrainConfig, data: Dataset, count: int, process: Process) -> int:
    """Of the sketch: for images one in `_PER_COMPONENT` items where the process's field takes one."""
    if config.sketch is not None:
        return config.sketch
    largest = field_class(process).largest_sketch()
    if largest is None or data.kind != "image":
        return 0
    fits = _NUMBERS // (math.prod(data.shape) * largest[1])
    return max(1, min(largest[0], 1 + count // _PER_COMPONENT, fits))


def _info(parts: Parts, coder: Coder, process: Process, *, labelled: bool, place: int | None) -> DataInfo:
    data, labels = parts.data, parts.labels
    names = data.label_names if labelled else ()
    counts = torch.bincount(labels, minlength=len(names)) if labelled and labels is not None else ()
    return DataInfo(
        kind=data.kind,
        shape=data.shape,
        columns=data.columns,
        categories=data.categories,
        label_names=names,
        label_counts=tuple(int(count) for count in counts),
        label_place=place if labelled else None,
        scaling=coder.to_dict(),
        count=len(data),
        heldout=len(data) - parts.count,
        sha256=digest(data, labelled=labelled),
        kept=kept_digest(process),
    )


def _trainer(
    config: TrainConfig,
    field: LearnedField[Any],
    items: Items,
    labels: torch.Tensor | None,
    cluster: Cluster,
) -> Trainer:
    """A trainer of a field that is prepared, its weights laid as the configuration says."""
    # What lies in parts lies in one order, and what several processes share no compiler sees whole.
    lay(
        field,
        channels_last=bool(config.channels_last) and not cluster.sharded,
        compiled=bool(config.compile) and cluster.size == 1,
    )
    labels = labels.to(items.device) if field.classes and labels is not None else None
    bfloat16 = config.precision == "bfloat16"
    return Trainer(config, field, items, labels, bfloat16=bfloat16, cluster=cluster)


def _partner(config: TrainConfig, coder: Coder, like: Dataset) -> torch.Tensor | None:
    """The second data set in the model units of the first, so that both come back in the data's own."""
    if config.partner is None:
        return None
    data = as_read(load_data(config.partner, skip_bad=config.skip_bad), config)
    return model_units(coder, recoded(data, like.columns, like.categories).values)


def _arranged(
    asked: TrainConfig,
    config: TrainConfig,
    field: LearnedField[Any],
    items: torch.Tensor,
    labels: torch.Tensor | None,
) -> dict[str, Any]:
    """Options that say how the machine works fastest, as measured where the user leaves them open."""
    device = next(field.parameters()).device
    usual = Arrangement(
        config.precision == "bfloat16",
        bool(config.channels_last),
        config.threads or torch.get_num_threads(),
        bool(config.compile),
    )
    free = {"threads"} if asked.threads is None and device.type == "cpu" else set()
    if config.network in FOR_IMAGES:
        free |= {"bfloat16"} if asked.precision == "auto" and has_fast_bfloat16(device) else set()
        free |= {"channels_last"} if asked.channels_last is None else set()
        free |= {"compiled"} if asked.compile is None and (config.minutes or 0) >= _COMPILES else set()
    if config.minutes is not None and free:
        labels = None if labels is None else labels[:_MEASURED].to(device)
        usual = fastest(field, items[:_MEASURED].to(device), labels, usual, free=free)
    return {
        "threads": usual.threads if device.type == "cpu" else config.threads,
        "precision": "bfloat16" if usual.bfloat16 else "float32",
        "channels_last": usual.channels_last,
        "compile": usual.compiled,
    }


def _cut_metrics(path: Path, step: int) -> None:
    """Drop what was noted after the checkpoint: those steps are done again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (json.JSONDecodeError, KeyError, TypeError):
            continue  # a line cut by a kill
    write_text(path, "".join(line + "\n" for line in kept))
