"""What a new run's configuration leaves open, and what becomes of it by its network, data and machine."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from unstir.data import Dataset
from unstir.errors import InputError
from unstir.fields import LearnedField, field_class
from unstir.fields.networks import CONVOLVING, FOR_IMAGES, LARGE_PRODUCTS
from unstir.fields.sketch import Most
from unstir.physics import Process
from unstir.train.arrangement import Arrangement, fastest, lies_last
from unstir.train.cluster import Cluster
from unstir.train.config import TrainConfig
from unstir.train.machine import has_fast_bfloat16
from unstir.train.optimizer import USUAL_LR

_IMAGES = 64  # a step
_COMPILES = 60  # minutes of training, from which on it is measured what compiling gains
_MEASURED = 4096  # items that a measured step may be taken from
_PER_COMPONENT = 50  # items for each component of a sketch
_PER_AXIS = 24  # numbers of an item
_ITEMS_PER_AXIS = 64
_NUMBERS = 2**23  # of a sketch, which every checkpoint holds twice
_PAIRS = 2**26  # numbers made of a sketch's axes in pairs


def by_network(config: TrainConfig, kind: str, device: torch.device) -> dict[str, Any]:
    """The optimiser and its steps.

    Args:
        config: as given.
        kind: of network; `custom` for one of the user's own.
        device: that it is trained on.
    """
    fast = has_fast_bfloat16(device) and kind in LARGE_PRODUCTS
    optimizer = config.optimizer
    if optimizer == "auto":
        optimizer = "muon" if kind in FOR_IMAGES else "adam"
    return {
        "network": kind,
        "optimizer": optimizer,
        "batch": _batch(config, kind),
        "lr": USUAL_LR[optimizer] if config.lr is None else config.lr,
        "precision": ("bfloat16" if fast else "float32") if config.precision == "auto" else config.precision,
    }


def _batch(config: TrainConfig, kind: str) -> int:
    """As given, or the usual: fewer images, of which each costs more than all that a step does but once."""
    given = "batch" in config.model_fields_set
    return _IMAGES if not given and kind in FOR_IMAGES else config.batch


def labelled(config: TrainConfig, data: Dataset, process: Process) -> bool:
    """Whether the field learns the data's classes.

    Raises:
        InputError: it should, and they have none.
    """
    if config.labels == "auto":
        return len(data.label_names) > 1 and not process.prior_holds_data
    if config.labels and data.labels is None:
        raise InputError(f"labels=True: data {data.name} have none; leave it out, or give labelled data")
    return config.labels


def sketched(config: TrainConfig, data: Dataset, count: int, process: Process) -> dict[str, Any]:
    """Kind of the sketch, its components and the axes of each, for images where the field takes one.

    Large images vary in more ways than few axes tell: what those leave, a sketch of one floor takes for noise
    of one size. So they have more axes a component and fewer components, at the same number of products.
    Colours differ far less than brightness does, which a floor for each mode tells: there few axes do.

    Args:
        config: as given.
        data: all of them.
        count: how many are for training.
        process: whose field has the sketch.
    """
    if config.teacher is not None:
        return {}  # it has its teacher's
    kinds = field_class(process).sketches
    if not kinds or data.kind != "image":
        return {"sketch": config.sketch or 0}
    floors = config.floors or ("modes" if data.shape[0] > 1 or "one" not in kinds else "one")
    most, size = kinds.get(floors, Most(1, 1)), math.prod(data.shape)
    axes = config.axes
    if axes is None:
        fine = 2 ** round(math.log2(max(size / _PER_AXIS, 1)))
        axes = max(most.axes, min(fine, most.axes * most.finer, count // _ITEMS_PER_AXIS))
    found = {"floors": floors, "axes": axes, "sketch": config.sketch}
    if config.sketch is None:
        fits = min(most.components * most.axes // axes, _NUMBERS // (size * axes))
        if floors == "modes":
            fits = min(fits, _PAIRS // (size * axes * (axes + 1) // 2))
        found["sketch"] = max(1, min(most.components, 1 + count // _PER_COMPONENT, fits))
    return found


def by_machine(
    asked: TrainConfig,
    config: TrainConfig,
    field: LearnedField[Any],
    items: Tensor,
    labels: Tensor | None,
    cluster: Cluster,
) -> dict[str, Any]:
    """Options that say how the machine works fastest, as measured where the user leaves them open.

    Of several processes the leader measures, and all do as it found. Their threads are the launcher's to
    share out, again at each launch; what they share no compiler sees whole, and what lies in parts lies in
    one order.

    Args:
        asked: the configuration as given.
        config: as far as it is known.
        field: prepared, on its device.
        items: of the data, `(n, *shape)` in model units.
        labels: their classes `(n,)`, where the field learns them.
        cluster: the processes that will train.
    """
    device, alone = next(field.parameters()).device, cluster.size == 1
    usual = Arrangement(
        config.precision == "bfloat16",
        is_last(config, device, cluster),
        (config.threads if alone else None) or torch.get_num_threads(),
        bool(config.compile) and alone,
    )
    free = {"threads"} if asked.threads is None and device.type == "cpu" and alone else set()
    if config.network in LARGE_PRODUCTS:
        free |= {"bfloat16"} if asked.precision == "auto" and has_fast_bfloat16(device) else set()
        long = (config.minutes or 0) >= _COMPILES
        free |= {"compiled"} if asked.compile is None and long and alone else set()
    if config.network in CONVOLVING and not cluster.sharded:
        free |= {"channels_last"} if asked.channels_last is None else set()

    def measured() -> Arrangement:
        if config.minutes is None or not free:
            return usual
        label = None if labels is None else labels[:_MEASURED].to(device)
        return fastest(field, items[:_MEASURED].to(device), label, usual, free=free)

    found = cluster.led(measured)
    options: dict[str, Any] = {"precision": "bfloat16" if found.bfloat16 else "float32"}
    if not cluster.sharded:
        options["channels_last"] = found.channels_last
    if alone:
        options["compile"] = found.compiled
        options["threads"] = found.threads if device.type == "cpu" else config.threads
    return options


def is_last(config: TrainConfig, device: torch.device, cluster: Cluster) -> bool:
    """Whether the weights of convolutions lie channels last: as said, as measured, or as usual."""
    if cluster.sharded:
        return False
    return lies_last(config.network, device) if config.channels_last is None else config.channels_last
