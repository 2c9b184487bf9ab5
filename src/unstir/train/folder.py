"""A run folder: what it says of how it was made, so that it can be opened without its data.

config.yaml                 the resolved configuration
data.json                   shape, kind, columns, scaling and digest of the data
kept.safetensors            what the process itself learned of them, where it does: a spectrum, a far plate
checkpoints/step-000123/    see `checkpoint.py`
metrics.jsonl               loss, learning rate and speed, about twice a second
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor, nn

from unstir import physics
from unstir.data import BUILTIN, Augmentation, Dataset, Kind, augmentation, coder_from_dict
from unstir.data.wording import quoted, reason
from unstir.errors import InputError
from unstir.fields import LearnedField, Sketch, build_network, field_class
from unstir.fields.allowance import allowance
from unstir.fields.augmented import Augmented
from unstir.fields.consistency import consistent
from unstir.fields.modalsketch import SKETCHES
from unstir.physics import Process
from unstir.train.checkpoint import weights_size
from unstir.train.config import NO_AUGMENT, TrainConfig, dump_config, make_config, read_config
from unstir.train.storage import write_bytes, write_text

KEPT = "kept.safetensors"
_PART = 4096  # items
ARRAY = "array"  # the name of data that were given in Python


class DataInfo(BaseModel):
    """What a run must know of its data to sample without them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    shape: tuple[Annotated[int, Field(ge=1)], ...]
    columns: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...] | None, ...] = ()
    label_names: tuple[str, ...] = ()  # of the classes that the field was told; empty where it was told none
    label_counts: tuple[Annotated[int, Field(ge=0)], ...] = ()  # training items of each
    label_place: Annotated[int, Field(ge=0)] | None = None  # that the label column had among all columns
    scaling: dict[str, object]
    count: int = Field(ge=1)
    heldout: int = Field(ge=0)
    sha256: str
    kept: str | None = None  # SHA-256 of kept.safetensors

    @model_validator(mode="after")
    def _agree(self) -> DataInfo:
        if len(self.shape) != {"image": 3, "signal": 2}.get(self.kind, 1):
            raise ValueError(f"shape {self.shape} is not that of one {self.kind}")
        if coder_from_dict(self.scaling).holds != self.kind:
            raise ValueError("scaling is not that of the data")
        if len(self.categories) not in (0, len(self.columns)):
            raise ValueError(f"categories of {len(self.categories)} columns for {len(self.columns)} columns")
        if self.label_place is not None and not (self.label_names and self.label_place <= len(self.columns)):
            raise ValueError(f"label_place={self.label_place} is none among the columns")
        _ = self.model_shape  # raises where the scaling is of other items
        trained = self.count - self.heldout if self.label_names else 0
        if len(self.label_names) != len(self.label_counts) or sum(self.label_counts) != trained:
            raise ValueError("label_counts are not those of the training items")
        return self

    @property
    def model_shape(self) -> tuple[int, ...]:
        """The shape of one item in model units: categories take coordinates of their own."""
        return coder_from_dict(self.scaling).model_shape(self.shape)


def write_folder(path: Path, config: TrainConfig, info: DataInfo, process: Process) -> None:
    """Write the files that make a folder a run; where they cannot be written nothing is left.

    Raises:
        InputError: the disk is full or may not be written to.
    """
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    kept = _packed(process)
    try:
        if kept is not None:
            write_bytes(path / KEPT, kept)
        write_text(path / "data.json", info.model_dump_json(indent=1))
        write_text(path / "config.yaml", dump_config(config))
    except BaseException:
        with suppress(OSError):
            (path / "data.json").unlink(missing_ok=True)
            (path / KEPT).unlink(missing_ok=True)
            for folder in made:
                folder.rmdir()
        raise


