"""Guidance of a run's samples: by a class, or by a run that knows less.

What is asked for is looked at before anything is drawn: whether there is a class to guide by, whether the
field, and that which guides it, was told of all classes together, whether the other run is of the same data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from unstir.errors import InputError
from unstir.fields import Field, GuidedField
from unstir.fields.guided import noise_interval
from unstir.physics import LinearProcess, Process

if TYPE_CHECKING:
    from unstir.run import Run

_USUAL = 2.0  # by another run, where nobody says how strongly


def guided(
    run: Run,
    guidance: float | None,
    interval: tuple[float, float] | None,
    guide: Run | None,
    labels: Tensor | None,
) -> Field:
    """The field that solvers see.

    Args:
        run: what is sampled.
        guidance: w, as in `Run.sample`.
        interval: noise levels B/A between which to guide.
        guide: a run that knows less.
        labels: classes of the samples, or None for all classes together.

    Raises:
        InputError: nothing to guide by, or a guide of another kind.
    """
    if labels is None:
        run.check_knows_all("label")
    if guidance is None and guide is None:
        if interval is not None:
            raise InputError("guidance_interval: there is no guidance; give guidance too, such as 2")
        return run.field
    if guide is not None:
        _check_guide(run, guide, labels)
    elif labels is None:
        raise InputError(
            f"guidance={guidance:g}: there is no class to guide by; give label, or another run as guide"
        )
    else:
        run.check_knows_all(f"guidance={guidance:g}")
    inside = None if interval is None else noise_interval(lambda t: _level(run.process, t), *interval)
    weight = _USUAL if guidance is None else guidance
    return GuidedField(run.field, weight, None if guide is None else guide.field, inside)


def _level(process: Process, t: Tensor) -> Tensor:
    if not isinstance(process, LinearProcess):
        raise InputError(f"guidance_interval: process {process.name} has no noise levels; leave it out")
    return process.B(t) / process.A(t)


def _check_guide(run: Run, guide: Run, labels: Tensor | None) -> None:
    pairs = {
        "process": (guide.process.name, run.process.name),
        "shape": (guide.info.shape, run.info.shape),
        "classes": (guide.classes or run.classes, run.classes or guide.classes),
    }
    for name, (theirs, ours) in pairs.items():
        if theirs != ours:
            raise InputError(
                f"guide {guide.path}: has {name} {theirs}, the run {ours}; give one that has the same"
            )
    if (guide.info.scaling, guide.info.kept) != (run.info.scaling, run.info.kept):
        raise InputError(
            f"guide {guide.path}: was trained on other data; give one of the same data, seed, holdout"
        )
    if labels is None and guide.classes and not guide.config.label_dropout:
        told = "give a label, or another guide" if run.classes else "give another guide"
        raise InputError(
            f"guide {guide.path}: was trained with label_dropout=0, and does not know all classes together; "
            f"{told}"
        )
