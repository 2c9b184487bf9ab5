"""A training session: a run folder, its data and the trainer, begun anew or from where it stopped."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unstir import physics
from unstir.data import Coder, Dataset, coder_from_dict
from unstir.data.apart import check_apart
from unstir.data.items import Items, Parts, parted
from unstir.errors import InputError
from unstir.fields import LearnedField, field_class
from unstir.physics import Process
from unstir.train import choices
from unstir.train.arrangement import lay
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
from unstir.train.interrupt import stop_on_interrupt
from unstir.train.loop import Trainer, TrainStep
from unstir.train.machine import choose_device, memory_explained, using_threads
from unstir.train.metrics import cut_metrics, metrics
from unstir.train.source import read_data, read_partner
from unstir.train.storage import clear, explained
from unstir.train.tracking import check_tracker, tracking


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
        InputError: bad data or options, a folder that holds a run, or too little memory.
    """
    with _fitting(config):
        return _started(config, path, source, network)


def _started(config: TrainConfig, path: Path, source: Dataset | None, network: nn.Module | None) -> Session:
    cluster, asked = joined(), config
    read = [] if source is not None else [name for name in (config.data, config.partner) if name is not None]
    path = cluster.led(lambda: _unused(path, read))
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
    values = config.model_dump() | choices.by_network(config, kind, device)
    values["data"] = config.data if source is not None else data_name(config.data)
    values["partner"] = None if config.partner is None else data_name(config.partner)
    parts = parted(data, config.holdout, config.seed)
    labelled = choices.labelled(config, data, process)
    sha256 = digest(data, labelled=labelled)
    del data  # it lies in its parts: nothing is twice in memory from here on
    coder = process.coder(parts.train)
    items = parts.items(coder, device)
    known, labels = parts.known(items)
    process = process.prepared(known, read_partner(config, coder, parts.train))
    sketched = choices.sketched(config, parts.train, parts.count, process) if kind != "custom" else {}
    config = make_config(values | {"process": process.name, "labels": labelled} | sketched)
    info = _info(parts, coder, process, sha256, labelled=labelled, place=place)
    field = make_field(config, info, process, network)
    labels = labels if labelled else None
    if config.teacher is None:
        field.prepare(known, labels)  # on the CPU, where it is the same for every device
    field = field.to(device)
    if config.teacher is not None:
        teach(field, config, info, items[:1], labels, begin=True)
    arranged = choices.by_machine(asked, config, field, known, labels, cluster)
    config = make_config(config.model_dump() | arranged)
    trainer = _trainer(config, field, items, parts.labels, cluster)
    cluster.led(lambda: write_folder(path, config, info, process))
    return Session(path, config, info, parts.train, parts.heldout, trainer)


def resume(path: Path, source: Dataset | None = None, network: nn.Module | None = None) -> Session:
    """Go on with the run in `path` from its newest whole checkpoint, exactly as if it had never stopped.

    A run that was killed before its first checkpoint begins again at step 0. Checkpoints that are passed over
    are set aside under another name, so that none is taken for one of this run's to come.

    Raises:
        InputError: no run or no whole checkpoint there, other data than it began with, or too little memory.
    """
    config = read_run_config(path)
    with _fitting(config):
        return _resumed(config, path, source, network)


def _resumed(config: TrainConfig, path: Path, source: Dataset | None, network: nn.Module | None) -> Session:
    cluster, info = joined(), read_info(path)
    check_tracker(config.track)
    if source is None and config.data == ARRAY:
        raise InputError("data: were an array in Python; give it again to unstir.fit(..., resume=True)")
    data, place = read_data(config, source)
    parts = parted(data, config.holdout, config.seed)
    process = read_process(path, config, info)
    coder = coder_from_dict(info.scaling)  # a newer version may find another for the same data
    labelled = bool(info.label_names)  # config.yaml of an old run does not say
    sha256 = digest(data, labelled=labelled)
    del data
    if _info(parts, coder, process, sha256, labelled=labelled, place=place) != info:
        raise InputError(f"data {config.data}: are not those that run {path} began with; start a new run")
    device = choose_device(config.device)
    begun = has_checkpoints(path)
    made = (
        reopened(path, config, info, process, network)
        if begun
        else make_field(config, info, process, network)
    )
    items = parts.items(coder, device)
    labels = parts.labels if labelled else None
    if config.teacher is None and not begun:
        known, theirs = parts.known(items)
        made.prepare(known, theirs if labelled else None)
        del known
    field = made.to(device)
    if config.teacher is not None:
        teach(field, config, info, items[:1], labels, begin=not begun)
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
    saved, saved_at = time.monotonic(), trainer.step
    with (
        using_threads(session.config.threads if cluster.size == 1 else None),
        stop_on_interrupt(patient=cluster.size > 1) as interrupted,
        explained(path),
        metrics(path, session.config.batch, trainer.step, kept=cluster.leads) as noted,
        tracking(session) as track,
    ):
        for step in trainer:
            now = time.monotonic()
            line = noted.note(step)
            if line is not None:
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
                saved, saved_at = time.monotonic(), trainer.step
                noted.go_on(trainer.step)
        # Within the block: a Ctrl-C must not cut the last checkpoint either.
        if trainer.step != saved_at:
            save(session)
        if trainer.budget.done(trainer.step):
            track.samples()


def save(session: Session) -> Path:
    """Write a checkpoint of where the session stands."""
    trainer = session.trainer
    tensors, state = trainer.tensors(), trainer.state()
    return trainer.cluster.led(lambda: save_checkpoint(session.path, trainer.step, tensors, state))


def _unused(path: Path, read: Sequence[str]) -> Path:
    """A folder for a new run on the data of these names.

    Raises:
        InputError: it holds one, or lies among the data.
    """
    check_apart(path, read)
    if (path / "config.yaml").exists() or has_checkpoints(path):
        raise InputError(f"out {path}: holds a run already; resume it (--resume) or choose another folder")
    return path


def _tidy(path: Path, step: int) -> None:
    """Put out of the way what a run left that goes on from `step`."""
    set_aside(path, step)
    for folder in (path, path / "checkpoints"):
        clear(folder, alone=True)
    cut_metrics(path, step)


def _fitting(config: TrainConfig) -> AbstractContextManager[None]:
    """Says in one line where all that a run needs at its start does not fit into memory."""
    return memory_explained(
        f"data {config.data}: they, the network and what is fitted to them do not fit into the memory of the "
        f"device ({config.device}) or of this machine",
        "give a smaller network, sketch or batch, fewer or smaller items, or device=cpu",
    )


def _info(
    parts: Parts, coder: Coder, process: Process, sha256: str, *, labelled: bool, place: int | None
) -> DataInfo:
    data, labels = parts.train, parts.labels
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
        count=parts.total,
        heldout=parts.total - parts.count,
        sha256=sha256,
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
    lay(
        field,
        channels_last=choices.is_last(config, items.device, cluster),
        compiled=bool(config.compile) and cluster.size == 1,
    )
    labels = labels.to(items.device) if field.classes and labels is not None else None
    bfloat16 = config.precision == "bfloat16"
    return Trainer(config, field, items, labels, bfloat16=bfloat16, cluster=cluster)
