"""A training session: a run folder, its data, and the trainer, from a configuration or from where it stopped.

config.yaml                 the resolved configuration
data.json                   shape, kind, columns and scaling of the data
checkpoints/step-000123/    see `checkpoint.py`
metrics.jsonl               loss, learning rate and speed, about twice a second
"""

from __future__ import annotations

import dataclasses
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from unstir import physics
from unstir.data import Dataset, Scaling
from unstir.data import load as load_data
from unstir.errors import InputError
from unstir.fields import NeuralField, build_network
from unstir.train.checkpoint import load_checkpoint, save_checkpoint
from unstir.train.config import TrainConfig, dump_config, make_config, read_config
from unstir.train.loop import Trainer, TrainStep
from unstir.train.machine import choose_device, choose_threads, has_fast_bfloat16
from unstir.train.objective import denoising_loss
from unstir.train.storage import explained, write_text

_METRICS_EVERY = 0.5  # seconds


class DataInfo(BaseModel):
    """What a run must know of its data to sample without them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = Field(pattern="^(image|table)$")
    shape: tuple[int, ...] = Field(min_length=1, max_length=4)
    columns: tuple[str, ...] = ()
    scaling: dict[str, object]
    count: int = Field(ge=1)
    heldout: int = Field(ge=0)


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
    if (path / "config.yaml").exists():
        raise InputError(f"out {path}: holds a run already; resume it (--resume) or choose another folder")
    process = physics.parse(config.process)
    data = source or load_data(config.data, skip_bad=config.skip_bad)
    kind = "custom" if network is not None else config.network
    if kind == "auto":
        kind = "unet" if data.kind == "image" else "mlp"
    device = choose_device(config.device)
    fast = has_fast_bfloat16(device) and kind == "unet"
    values = config.model_dump() | {
        "data": config.data if source or config.data in _builtin() else str(Path(config.data).resolve()),
        "process": process.name,
        "network": kind,
        "precision": ("bfloat16" if fast else "float32") if config.precision == "auto" else config.precision,
    }
    config = make_config(values)
    session = _assemble(config, path, data, network, device)
    if config.threads is None and device.type == "cpu":
        config = make_config(values | {"threads": _threads(session)})
        session = dataclasses.replace(session, config=config)
    write_text(path / "data.json", session.info.model_dump_json(indent=1))
    write_text(path / "config.yaml", dump_config(config))
    return session


def resume(path: Path, source: Dataset | None = None, network: nn.Module | None = None) -> Session:
    """Go on with the run in `path` from its newest whole checkpoint, exactly as if it had never stopped.

    Raises:
        InputError: no run or no whole checkpoint there, or other data than it began with.
    """
    config = read_run_config(path)
    data = source or load_data(config.data, skip_bad=config.skip_bad)
    session = _assemble(config, path, data, network, choose_device(config.device))
    if session.info != read_info(path):
        raise InputError(f"data {config.data}: are not those that run {path} began with; start a new run")
    checkpoint = load_checkpoint(path)
    session.trainer.restore(checkpoint)
    _cut_metrics(path / "metrics.jsonl", checkpoint.step)
    return dataclasses.replace(session, passed_over=checkpoint.passed_over)


def training(session: Session) -> Iterator[TrainStep]:
    """Train to the end of the budget, or until Ctrl-C, with metrics and checkpoints; one record a step.

    The last thing done is always a whole checkpoint.

    Raises:
        InputError: the disk is full, or training diverged.
    """
    trainer, path = session.trainer, session.path
    saved = noted = time.monotonic()
    at = trainer.step
    with (
        _using_threads(session.config.threads),
        stop_on_interrupt() as interrupted,
        explained(path),
        (path / "metrics.jsonl").open("a") as metrics,
    ):
        for step in trainer:
            now = time.monotonic()
            if now - noted >= _METRICS_EVERY or step.index in (1, step.total):
                rate = (step.index - at) * session.config.batch / max(now - noted, 1e-9)
                noted, at = now, step.index
                line = {
                    "step": step.index,
                    "loss": round(float(step.loss), 6),
                    "lr": step.lr,
                    "seconds": round(step.seconds, 3),
                    "items_per_second": round(rate, 1),
                    "skipped": step.skipped,
                }
                metrics.write(json.dumps(line) + "\n")
                metrics.flush()
            yield step
            if interrupted.is_set():
                break
            if now - saved >= 60 * session.config.checkpoint_minutes:
                save(session)
                saved = time.monotonic()
    save(session)


def save(session: Session) -> Path:
    """Write a checkpoint of where the session stands."""
    trainer = session.trainer
    return save_checkpoint(session.path, trainer.step, trainer.tensors(), trainer.state())


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that a step is never cut in half; a second Ctrl-C interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def read_run_config(path: Path) -> TrainConfig:
    """The configuration of the run in `path`.

    Raises:
        InputError: no run there, or one that is damaged.
    """
    if not (path / "config.yaml").is_file():
        raise InputError(f"run {path}: is no run folder (it has no config.yaml); train one with unstir train")
    return make_config(read_config(path / "config.yaml"))


def read_info(path: Path) -> DataInfo:
    """What the run in `path` knows of its data.

    Raises:
        InputError: data.json is missing or damaged.
    """
    try:
        return DataInfo.model_validate_json((path / "data.json").read_bytes())
    except OSError:
        raise InputError(f"run {path}: has no data.json; it is damaged, train it again") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise InputError(
            f"run {path}: data.json is damaged ({place}: {first['msg']}); train it again"
        ) from None


def make_field(config: TrainConfig, info: DataInfo, network: nn.Module | None) -> NeuralField:
    """The field of a run, with fresh weights that the seed decides.

    Raises:
        InputError: a network of the user's own is missing.
    """
    if network is None:
        if config.network == "custom":
            raise InputError(
                "network: this run was trained with a module of your own; give it as network=..."
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = build_network(config.network, info.shape, config.network_options)
    return NeuralField(network, physics.parse(config.process), shape=info.shape)


def _assemble(
    config: TrainConfig, path: Path, data: Dataset, network: nn.Module | None, device: torch.device
) -> Session:
    train, heldout = data.split(config.holdout, config.seed)
    scaling = Scaling.fit(train)
    info = DataInfo(
        kind=data.kind,
        shape=data.shape,
        columns=data.columns,
        scaling=scaling.to_dict(),
        count=len(data),
        heldout=len(heldout),
    )
    field = make_field(config, info, network).to(device)

    def objective(field: NeuralField, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return denoising_loss(field, batch, generator, mean=config.noise_mean, std=config.noise_std)

    trainer = Trainer(
        config,
        field,
        scaling.to_model(train.values).to(device),
        objective,
        bfloat16=config.precision == "bfloat16",
    )
    return Session(path, config, info, train, heldout, trainer)


def _threads(session: Session) -> int:
    """All threads for a budget in steps, so that it repeats bit for bit; else those that are faster."""
    if session.config.minutes is None:
        return torch.get_num_threads()
    trainer = session.trainer
    batch = trainer.data[: session.config.batch]
    x, t = batch, torch.full((len(batch),), trainer.field.process.t_min)

    @torch.no_grad()
    def forward() -> None:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=trainer.bfloat16):
            trainer.field(x, t)

    return choose_threads(forward)


@contextmanager
def _using_threads(threads: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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


def _builtin() -> tuple[str, ...]:
    from unstir.data import BUILTIN

    return tuple(BUILTIN)