def read_run_config(path: Path) -> TrainConfig:
    """The configuration of the run in `path`.

    Raises:
        InputError: no run there, or one that is damaged.
    """
    if not (path / "config.yaml").is_file():
        raise InputError(f"run {path}: is no run folder (it has no config.yaml); train one with unstir train")
    try:
        return make_config(read_config(path / "config.yaml"))
    except InputError as error:
        raise InputError(
            f"run {path}: config.yaml cannot be used ({error}); mend it, or train again"
        ) from None


def read_info(path: Path) -> DataInfo:
    """What the run in `path` knows of its data.

    Raises:
        InputError: data.json is missing or damaged.
    """
    try:
        return DataInfo.model_validate_json((path / "data.json").read_bytes())
    except OSError as error:
        raise InputError(
            f"run {path}: data.json cannot be read ({reason(error)}); it is damaged, train it again"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise InputError(
            f"run {path}: data.json is damaged ({place}: {first['msg']}); train it again"
        ) from None


def read_process(path: Path, config: TrainConfig, info: DataInfo) -> Process:
    """The process of the run in `path`, with what it has kept of its data.

    Raises:
        InputError: what it kept is missing, damaged, or not its own.
    """
    process = physics.parse(config.process)
    return process.restored(_read_kept(path, info.kept)) if info.kept is not None else process


def kept_digest(process: Process) -> str | None:
    """SHA-256 of what a process keeps of its data, or None where it keeps nothing."""
    packed = _packed(process)
    return None if packed is None else hashlib.sha256(packed).hexdigest()


def _packed(process: Process) -> bytes | None:
    from safetensors.torch import save

    kept = process.kept()
    return save({name: value.cpu().contiguous() for name, value in kept.items()}) if kept else None


def _read_kept(path: Path, sha256: str) -> Mapping[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        packed = (path / KEPT).read_bytes()
        if hashlib.sha256(packed).hexdigest() != sha256:
            raise InputError(f"run {path}: {KEPT} is damaged (its checksum differs); train it again")
        return load(packed)
    except (OSError, SafetensorError) as error:
        raise InputError(f"run {path}: {KEPT} cannot be read ({reason(error)}); train it again") from None


def make_field(
    config: TrainConfig, info: DataInfo, process: Process, network: nn.Module | None
) -> LearnedField[Any]:
    """The field of a run, with fresh weights that the seed decides.

    Raises:
        InputError: a network of the user's own is missing, or answers in another shape than it should.
    """
    kind = field_class(process)
    sketch = _sketch(config, info, process)
    augment = _checked_augmentation(config, info, process)
    told = 0 if augment is None else augment.width
    if network is None:
        if config.network == "custom":
            raise InputError(
                "network: this run was trained with a module of your own; give it as network=..."
            )
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(config.seed)  # and no other device's
            network = _built(config, len(info.label_names), told, *_sizes(process, info, sketch))
        if told:
            network = Augmented(network)
    elif not isinstance(network, nn.Module) or not any(p.requires_grad for p in network.parameters()):
        raise InputError(f"network: a {type(network).__name__} has nothing to train; give a torch.nn.Module")
    own: dict[str, Any] = {} if sketch is None else {"sketch": sketch}
    field = kind(network, process, shape=info.model_shape, **own)
    field.levels = (config.noise_mean, config.noise_std)
    field.classes = len(info.label_names)
    if config.network == "custom":
        field.check()
    return _OBJECTIVES[config.objective](field)


def reopened(
    path: Path, config: TrainConfig, info: DataInfo, process: Process, network: nn.Module | None
) -> LearnedField[Any]:
    """The field of the run in `path`, for the weights of a checkpoint: no larger than these are.

    Raises:
        InputError: there is no checkpoint, or no such field can be made.
    """
    try:
        with allowance(weights_size(path), path):
            return make_field(config, info, process, network)
    except InputError as error:
        if config.network == "custom" or str(path) in str(error):
            raise
        raise InputError(f"run {path}: cannot be opened ({error})") from None


def _itself(field: LearnedField[Any]) -> LearnedField[Any]:
    return field


# What may be made of a process's field, by the name of its objective.
_OBJECTIVES: dict[str, Callable[[LearnedField[Any]], LearnedField[Any]]] = {
    "denoise": _itself,
    "consistency": consistent,
}


def make_augmentation(config: TrainConfig) -> Augmentation | None:
    """How a run transforms its items, or None where it does not."""
    return None if config.augment == NO_AUGMENT else augmentation(config.augment)


def _checked_augmentation(config: TrainConfig, info: DataInfo, process: Process) -> Augmentation | None:
    """The augmentation of a run, where it can have one."""
    augment = make_augmentation(config)
    if augment is None:
        return None
    why = None
    if info.kind != "image":
        why = f"is for images, and these data are a {info.kind}"
    elif config.network == "custom":
        why = "is not for a network of your own"
    elif not field_class(process).takes_augment(process, told=augment.width > 0):
        why = f"is not for process {process.name}"
    if why is not None:
        raise InputError(f"augment={config.augment}: {why}; leave it out")
    return augment


def _sketch(config: TrainConfig, info: DataInfo, process: Process) -> Sketch | None:
    """The sketch of a run, still to be fitted; none for a run from before there were sketches."""
    if not config.sketch:
        return None
    kinds, kind = field_class(process).sketches, config.floors or "one"
    if not kinds or config.network == "custom":
        raise InputError(
            f"sketch={config.sketch}: is not for process {process.name} with a network {config.network}; "
            "leave it out"
        )
    if kind not in kinds:
        raise InputError(f"floors={kind}: is not for process {process.name}; give {' or '.join(kinds)}")
    # A run of old, whose config.yaml does not say, had the usual axes.
    rank = max(1, min(config.axes or kinds[kind].axes, math.prod(info.model_shape) // 4))
    return SKETCHES[kind](info.model_shape, config.sketch, rank, len(info.label_names))


def _sizes(
    process: Process, info: DataInfo, sketch: Sketch | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of what the network is given, a sketch's answer among it, and of what it answers."""
    given, wanted = field_class(process).sizes(process, info.model_shape)
    return (given if sketch is None else (2 * given[0], *given[1:])), wanted


def digest(data: Dataset, *, labelled: bool = False) -> str:
    """SHA-256 of the values in their order: other data are noticed, and the same ones in another order.

    Args:
        data: the data.
        labelled: whether labels count too.
    """
    found = hashlib.sha256()
    for part in torch.split(data.values, _PART):  # of what lies on disk only a part is read at once
        found.update(part.cpu().contiguous().numpy().data)
    if labelled:
        _add_labels(found, data)
    return found.hexdigest()


def label_digest(data: Dataset) -> str:
    """SHA-256 of the labels in their order and of the classes' names; empty without labels."""
    found = hashlib.sha256()
    _add_labels(found, data)
    return "" if data.labels is None else found.hexdigest()


def _add_labels(found: hashlib._Hash, data: Dataset) -> None:
    if data.labels is not None:
        found.update(data.labels.cpu().contiguous().numpy().data)
        found.update("\0".join(data.label_names).encode("utf-8", "surrogateescape"))


def data_name(name: str) -> str:
    """A built-in name as it is, a path made absolute: what a run remembers of its data."""
    return name if name in BUILTIN else str(Path(name).expanduser().resolve())


def _built(
    config: TrainConfig, classes: int, told: int, given: tuple[int, ...], answer: tuple[int, ...]
) -> nn.Module:
    """The network of a name, or one line of what its options have wrong."""
    if "classes" in config.network_options:
        raise InputError("network_options: classes come from the data's labels; give labels, and no classes")
    if "augment" in config.network_options:
        raise InputError("network_options: augment comes from the option augment; give that, such as edm")
    options = config.network_options | ({"classes": classes} if classes else {})
    try:
        return build_network(config.network, given, options, answer, augment=told)
    except InputError:
        raise
    except (RuntimeError, ValueError, TypeError, ArithmeticError, LookupError) as error:
        raise InputError(
            f"network_options={quoted(config.network_options)}: no {config.network} can be made of them "
            f"({reason(error)})"
        ) from None
