"""What a job draws: a source, the options that decide the samples, and in what form they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unstir import __version__, fingerprint
from unstir.data import Dataset, with_column
from unstir.errors import InputError
from unstir.flow import Progress
from unstir.run import Run
from unstir.untrained import Untrained

Source = Run | Untrained
Watch = Callable[[Progress], None]

_TABLES = (".csv", ".parquet")
_EMPTY: Any = {"image": torch.uint8, "text": torch.int32}


@dataclass(frozen=True)
class Options:
    """What beside the source decides the samples; as in `Run.sample`."""

    label: str | None = None
    guidance: float | None = None
    guidance_interval: tuple[float, float] | None = None
    solver: str | None = None
    steps: int | None = None
    seed: int = 0
    first: int = 0


@dataclass(frozen=True)
class Drawing:
    """`n` samples of a source, of which any range can be drawn.

    Attributes:
        source: a run, or a field that needs no training.
        target: its ending says whether labels are wanted, and how.
        n: how many.
        options: what decides them.
        guide: a weaker run.
        start: `(n, *shape)`, items to start from in place of the prior.
        batch: how many at once.
    """

    source: Source
    target: Path
    n: int
    options: Options
    guide: Run | None = None
    start: Tensor | None = None
    batch: int = 256

    def __post_init__(self) -> None:
        named = [name for name, value in self._guidance().items() if value is not None]
        if named and isinstance(self.source, Untrained):
            raise InputError(f"{named[0]}: is for a trained run; leave it out, or give a run")

    def layout(self) -> Dataset:
        """A data set of none of the samples: kind, shape, names, and whether there are labels.

        Raises:
            InputError: classes that the source does not have.
        """
        info = self.source.info
        labels = self._labels(0, 1)
        dtype = _EMPTY.get(info.kind, torch.float32)
        return self._dataset(
            torch.empty((0, *info.shape), dtype=dtype), None if labels is None else labels[:0]
        )

    def values(self, low: int, high: int, watch: Watch | None = None) -> Tensor:
        """Samples `low … high − 1` of the job, bare."""
        given: dict[str, Any] = {} if self.start is None else {"start": self.start[low:high]}
        given |= {name: value for name, value in self._guidance().items() if value is not None}
        o = self.options
        return self.source.sample(
            high - low,
            label=o.label,
            solver=o.solver,
            steps=o.steps,
            seed=o.seed,
            first=o.first + low,
            batch=self.batch,
            watch=watch,
            **given,
        )

    def named(self, values: Tensor, low: int) -> Dataset:
        """What `values` gave from `low` on, with labels and names."""
        return self._dataset(values, self._labels(low, low + len(values)))

    def record(self) -> dict[str, Any]:
        """What decides the samples, as plain values: two jobs of the same record give the same ones."""
        told = {field.name: getattr(self.options, field.name) for field in fields(self.options)}
        others = {
            "from": None if self.start is None else fingerprint.of_tensor(self.start),
            "guide": None if self.guide is None else self.guide.told(),
        }
        version = {"unstir": __version__}
        return {"source": self.source.told(), "n": self.n, **told, **others, **version}

    def _guidance(self) -> dict[str, Any]:
        o = self.options
        return {"guidance": o.guidance, "guidance_interval": o.guidance_interval, "guide": self.guide}

    def _labels(self, low: int, high: int) -> Tensor | None:
        o, source = self.options, self.source
        labels = source.labels(
            high - low, label=o.label, seed=o.seed, first=o.first + low, given=self.start is not None
        )
        return labels if self._wants_labels else None

    @property
    def _wants_labels(self) -> bool:
        """Files of images are parted by class only where that was asked for."""
        info, suffix = self.source.info, self.target.suffix.lower()
        if suffix in _TABLES and info.kind == "table":
            return info.label_place is not None
        scatter = suffix == ".png" and info.kind == "table"
        by_class = suffix in ("", ".zip") and self.options.label is not None
        return suffix in (".npz", ".parquet") or scatter or by_class

    def _dataset(self, values: Tensor, labels: Tensor | None) -> Dataset:
        source, info = self.source, self.source.info
        names = source.classes if labels is not None else ()
        drawn = Dataset("samples", info.kind, values, labels, names, info.columns, categories=info.categories)
        column = source.label_column
        if labels is None or column is None or info.label_place is None:
            return drawn
        return (
            with_column(drawn, column, info.label_place) if self.target.suffix.lower() in _TABLES else drawn
        )
