"""A run: a folder that holds a trained field, and what can be done with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unstir import physics
from unstir.data import Coder, Dataset, Scaling, coder_from_dict
from unstir.data import load as load_data
from unstir.errors import InputError
from unstir.fields import LearnedField
from unstir.flow import Progress, Solver, log_likelihood, sample_steps
from unstir.flow.sampling import gather
from unstir.physics import LinearProcess, Process
from unstir.train.checkpoint import load_checkpoint
from unstir.train.config import TrainConfig, make_config
from unstir.train.folder import (
    ARRAY,
    DataInfo,
    data_name,
    digest,
    make_field,
    read_info,
    read_process,
    read_run_config,
)
from unstir.train.loop import TrainStep
from unstir.train.machine import choose_device
from unstir.train.session import resume as resume_session
from unstir.train.session import start as start_session
from unstir.train.session import training
from unstir.train.storage import explained, json_text, write_text

if TYPE_CHECKING:
    from unstir.measure import Evaluation, FeatureSpace, TextEvaluation

_MODEL_BATCH = 256


@dataclass(frozen=True)
class Run:
    """A trained run.

    Attributes:
        path: its folder.
        config: its configuration.
        info: shape, kind and scaling of its data.
        field: its averaged field, in model units (mean 0, standard deviation ½).
        step: steps trained.
        passed_over: newer checkpoints that do not verify, each with the reason.
    """

    path: Path
    config: TrainConfig
    info: DataInfo
    field: LearnedField[Any]
    step: int
    passed_over: tuple[str, ...] = ()

    @property
    def process(self) -> Process:
        """The run's process."""
        process: Process = self.field.process
        return process

    @cached_property
    def scaling(self) -> Coder:
        """Between the data's units and the model's."""
        return coder_from_dict(self.info.scaling)

    def sample(
        self,
        n: int,
        *,
        solver: Solver[Any] | str | None = None,
        steps: int | None = None,
        seed: int = 0,
        first: int = 0,
        batch: int = _MODEL_BATCH,
        start: Tensor | None = None,
        watch: Callable[[Progress], None] | None = None,
    ) -> Tensor:
        """Draw `n` samples in the data's units: images uint8 `(n, channels, height, width)`, tables float32.

        Args:
            n: how many.
            solver: an object or a specification such as `heun`; by default the first that the process has.
            steps: how many, the last denoising among them; by default the solver's usual number.
            seed: with the sample's index, all that a sample depends on.
            first: index of the first sample.
            batch: how many at once.
            start: `(n, *shape)` in the data's units, to start from in place of the prior, where the process
                can: what is to be restored, or carried from one data set to another.
            watch: called with each step's `Progress`.

        Raises:
            InputError: an argument out of range, or a field that gives values that are not finite.
        """
        device = next(self.field.parameters()).device
        walk = sample_steps(
            self.process,
            self.field,
            n,
            self.info.shape,
            solver=solver,
            steps=steps,
            seed=seed,
            first=first,
            batch=batch,
            start=None if start is None else self.scaling.to_model(start),
            device=device,
        )
        x = self.process.observed(gather(n, walk, watch))
        if not bool(x.isfinite().all()):
            raise InputError(f"run {self.path}: its field gives values that are not finite; train it again")
        return self.scaling.to_data(x)

    def log_likelihood(self, values: Tensor, *, probes: int = 1, seed: int = 0) -> Tensor:
        """log density of `values` (in the data's units) in nats, per item, at t_min, by the probability flow.

        Args:
            values: `(n, *shape)` in the data's units.
            probes: random directions of Hutchinson's estimate.
            seed: of them.

        Raises:
            InputError: the process has no likelihood by a flow.
        """
        process, scaling = self.process, self.scaling
        if not isinstance(process, LinearProcess) or not isinstance(scaling, Scaling):
            raise InputError(f"process {process.name}: has no likelihood by the flow; linear processes do")
        device = next(self.field.parameters()).device
        x = scaling.to_model(values).to(device)
        parts = [
            log_likelihood(process, self.field, part, probes=probes, seed=seed, rtol=1e-4, atol=1e-4)
            for part in torch.split(x, _MODEL_BATCH)
        ]
        scale = torch.tensor(scaling.scale, dtype=torch.float64)
        pixels = x[0].numel() // len(scale)
        # A density per unit of the data, not of the model.
        return torch.cat(parts).cpu() - pixels * scale.log().sum()

    def data(self) -> tuple[Dataset, Dataset]:
        """The (training, held-out) data, read again from where they came.

        Raises:
            InputError: they cannot be read any more, or have changed.
        """
        if self.config.data == ARRAY:
            raise InputError(
                f"data: of run {self.path} were an array in Python; save them, and compare with that file "
                f"(unstir evaluate {self.path} --data FILE)"
            )
        data = load_data(self.config.data, skip_bad=self.config.skip_bad)
        if digest(data) != self.info.sha256:
            raise InputError(f"data {self.config.data}: have changed since run {self.path} was trained")
        return data.split(self.config.holdout, self.config.seed)

    def seen(self, data: Dataset) -> Dataset:
        """Data as the field can give them: what its samples are fairly compared with."""
        return replace(data, values=self.scaling.seen(data.values))

    def evaluate(
        self, n: int = 1000, *, features: str = "pixels", seed: int = 0, steps: int | None = None
    ) -> Evaluation | TextEvaluation:
        """Compare `n` samples with the held-out data, beside a Gaussian fit and real data.

        Args:
            n: samples to draw.
            features: the feature space: `pixels`, `standard`, `pca:K`, `logits`.
            seed: of the samples and the measures.
            steps: of the solver.

        Raises:
            InputError: the data cannot be read any more, none were held out, or an unknown feature space.
        """
        train, heldout = self.data()
        if len(heldout) == 0:
            raise InputError("holdout=0: nothing was held out to compare with; train with holdout above 0")
        samples = self.sample(n, seed=seed, steps=steps)
        return compare(samples, self.seen(train), self.seen(heldout), features=features, seed=seed)


