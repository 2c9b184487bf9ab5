"""The training loop: a generator of `TrainStep` records, the same for every process.

Data order is a function of (seed, epoch, position), random numbers come from generators whose states are
kept, and the learning rate depends on step/total: resuming equals never having stopped.

The host reads nothing of a step from the device within it. Whether a step counts is decided there
(`gate.py`), figures come some steps late (`watch.Rows`), and random numbers, which are drawn on the CPU so
that they are the same on every device, are drawn while the device works on the step before. The host waits
only so as not to run far ahead, and before a checkpoint and at the end, for all; this counts as training.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unstir.data.items import Items
from unstir.errors import InputError
from unstir.fields import LearnedField
from unstir.fields.augmented import core, telling
from unstir.moving import sent
from unstir.train.average import Average
from unstir.train.budget import Budget
from unstir.train.checkpoint import Checkpoint, Tensors
from unstir.train.cluster import Cluster
from unstir.train.config import TrainConfig
from unstir.train.folder import make_augmentation
from unstir.train.gate import Gate
from unstir.train.machine import memory_explained
from unstir.train.optimizer import USUAL_LR, Optimizer
from unstir.train.sharding import gathered, placed, shard, whole
from unstir.train.watch import Rows, Watch


@dataclass(frozen=True, slots=True)
class Arrived:
    """Figures of the newest step of which the host has them.

    Attributes:
        index: of that step; on a CPU the one just done, on other devices one up to 63 steps before.
        loss: of its batch; None before the first of a session.
        skipped: steps until then that changed nothing.
    """

    index: int
    loss: float | None
    skipped: int


@dataclass(frozen=True, slots=True)
class TrainStep:
    """One optimiser step.

    Attributes:
        index: steps done, from 1.
        total: steps planned, 0 while the machine's speed is being measured.
        loss: the batch's mean loss, a scalar tensor; reading it waits for the device, in time that no budget
            counts.
        lr: the learning rate.
        seconds: since training began, over all sessions.
        skips: steps so far that changed nothing, a scalar tensor.
        arrived: what is known without waiting; of the last step all.
    """

    index: int
    total: int
    loss: Tensor
    lr: float
    seconds: float
    skips: Tensor
    arrived: Arrived

    @property
    def skipped(self) -> int:
        """Steps so far whose gradient was not finite, or a spike; reading it waits for the device."""
        return int(self.skips)


class Trainer:
    """A field with its optimiser, averaged weights and generators.

    Args:
        config: the run's configuration.
        field: what to train, on its device, with its own loss.
        data: the training items in model units, `(n, *shape)`, that come on the same device when indexed.
        labels: their class numbers `(n,)`, int64, on the same device, or None.
        bfloat16: whether the network's arithmetic is autocast.
        cluster: the processes that train it together; this one alone by default.
    """

    def __init__(
        self,
        config: TrainConfig,
        field: LearnedField[Any],
        data: Tensor | Items,
        labels: Tensor | None = None,
        *,
        bfloat16: bool,
        cluster: Cluster | None = None,
    ) -> None:
        self.config = config
        self.field = field
        self.data = data
        self.labels = labels
        self.bfloat16 = bfloat16
        self.cluster = cluster or Cluster()
        self.step = self._noted = 0
        device = next(field.parameters()).device
        self.gate, self.watch, self._rows = Gate(device), Watch(), Rows(device)
        self._loss: float | None = None
        seconds = None if config.minutes is None else 60 * config.minutes
        self.budget = Budget(seconds, config.steps or 0)
        # A run of old, whose config.yaml does not say, had Adam.
        name = "adam" if config.optimizer == "auto" else config.optimizer
        self.average = Average(field, config.ema)
        if self.cluster.sharded:
            for each in (field, self.average.module):
                shard(core(each))
        self.optimizer = Optimizer(field.parameters(), name)
        self.highest = USUAL_LR[name] if config.lr is None else config.lr
        self.augment = make_augmentation(config)
        self.generator = torch.Generator().manual_seed(config.seed)
        self._randomness = _Randomness(config.seed, data.device, self.cluster.rank)
        self._order: tuple[int, Tensor] | None = None

    def __iter__(self) -> Iterator[TrainStep]:
        """Train until the budget is spent."""
        self.field.train()
        while not self.budget.done(self.step):
            start = time.perf_counter()
            lr = self._learning_rate()
            with (
                self._randomness.installed(),
                memory_explained(
                    f"batch={self.config.batch}: a step does not fit into the memory of {self.data.device}",
                    "give a smaller batch or network",
                ),
            ):
                loss = self._train_step(lr)
            self.step += 1
            last = self.budget.done(self.step)
            self._note(self._rows.all() if last else self._rows.arrived())
            self.budget.update(self.step, self._since(start))
            arrived = Arrived(self._noted, self._loss, self.watch.skipped)
            spent, skipped = self.budget.spent, self.gate.skipped
            yield TrainStep(self.step, self.budget.total, loss, lr, spent, skipped, arrived)

    def _train_step(self, lr: float) -> Tensor:
        items, label = self._batch()
        items, condition = self._transformed(items)
        self.field.progress = self.budget.progress(self.step)
        with (
            telling(self.field, condition),
            self.cluster.sharing(core(self.field)),
            torch.autocast(items.device.type, torch.bfloat16, enabled=self.bfloat16),
        ):
            loss = self.field.loss(items, self.generator, label)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.cluster.sum_gradients(core(self.field))
        norm = gathered(nn.utils.clip_grad_norm_(self.field.parameters(), self.config.clip, foreach=True))
        made = self.gate.takes(norm)
        self.optimizer.step(lr, made)
        self.average.update(self.field, made)
        loss = loss.detach()
        self._rows.add([value.to(self.gate.dtype) for value in (loss, norm, made)])
        return loss

    def _since(self, start: float) -> float:
        """Seconds since `start` by the leader's clock: clocks differ, and the plan must not."""
        (elapsed,) = self.cluster.told(time.perf_counter() - start)
        return elapsed

    def _note(self, rows: Iterator[list[float]]) -> None:
        """What the host makes of the figures of steps that have arrived.

        Raises:
            InputError: the training has diverged.
        """
        for loss, norm, made in rows:
            # Losses differ among processes by rounding, and the verdict must not.
            (told,) = self.cluster.told(loss)
            self.watch.note(told, finite=math.isfinite(norm), made=bool(made))
            self._noted, self._loss = self._noted + 1, told
            if why := self.watch.verdict():
                raise InputError(
                    f"training diverged: {why}, at step {self._noted}; lower lr (now {self.highest:g}), "
                    "raise warmup or use precision float32"
                )

    def _learning_rate(self) -> float:
        """Rising over the warm-up, then falling as a half cosine to zero."""
        done, warmup = self.budget.progress(self.step), self.config.warmup
        if done < warmup:
            # While the total is unknown the rise goes by a hundred steps.
            rise = done / warmup if self.budget.total else min(self.step / 100, 1) * 0.2
            return self.highest * max(rise, 0.01)
        return self.highest * max(0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))), 1e-3)

    def _batch(self) -> tuple[Tensor, Tensor | None]:
        """The items of this step and their labels, some of them withheld."""
        index = self._indices()
        label = None if self.labels is None else self._withheld(self.labels[sent(index, self.labels.device)])
        # Items know where theirs lie; it may be the host.
        where = index if isinstance(self.data, Items) else sent(index, self.data.device)
        return self.data[where], label

    def _transformed(self, items: Tensor) -> tuple[Tensor, Tensor | None]:
        """The items as this step learns them, and what tells it how they were transformed."""
        return (items, None) if self.augment is None else self.augment.apply(items, self.generator)

    def _withheld(self, label: Tensor) -> Tensor:
        """Labels, a share of them made "none": the field learns the law of all classes together too."""
        dropped = torch.rand(len(label), generator=self.generator) < self.config.label_dropout
        return label.masked_fill(sent(dropped, label.device), self.field.classes)

    def _indices(self) -> Tensor:
        """The items of this step: the next `batch` positions of the epochs laid end to end."""
        n = len(self.data)
        # What a step needs beyond its batch, such as the charges of a field, are different items.
        wanted = min(self.field.items(self.config.batch), max(n, self.config.batch))
        start, parts = self.step * wanted, list[Tensor]()
        while wanted:
            epoch, position = divmod(start, n)
            part = self._epoch(epoch)[position : position + wanted]
            parts.append(part)
            start, wanted = start + len(part), wanted - len(part)
        return torch.cat(parts)

    def _epoch(self, epoch: int) -> Tensor:
        if self._order is None or self._order[0] != epoch:
            seed = (self.config.seed * 1_000_003 + epoch) % 2**63
            order = torch.randperm(len(self.data), generator=torch.Generator().manual_seed(seed))
            self._order = (epoch, order)
        return self._order[1]

    @property
    def skipped(self) -> int:
        """Steps so far that changed nothing."""
        return int(self.gate.skipped)

    def tensors(self) -> Tensors:
        """All that a checkpoint keeps as tensors."""
        averaged = {k.removeprefix("module."): v for k, v in self.average.state_dict().items()}
        generators = {"train": self.generator.get_state(), **self._randomness.states}
        return {
            "model": whole(self.field.state_dict()),
            "ema": whole(averaged),
            "optimizer": whole(self.optimizer.tensors()),
            "generators": generators,
        }

    def expected(self) -> Tensors:
        """Tensors of the names and shapes that a checkpoint of this run has."""
        tensors = self.tensors()
        tensors["optimizer"] = self.optimizer.expected()
        return tensors

    def state(self) -> dict[str, float | None]:
        """All that a checkpoint keeps as plain values; all of a cluster ask for them together.

        Raises:
            InputError: the training has diverged.
        """
        start = time.perf_counter()
        self._note(self._rows.all())
        self.budget.spent += self._since(start)
        self.watch.size = float(self.gate.size)
        return {
            "seconds": self.budget.seconds,
            "total": self.budget.total,
            "spent": self.budget.spent,
            **self.watch.state(),
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on where a checkpoint stopped.

        Raises:
            InputError: it is of another network, optimiser or device.
        """
        tensors = checkpoint.tensors
        try:
            averaged = {k if k == "n_averaged" else f"module.{k}": v for k, v in tensors["ema"].items()}
            for module, values in ((self.field, tensors["model"]), (self.average, averaged)):
                like = module.state_dict()
                module.load_state_dict({k: placed(v, like[k]) for k, v in values.items()})
            self.optimizer.restore(tensors["optimizer"])
            self.generator.set_state(tensors["generators"]["train"])
            states = {name: tensors["generators"][name] for name in self._randomness.states}
            self._randomness.restore(states, checkpoint.step)
            # Where config.yaml was given another budget since, that one counts.
            if self.budget.seconds is not None and self.budget.seconds == checkpoint.state["seconds"]:
                self.budget.total = int(checkpoint.state["total"])
            self.budget.spent = float(checkpoint.state["spent"])
            self.watch.restore(checkpoint.state)
            watch = self.watch
            self.gate.restore(size=watch.size, steps=watch.steps, skipped=watch.skipped)
        except (KeyError, ValueError, TypeError, RuntimeError, OverflowError) as error:
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            raise InputError(
                f"checkpoint at step {checkpoint.step}: does not fit this run ({reason}); start a new run"
            ) from None
        self.step = self._noted = checkpoint.step


class _Randomness:
    """torch's own generators as this run sees them: what dropout draws from, seeded, and nobody else's.

    Attributes:
        states: by name: `torch`, and `cuda` on such a device.
    """

    def __init__(self, seed: int, device: torch.device, rank: int = 0) -> None:
        self._seed, self._rank = seed, rank
        self._cuda = [device] if device.type == "cuda" else []
        self.states = self._seeded(seed if rank == 0 else self._apart(0))

    def restore(self, states: dict[str, Tensor], step: int) -> None:
        """Go on from a checkpoint's states at `step`, which are those of the process of rank 0."""
        self.states = states if self._rank == 0 else self._seeded(self._apart(step))

    def _apart(self, step: int) -> int:
        """A seed that no other process of a cluster has: each drops out otherwise."""
        return ((self._seed * 1_000_003 + step) * 1_000_003 + self._rank) % 2**63

    def _seeded(self, seed: int) -> dict[str, Tensor]:
        states = {"torch": torch.Generator().manual_seed(seed).get_state()}
        for device in self._cuda:
            states["cuda"] = torch.Generator(device).manual_seed(seed).get_state()
        return states

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Torch draws from these states within the block, and from the caller's again after it."""
        with torch.random.fork_rng(devices=self._cuda, device_type="cuda" if self._cuda else None):
            torch.set_rng_state(self.states["torch"])
            for device in self._cuda:
                torch.cuda.set_rng_state(self.states["cuda"], device)
            yield
            self.states = {"torch": torch.get_rng_state()}
            for device in self._cuda:
                self.states["cuda"] = torch.cuda.get_rng_state(device)
