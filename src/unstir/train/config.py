"""The configuration of a training run: every option of `unstir train` is a field here, and nothing else is.

The run keeps the resolved one in `config.yaml`, so that the folder alone says how it was made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unstir.errors import InputError


class TrainConfig(BaseModel):
    """What is trained, on what, for how long.

    Attributes:
        data: a built-in name or a path.
        process: a process with its parameters, such as `poisson:D=128`.
        minutes: the budget in time; the learning rate falls to zero at its end.
        steps: the budget in steps, in place of minutes: exactly repeatable.
        batch: items a step.
        network: `mlp`, `unet`, `custom` (a module given in Python), or `auto`: U-Net for images, else MLP.
        network_options: the network's own.
        lr: Adam's highest learning rate.
        warmup: share of the run over which the learning rate rises.
        clip: the gradient's largest norm.
        ema: the averaged weights' width as a share of the run so far (Karras 2024, EDM2, section 3.1).
        precision: of the network's arithmetic; `auto` is bfloat16 for a U-Net where the device has it.
        noise_mean: mean of ln(B/A) at which the field is trained.
        noise_std: its standard deviation.
        holdout: share of the data held out for the evaluation.
        seed: of everything random.
        device: `auto`, `cpu`, `cuda`, `mps`.
        threads: of the CPU; by default all there are, or for a budget in minutes what is measured faster.
        checkpoint_minutes: time between checkpoints.
        skip_bad: pass over unreadable files among the data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    data: str
    process: str = "poisson:D=128"
    minutes: float | None = Field(None, gt=0)
    steps: int | None = Field(None, ge=1)
    batch: int = Field(128, ge=1)
    network: Literal["auto", "mlp", "unet", "custom"] = "auto"
    network_options: dict[str, Any] = Field(default_factory=dict)
    lr: float = Field(2e-3, gt=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    clip: float = Field(1.0, gt=0)
    ema: float = Field(0.05, gt=0, le=0.25)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    noise_mean: float = -1.2
    noise_std: float = Field(1.2, gt=0)
    holdout: float = Field(0.2, ge=0, lt=1)
    seed: int = Field(0, ge=0, lt=2**63)
    device: str = "auto"
    threads: int | None = Field(None, ge=1, le=1024)
    checkpoint_minutes: float = Field(2.0, gt=0)
    skip_bad: bool = False

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
        if path.stat().st_size > 1_000_000:
            raise InputError(f"config {path}: is over 1 MB; this is no configuration")
        values = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"config {path}: cannot be read ({error})") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"config {path}: is not YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"config {path}: give options as 'name: value' lines")
    return values


def dump_config(config: TrainConfig) -> str:
    """The configuration as YAML."""
    return yaml.safe_dump(config.model_dump(exclude_none=True), sort_keys=False)


def _explain(error: ValidationError) -> str:
    parts = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            parts.append(f"{place}: is no option; known: {', '.join(TrainConfig.model_fields)}")
        elif item["type"] == "missing":
            parts.append(f"{place}: is missing")
        elif place:
            parts.append(f"{place}={item['input']!r}: {message[0].lower()}{message[1:]}")
        else:
            parts.append(message)
    return "; ".join(parts)