def compare(
    samples: Tensor,
    train: Dataset,
    heldout: Dataset,
    *,
    features: str | FeatureSpace = "pixels",
    seed: int = 0,
) -> Evaluation | TextEvaluation:
    """`measure.evaluate` of samples against held-out data; `measure.evaluate_text` where they are text."""
    from unstir.measure import evaluate, evaluate_text

    if heldout.kind == "text":
        return evaluate_text(samples, heldout.values, train.values, seed)
    return evaluate(
        samples,
        heldout.values,
        train=train.values,
        labels=heldout.labels,
        features=features,
        seed=seed,
    )


def load(
    path: str | Path, *, network: nn.Module | None = None, device: str = "auto", step_weights: str = "ema"
) -> Run:
    """Open a run folder. Nothing in it is executed: tensors are safetensors, the rest is JSON and YAML.

    Args:
        path: the folder.
        network: for a run trained with a module of the user's own, one of the same architecture.
        device: `auto`, `cpu`, `cuda`, `mps`.
        step_weights: `ema` for the averaged weights, `model` for the last ones.

    Raises:
        InputError: no run there, no whole checkpoint, or one of another shape.
    """
    path = Path(path).expanduser()
    if step_weights not in ("ema", "model"):
        raise InputError(f"step_weights={step_weights!r}: give ema or model")
    config, info = read_run_config(path), read_info(path)
    field = make_field(config, info, read_process(path, config, info), network)
    like = field.state_dict()
    checkpoint = load_checkpoint(path, {"model": like, "ema": {**like, "n_averaged": torch.zeros(())}})
    field.load_state_dict({name: checkpoint.tensors[step_weights][name] for name in like})
    field = field.to(choose_device(device)).eval().requires_grad_(requires_grad=False)
    return Run(path, config, info, field, checkpoint.step, checkpoint.passed_over)


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
        network: `mlp`, `unet`, or a module `network(x, noise, label)` of your own.
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
    stem = f"{Path(config.data).stem}-{config.process}".replace(":", "-").replace("=", "").replace(",", "-")
    candidates = itertools.chain([stem], (f"{stem}-{i}" for i in itertools.count(2)))
    return next(root / name for name in candidates if not (root / name).exists())


def write_gallery(
    run: Run, train: Dataset, samples: Tensor, evaluation: Evaluation | TextEvaluation | None
) -> list[Path]:
    """Leave in the run folder: samples, their nearest training images, evaluation.json."""
    from unstir.data import save_samples
    from unstir.measure import nearest_picture

    folder = run.path / "samples"
    made = []
    if run.info.kind == "image":
        made.append(save_samples(folder / "samples.png", samples[:64]))
        with explained(folder / "nearest.png"):
            made.append(nearest_picture(samples[:16], train.values, folder / "nearest.png"))
    elif run.info.kind == "text":
        made.append(save_samples(folder / "samples.txt", samples))
    else:
        made.append(save_samples(folder / "samples.npz", samples))
        if samples.shape[1] == 2:
            made.append(save_samples(folder / "samples.png", samples, columns=run.info.columns))
    if evaluation is not None:
        write_text(run.path / "evaluation.json", json_text(evaluation.to_dict()))
    return made
