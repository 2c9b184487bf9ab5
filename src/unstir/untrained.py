"""Samples without any training: a process, a data set, and a field computed from the data themselves.

`exact` takes the field of the finite data set, which gives the data back; `local` that of its patches, which
makes new images of them. What is drawn is drawn as a run draws it: by the same solvers, from the same seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unstir import fingerprint, physics
from unstir.classes import Asked, sample_classes
from unstir.data import Coder, Dataset, coder_from_dict, measurable, with_categories, with_labels
from unstir.data import load as load_data
from unstir.data.items import model_units, spaced
from unstir.errors import InputError
from unstir.fields import ExactField, Field
from unstir.fields.exact import Precision
from unstir.flow import Progress, Solver, sample_steps
from unstir.flow.sampling import gather
from unstir.physics import LinearProcess
from unstir.train.folder import DataInfo, digest
from unstir.train.machine import choose_device

if TYPE_CHECKING:
    from unstir.measure.memorisation import Memorisation

Data = str | Path | Tensor | Dataset | Any
# (process, items in model units, class numbers or None) -> field
MakeField = Callable[[LinearProcess, Tensor, Tensor | None], Field]

_YARDSTICK = 1000  # items whose nearest others say how far apart the data lie


@dataclass(frozen=True)
class Untrained:
    """A process and a field that needs no training: what a run is to a network.

    Attributes:
        process: prepared on the data.
        field: in model units (mean 0, standard deviation ½).
        info: shape, kind, columns, classes and scaling of the data, as a run keeps them.
        data: the data that make the field.
        device: where the field is.
        label_column: of a table, the column whose classes are the labels.
    """

    process: LinearProcess
    field: Field
    info: DataInfo
    data: Dataset
    device: torch.device
    label_column: str | None = None

    @cached_property
    def scaling(self) -> Coder:
        """Between the data's units and the model's."""
        return coder_from_dict(self.info.scaling)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the data's classes, in order of number; empty without labels."""
        return self.info.label_names

    def told(self) -> dict[str, Any]:
        """As plain values; `digest` is of all that the samples depend on."""
        field = type(self.field).__name__
        digest = fingerprint.of_parts(
            field.encode(), self.process.name.encode(), self.info.model_dump_json().encode()
        )
        return {"field": field, "data": self.data.name, "digest": digest}

    def check_knows_all(self, what: str) -> None:
        """As `Run.check_knows_all`: a field made of data knows all their classes together."""

    def labels(
        self, n: int, *, label: Asked | None = None, seed: int = 0, first: int = 0, given: bool = False
    ) -> Tensor | None:
        """The classes `(n,)` of the samples that `sample` draws with the same arguments, or None without any.

        Args:
            n: how many.
            label: as in `sample`.
            seed: of the samples.
            first: index of the first sample.
            given: whether samples start from given items, whose class is not known.

        Raises:
            InputError: as in `asked_classes`, data without labels, or no samples at all.
        """
        if label is not None and self.process.prior_holds_data:
            raise InputError(
                f"label={label}: process {self.process.name} starts from data of all classes together; "
                "leave it out"
            )
        if label is not None and not self.classes:
            raise InputError(f"label={label}: data {self.data.name} have no labels; leave it out")
        drawn = not (given or self.process.prior_holds_data)
        return sample_classes(
            label, self.classes, self.info.label_counts, n, seed=seed, first=first, drawn=drawn
        )

    def sample(
        self,
        n: int,
        *,
        label: Asked | None = None,
        solver: Solver[Any] | str | None = None,
        steps: int | None = None,
        seed: int = 0,
        first: int = 0,
        batch: int = 256,
        start: Tensor | None = None,
        watch: Callable[[Progress], None] | None = None,
    ) -> Tensor:
        """Draw `n` samples in the data's units: images uint8 `(n, channels, height, width)`, tables float32.

        Args:
            n: how many.
            label: the class, as in `Run.sample`; by default drawn with the shares that classes have.
            solver: an object or a specification such as `heun`; by default the first that the process has.
            steps: how many, the last denoising among them; by default the solver's usual number.
            seed: with the sample's index, all that a sample depends on.
            first: index of the first sample.
            batch: how many at once.
            start: `(n, *shape)` in the data's units, to start from in place of the prior, where the process
                can.
            watch: called with each step's `Progress`.

        Raises:
            InputError: an argument out of range.
        """
        walk = sample_steps(
            self.process,
            self.field,
            n,
            self.info.model_shape,
            solver=solver,
            steps=steps,
            seed=seed,
            first=first,
            batch=batch,
            label=self.labels(n, label=label, seed=seed, first=first, given=start is not None),
            start=None if start is None else self.scaling.to_model(start),
            device=self.device,
        )
        x = self.process.observed(gather(n, walk, watch))
        if not bool(x.isfinite().all()):
            raise InputError(
                f"process {self.process.name}: values are not finite; take more or smaller steps"
            )
        return self.scaling.to_data(x)

    def nearest(self, samples: Tensor) -> Memorisation:
        """How new samples are: their distance to the nearest item of the data, over that between the data.

        The yardstick is the distance of a tenth of the data, up to 1000 items, to the nearest of the others:
        as far as an item that was never seen lies. 0 copies, 1 as new as that.

        Args:
            samples: in the data's units.

        Raises:
            InputError: samples of another shape, or data of a single item.
        """
        from unstir.measure.memorisation import Memorisation, nearest

        if len(self.data) < 2:
            raise InputError(
                f"data {self.data.name}: has one item; two are needed to say how far apart they lie"
            )
        known = measurable(self.data, self.data).values
        given = measurable(self.data.holding(samples.cpu()), self.data).values
        apart = spaced(len(known), max(1, min(_YARDSTICK, len(known) // 10)))
        rest = torch.ones(len(known), dtype=torch.bool)
        rest[apart] = False
        ours, theirs = nearest(given, known)[1], nearest(known[apart], known[rest])[1].median()
        share = float((ours < theirs).double().mean())
        return Memorisation(float(ours.median() / theirs) if theirs > 0 else None, share)


def exact(
    process: LinearProcess | str,
    data: Data,
    *,
    limit: int | None = None,
    device: str = "auto",
    labels: bool = True,
    label_column: str | None = None,
    categorical: Sequence[str] = (),
    skip_bad: bool = False,
    precision: Precision = "float32",
) -> Untrained:
    """The exact field of a data set, with which sampling gives the data back.

    Args:
        process: a linear process, as an object or a specification such as `poisson:D=128`.
        data: a built-in name, a path, an array or a tensor: see `unstir.data.load`.
        limit: take so many items of them at most, evenly spaced; all by default.
        device: `auto`, `cpu`, `cuda`, `mps`.
        labels: whether the data's classes count, where they have any: a sample is then of one class.
        label_column: of a table, the column whose classes are the labels.
        categorical: of a table, columns of whole numbers that are codes of categories.
        skip_bad: pass over images that cannot be read.
        precision: `float32`, or `bfloat16` for half the time at high noise, with an error of about 1e-3.

    Raises:
        InputError: a process that is not linear, bad data, or an option that does not fit them.
    """
    return untrained(
        partial(ExactField.of_classes, precision=precision),
        process,
        data,
        limit=limit,
        device=device,
        labels=labels,
        label_column=label_column,
        categorical=categorical,
        skip_bad=skip_bad,
    )


def local(
    process: LinearProcess | str,
    data: Data,
    *,
    limit: int | None = None,
    device: str = "auto",
    labels: bool = True,
    skip_bad: bool = False,
) -> Untrained:
    """The field of the data's patches, with which sampling makes new images without any training.

    Args:
        process: as in `exact`.
        data: images, as in `exact`.
        limit: as in `exact`.
        device: as in `exact`.
        labels: as in `exact`.
        skip_bad: as in `exact`.

    Raises:
        InputError: as in `exact`, or data that are not images.
    """
    from unstir.fields.local import LocalField

    return untrained(LocalField, process, data, limit=limit, device=device, labels=labels, skip_bad=skip_bad)


def untrained(
    make: MakeField,
    process: LinearProcess | str,
    data: Data,
    *,
    limit: int | None = None,
    device: str = "auto",
    labels: bool = True,
    label_column: str | None = None,
    categorical: Sequence[str] = (),
    skip_bad: bool = False,
) -> Untrained:
    """Read the data, prepare the process on them and `make` the field: what `exact` and `local` share."""
    parsed = physics.parse(process) if isinstance(process, str) else process
    if not isinstance(parsed, LinearProcess):
        raise InputError(
            f"process {parsed.name}: has no field of this kind, linear processes do; give one such as edm or "
            "poisson:D=128, or train a run"
        )
    source = with_categories(load_data(data, skip_bad=skip_bad), tuple(categorical))
    place = None
    if label_column is not None:
        labelled = with_labels(source, label_column)
        source, place = labelled, source.columns.index(label_column)
    if limit is not None:
        if limit < 1:
            raise InputError(f"limit={limit}: at least one item is needed; give 1 or more")
        source = source.select(spaced(len(source), limit))
    where = choose_device(device)
    coder = parsed.coder(source)
    items = model_units(coder, source.values)
    told = source.labels if labels and len(source.label_names) > 1 and not parsed.prior_holds_data else None
    prepared = parsed.prepared(items)
    if not isinstance(prepared, LinearProcess):
        raise TypeError(f"process {parsed.name}: is no linear process any more once it is prepared")
    field = make(prepared, items.to(where), None if told is None else told.to(where))
    names = () if told is None else source.label_names
    counts = () if told is None else torch.bincount(told, minlength=len(names)).tolist()
    info = DataInfo(
        kind=source.kind,
        shape=source.shape,
        columns=source.columns,
        categories=source.categories,
        label_names=names,
        label_counts=tuple(counts),
        label_place=place if names else None,
        scaling=coder.to_dict(),
        count=len(source),
        heldout=0,
        sha256=digest(source, labelled=bool(names)),
    )
    return Untrained(prepared, field, info, source, where, label_column)
