"""The configuration of a training run: every option of `unstir train` is a field here, and nothing else is.

The run keeps the resolved one in `config.yaml`, so that the folder alone says how it was made.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from unstir.data.augment import augmentation
from unstir.data.wording import LONGEST, quoted, reason
from unstir.errors import InputError, mended

_TOLD = 8  # faults of a configuration that one line names
_LARGEST = 50_000  # bytes: a configuration has about twenty lines
_DEEPEST = 20
NO_AUGMENT = "none"


class TrainConfig(BaseModel):
    """What is trained, on what, for how long.

    Attributes:
        data: a built-in name or a path.
        partner: a second data set, for a process that carries one to another.
        process: a process with its parameters, such as `poisson:D=128`.
        minutes: the budget in time; the learning rate falls to zero at its end.
        steps: the budget in steps, in place of minutes: exactly repeatable.
        batch: items a step; where it is not given, 64 for images.
        network: `mlp`, `unet`, `dit`, `unet1d`, `transformer`, `custom` (a module given in Python), or
            `auto`: U-Net for images and signals, transformer for text, else MLP; with a size after a colon,
            as `unet:small`, which becomes the option `size`.
        network_options: the network's own.
        labels: whether the field learns each class of the data; `auto` where they have labels and the process
            starts from a prior that has none.
        label_column: of a table, the column whose classes are the labels.
        categorical: of a table, columns of whole numbers that are codes of categories.
        label_dropout: share of the items whose label is withheld, by which the field learns all classes
            together too (Ho & Salimans 2022, algorithm 1).
        sketch: components of the mixture of Gaussians that is the skip path of the field (`Sketch`), 0 for
            none; by default up to 64 for images, and none for others.
        axes: of each component, along which it has a variance of its own; by default 32 for images of up to
            1,000 numbers, more for larger ones.
        floors: what the sketch makes of what its axes leave: noise of `one` size, or a size of its own for
            each of the cosine `modes`, as it is for colours and where the process damps modes apart.
        objective: what the field learns: `denoise`, the posterior mean that every solver walks by, or
            `consistency`, the end of the flow, for samples in one to four evaluations.
        teacher: the run folder that a consistency field is distilled from; by default it learns of the data.
        optimizer: `adam`, `muon` (orthogonal steps for matrices), or `auto`: Muon for images' networks.
        lr: the highest learning rate; by default 2e-3 for Adam and 4e-3 for Muon.
        augment: how images are transformed at random in training: `none`, `flip`, or `edm`, of which the
            network is told, so that samples show none of it (`data/augment.py`).
        warmup: share of the run over which the learning rate rises.
        clip: the gradient's largest norm.
        ema: the averaged weights' width as a share of the run so far (Karras 2024, EDM2, section 3.1).
        precision: of the network's arithmetic; `auto` is bfloat16 for a U-Net where the device has it.
        channels_last: how convolutions' weights lie; by default what is measured faster.
        compile: whether torch.compile works out the network; by default, with a budget of an hour or more,
            where it is measured faster.
        noise_mean: mean of ln(B/A) at which the field is trained.
        noise_std: its standard deviation.
        holdout: share of the data held out for the evaluation.
        seed: of everything random.
        device: `auto`, `cpu`, `cuda`, `mps`.
        threads: of the CPU; by default all there are, or for a budget in minutes what is measured faster.
        checkpoint_minutes: time between checkpoints.
        track: where figures and samples go while it trains: `tensorboard`, `wandb` or `trackio`.
        skip_bad: pass over unreadable files among the data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    data: str
    partner: str | None = None
    process: str = "poisson:D=128"
    minutes: float | None = Field(None, gt=0, le=1e6)
    steps: int | None = Field(None, ge=1, le=10**12)
    batch: int = Field(128, ge=1, le=2**20)
    network: Literal["auto", "mlp", "patch-unet", "unet", "dit", "unet1d", "transformer", "custom"] = "auto"
    network_options: dict[str, Any] = Field(default_factory=dict)
    labels: Literal["auto"] | bool = "auto"
    label_column: str | None = None
    categorical: tuple[str, ...] = ()
    label_dropout: float = Field(0.1, ge=0, lt=1)
    sketch: int | None = Field(None, ge=0, le=4096)
    axes: int | None = Field(None, ge=1, le=4096)
    floors: Literal["one", "modes"] | None = None
    objective: Literal["denoise", "consistency"] = "denoise"
    teacher: str | None = None
    augment: str = NO_AUGMENT
    optimizer: Literal["auto", "adam", "muon"] = "auto"
    lr: float | None = Field(None, gt=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    clip: float = Field(1.0, gt=0)
    ema: float = Field(0.05, gt=0, le=0.25)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    channels_last: bool | None = None
    compile: bool | None = None
    noise_mean: float = Field(-1.2, ge=-20, le=20)
    noise_std: float = Field(1.2, gt=0, le=20)
    holdout: float = Field(0.2, ge=0, lt=1)
    seed: int = Field(0, ge=0, lt=2**63)
    device: str = "auto"
    threads: int | None = Field(None, ge=1, le=1024)
    checkpoint_minutes: float = Field(2.0, gt=0)
    track: Literal["tensorboard", "wandb", "trackio"] | None = None
    skip_bad: bool = False

    @model_validator(mode="before")
    @classmethod
    def _size(cls, values: dict[str, Any]) -> dict[str, Any]:
        """`network: unet:small` as `network: unet` and the option `size: small`."""
        name, options = values.get("network"), values.get("network_options", {})
        if not isinstance(name, str) or ":" not in name or not isinstance(options, dict):
            return values
        name, _, size = name.partition(":")
        if options.get("size", size) != size:
            raise ValueError(f"network={name}:{size}: network_options give size={options['size']}; give one")
        return {**values, "network": name, "network_options": {**options, "size": size}}

    @model_validator(mode="before")
    @classmethod
    def _augmented(cls, values: dict[str, Any]) -> dict[str, Any]:
        """An augmentation by its canonical name."""
        given = values.get("augment", NO_AUGMENT)
        return values if given == NO_AUGMENT else {**values, "augment": augmentation(str(given)).name}

    @field_validator("network_options")
    @classmethod
    def _plain(cls, value: dict[str, Any]) -> dict[str, Any]:
        """What config.yaml gives back: numbers, texts, lists, mappings."""
        try:
            plain: dict[str, Any] = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            raise ValueError('give plain finite values such as {"width": 512}') from None
        return plain

    @model_validator(mode="after")
    def _taught(self) -> TrainConfig:
        if self.teacher is not None and self.objective != "consistency":
            raise ValueError(f"teacher={self.teacher}: is for objective consistency; give both, or none")
        return self

    @model_validator(mode="after")
    def _one_budget(self) -> TrainConfig:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give either minutes or steps")
        return self


def make_config(values: dict[str, Any]) -> TrainConfig:
    """A configuration from plain values.

    Raises:
        InputError: one line that names each field that is wrong, its value and what it should be.
    """
    try:
        return TrainConfig(**values)
    except ValidationError as error:
        raise InputError(_explain(error)) from None


def read_config(path: Path) -> dict[str, Any]:
    """The values in a YAML file.

    Raises:
        InputError: no such file, no YAML, or no mapping of options.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"config {path}: is no file")
        if path.stat().st_size > _LARGEST:
            raise InputError(f"config {path}: is over {_LARGEST // 1000} kB; this is no configuration")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"config {path}: cannot be read ({reason(error)})") from None
    try:
        values = yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        problem = getattr(error, "problem", None) or reason(error)
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"config {path}: is not YAML that can be used ({problem}{line})") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"config {path}: give options as 'name: value' lines")
    return values


class _Loader(yaml.SafeLoader):
    """YAML without aliases, a few of which stand for gigabytes; without deep nesting, which takes time
    quadratic in its depth; and without a key given twice.
    """

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:
        if self.flow_level > _DEEPEST:
            raise yaml.MarkedYAMLError(problem="the nesting is too deep", problem_mark=self.get_mark())
        super().fetch_flow_collection_start(TokenClass)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not taken", problem_mark=self.get_mark())
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                mark = node.value[index][0].start_mark
                raise yaml.MarkedYAMLError(problem=f"{quoted(key)} is given twice", problem_mark=mark)
        return super().construct_mapping(node, deep)


def dump_config(config: TrainConfig) -> str:
    """The configuration as YAML."""
    return yaml.safe_dump(config.model_dump(exclude_none=True), sort_keys=False)


def _explain(error: ValidationError) -> str:
    parts: list[str] = []
    for item in error.errors():
        # After the option come places in a list, and which of a choice of types was tried.
        place = ".".join(str(part) for i, part in enumerate(item["loc"]) if i == 0 or isinstance(part, int))
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(place, TrainConfig.model_fields, 1)
            hint = f"; did you mean {near[0]}?" if near else "."
            name = place if place.isidentifier() and len(place) < LONGEST else quoted(place)
            parts.append(f"{name}: is no option{hint} Known: {', '.join(TrainConfig.model_fields)}")
        elif item["type"] == "missing":
            parts.append(f"{place}: is missing")
        elif place:
            message, named = mended(message), f"{place}={_shown(item['input'])}: "
            if parts and parts[-1].startswith(named):  # a second way in which the value could have been right
                parts[-1] += f", or {message.removeprefix('give ')}"
            else:
                parts.append(f"{named}{message[0].lower()}{message[1:]}")
        else:
            parts.append(message)
    more = len(parts) - _TOLD
    return "; ".join(parts[:_TOLD]) + (f"; and {more} more" if more > 0 else "")


def _shown(value: object) -> str:
    """A value as it may stand in a line, whatever its size."""
    if isinstance(value, float | bool | None) or (isinstance(value, int) and abs(value) < 10**30):
        return repr(value)
    return quoted(value) if isinstance(value, str) else f"a {type(value).__name__}"
