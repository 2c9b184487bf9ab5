"""A run: a folder that holds a trained field, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unstir import fingerprint
from unstir.classes import Asked, sample_classes
from unstir.data import Coder, Dataset, coder_from_dict
from unstir.data.items import parted
from unstir.errors import InputError
from unstir.evaluation import compare
from unstir.fields import LearnedField
from unstir.flow import Progress, Solver, sample_steps
from unstir.flow.sampling import gather
from unstir.guidance import guided
from unstir.likelihood import log_density
from unstir.physics import Process
from unstir.train.arrangement import lay, lies_last
from unstir.train.checkpoint import checkpoint_step, load_checkpoint
from unstir.train.config import TrainConfig
from unstir.train.folder import (
    ARRAY,
    DataInfo,
    digest,
    read_info,
    read_process,
    read_run_config,
    reopened,
)
from unstir.train.machine import choose_device
from unstir.train.source import read_data
from unstir.tuning import FILE, chosen_times

if TYPE_CHECKING:
    from unstir.measure import Evaluation, TextEvaluation

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

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that the field was told, in order of number; empty without labels."""
        return self.info.label_names

    @property
    def device(self) -> torch.device:
        """Where the field is."""
        return next(self.field.parameters()).device

    @property
    def label_column(self) -> str | None:
        """Of a table, the column whose classes are the labels."""
        return self.config.label_column

    def told(self) -> dict[str, Any]:
        """The run as plain values; `digest` is of all that its samples depend on."""
        state, tuned = self.field.state_dict(), self.path / FILE
        digest = fingerprint.of_parts(
            self.config.process.encode(),
            self.info.model_dump_json().encode(),
            tuned.read_bytes() if tuned.is_file() else b"",
            *(fingerprint.of_tensor(state[name]).encode() for name in sorted(state)),
        )
        return {"run": self.path.name, "step": self.step, "digest": digest}

    def labels(
        self, n: int, *, label: Asked | None = None, seed: int = 0, first: int = 0, given: bool = False
    ) -> Tensor | None:
        """The classes `(n,)` of the samples that `sample` draws with the same arguments, or None without any.

        Args:
            n: how many.
            label: as in `sample`.
            seed: of the samples.
            first: index of the first sample.
            given: whether samples start from given items: what these are of is not known, so that no class is
                told unless one is named.

        Raises:
            InputError: as in `asked_classes`, or no samples at all.
        """
        drawn = not (given or self.process.prior_holds_data)
        return sample_classes(
            label, self.classes, self.info.label_counts, n, seed=seed, first=first, drawn=drawn
        )

    def sample(
        self,
        n: int,
        *,
        label: Asked | None = None,
        guidance: float | None = None,
        guidance_interval: tuple[float, float] | None = None,
        guide: Run | None = None,
        solver: Solver[Any] | str | None = None,
        steps: int | None = None,
        times: Sequence[float] | str | None = None,
        seed: int = 0,
        first: int = 0,
        batch: int = _MODEL_BATCH,
        start: Tensor | None = None,
        watch: Callable[[Progress], None] | None = None,
    ) -> Tensor:
        """Draw `n` samples in the data's units: images uint8 `(n, channels, height, width)`, tables float32.

        Args:
            n: how many.
            label: the class, by number or name; several names with commas between, `all` for each class in
                turn, or a sequence of one a sample; `none` for all classes together. By default classes are
                drawn with the shares that they have among the training data.
            guidance: w: above 1 samples are more of their class than the data's, and less varied (classifier-
                free guidance). With `guide` it says how far from that run they go, 2 by default.
            guidance_interval: noise levels B/A between which to guide: above the first, up to the second.
            guide: a run on the same data that knows less, by its size or its steps (autoguidance).
            solver: an object or a specification such as `heun`; by default the first that the process has.
            steps: how many, the last denoising among them; by default the solver's usual number.
            times: falling from t_max, in place of `steps`; by default those that `unstir tune` kept for this
                solver and so many steps, else the solver's own; `usual` for these in any case.
            seed: with the sample's index, all that a sample depends on.
            first: index of the first sample.
            batch: how many at once.
            start: `(n, *shape)` in the data's units, to start from in place of the prior, where the process
                can: what is to be restored, or carried from one data set to another.
            watch: called with each step's `Progress`.

        Raises:
            InputError: an argument out of range, or a field that gives values that are not finite.
        """
        walk = self.sample_steps(
            n,
            label=label,
            guidance=guidance,
            guidance_interval=guidance_interval,
            guide=guide,
            solver=solver,
            steps=steps,
            times=times,
            seed=seed,
            first=first,
            batch=batch,
            start=start,
        )
        x = self.process.observed(gather(n, walk, watch))
        if not bool(x.isfinite().all()):
            raise InputError(f"run {self.path}: its field gives values that are not finite; train it again")
        return self.scaling.to_data(x)

    def sample_steps(
        self,
        n: int,
        *,
        label: Asked | None = None,
        guidance: float | None = None,
        guidance_interval: tuple[float, float] | None = None,
        guide: Run | None = None,
        solver: Solver[Any] | str | None = None,
        steps: int | None = None,
        times: Sequence[float] | str | None = None,
        seed: int = 0,
        first: int = 0,
        batch: int = _MODEL_BATCH,
        start: Tensor | None = None,
    ) -> Iterator[Progress]:
        """Every step of every batch of `sample`, which has the same arguments, in model units.

        Raises:
            InputError: an argument out of range.
        """
        labels = self.labels(n, label=label, seed=seed, first=first, given=start is not None)
        return sample_steps(
            self.process,
            guided(self, guidance, guidance_interval, guide, labels),
            n,
            self.info.model_shape,
            solver=solver,
            steps=steps,
            times=chosen_times(self, solver, steps, times),
            seed=seed,
            first=first,
            batch=batch,
            label=labels,
            start=None if start is None else self.scaling.to_model(start),
            device=self.device,
        )

    def check_knows_all(self, what: str) -> None:
        """Refuse where the field was never told of all classes together, as `what` needs."""
        if self.classes and not self.config.label_dropout:
            raise InputError(
                f"{what}: the run was trained with label_dropout=0, and does not know all classes together; "
                "give a label, and no guidance without a guide"
            )

    def log_likelihood(
        self, values: Tensor, *, label: Asked | None = None, probes: int = 1, seed: int = 0
    ) -> Tensor:
        """log density of `values` (in the data's units) in nats, per item, at t_min, by the probability flow.

        Args:
            values: `(n, *shape)` in the data's units.
            label: as in `sample`: the density given the class; by default that of all classes together.
            probes: random directions of Hutchinson's estimate.
            seed: of them.

        Raises:
            InputError: the process has no likelihood.

        `unstir.likelihood.likelihood` gives bits per dimension with their error.
        """
        return log_density(self, values, label=label, probes=probes, seed=seed)

    def data(self) -> tuple[Dataset, Dataset]:
        """The (training, held-out) data, read again from where they came; of a large set a sample of each.

        Raises:
            InputError: they cannot be read any more, or have changed.
        """
        if self.config.data == ARRAY:
            raise InputError(
                f"data: of run {self.path} were an array in Python; save them, and compare with that file "
                f"(unstir evaluate {self.path} --data FILE)"
            )
        data, _ = read_data(self.config)
        if digest(data, labelled=bool(self.classes)) != self.info.sha256:
            raise InputError(f"data {self.config.data}: have changed since run {self.path} was trained")
        return parted(data, self.config.holdout, self.config.seed).sets

    def seen(self, data: Dataset) -> Dataset:
        """Data as the field can give them: what its samples are fairly compared with."""
        return replace(data, values=self.scaling.seen(data.values))

    def evaluate(
        self,
        n: int = 1000,
        *,
        features: str = "pixels",
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        guide: Run | None = None,
    ) -> Evaluation | TextEvaluation:
        """Compare `n` samples with the held-out data, beside a Gaussian fit and real data.

        Args:
            n: samples to draw.
            features: the feature space: `pixels`, `standard`, `pca:K`, `logits`.
            seed: of the samples and the measures.
            steps: of the solver.
            guidance: as in `sample`; classes have the shares of the training data.
            guide: as in `sample`.

        Raises:
            InputError: the data cannot be read any more, none were held out, or an unknown feature space.
        """
        train, heldout = self.data()
        if len(heldout) == 0:
            raise InputError("holdout=0: nothing was held out to compare with; train with holdout above 0")
        samples = self.sample(n, seed=seed, steps=steps, guidance=guidance, guide=guide)
        return compare(
            samples,
            self.seen(train),
            self.seen(heldout),
            features=features,
            seed=seed,
            asked=self.labels(n, seed=seed),
            names=self.classes,
        )

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write what sampling needs into a new folder, with a model card; `from_pretrained` opens it.

        Raises:
            InputError: a folder that holds something, or a full disk.
        """
        from unstir.interop import export

        return export(self, folder, "hub")

    def push_to_hub(self, repository: str, **options: Any) -> str:  # noqa: ANN401  # huggingface_hub's
        """Upload what `save_pretrained` writes to the Hugging Face hub; give the commit's address.

        Args:
            repository: `owner/name`; made where there is none.
            options: huggingface_hub's own, such as `private`, `token`, `commit_message`.
        """
        from unstir.interop.hub import HubRun

        return str(HubRun.of(self, repository).push_to_hub(repository, **options))

    @staticmethod
    def from_pretrained(name: str | Path, **options: Any) -> Run:  # noqa: ANN401  # huggingface_hub's
        """A run from a folder, or by `owner/name` from the Hugging Face hub.

        Args:
            name: see there.
            options: huggingface_hub's own, such as `revision`, `token`, `local_files_only`.

        Raises:
            InputError: what is there is no run, or damaged.
        """
        from unstir.interop.hub import HubRun

        found: Run = HubRun.from_pretrained(str(name), **options).run
        return found


def load(
    path: str | Path, *, network: nn.Module | None = None, device: str = "auto", step_weights: str = "ema"
) -> Run:
    """Open a run folder. Nothing in it is executed: tensors are safetensors, the rest is JSON and YAML.

    Args:
        path: the folder; one of its `checkpoints/step-…` for the run as it was then.
        network: for a run trained with a module of the user's own, one of the same architecture.
        device: `auto`, `cpu`, `cuda`, `mps`.
        step_weights: `ema` for the averaged weights, `model` for the last ones.

    Raises:
        InputError: no run there, no whole checkpoint, or one of another shape.
    """
    path = Path(path).expanduser()
    step = checkpoint_step(path)
    path = path if step is None else path.resolve().parent.parent
    if step_weights not in ("ema", "model"):
        raise InputError(f"step_weights={step_weights!r}: give ema or model")
    config, info = read_run_config(path), read_info(path)
    field = reopened(path, config, info, read_process(path, config, info), network)
    like = field.state_dict()
    tensors = {"model": like, "ema": {**like, "n_averaged": torch.zeros(())}}
    checkpoint = load_checkpoint(path, tensors, step)
    field.load_state_dict({name: checkpoint.tensors[step_weights][name] for name in like})
    where = choose_device(device)
    field = field.to(where).eval().requires_grad_(requires_grad=False)
    if lies_last(config.network, where):
        lay(field, channels_last=True)
    return Run(path, config, info, field, checkpoint.step, checkpoint.passed_over)
