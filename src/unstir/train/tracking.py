"""Tracking: the figures of a training, and samples on the way, sent to TensorBoard, W&B or Trackio.

Each is an optional package, imported when a run asks for it. What a tracker cannot take is its own loss: the
first failure is said once, and training goes on without it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import math
import secrets
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import torch

from unstir.data.wording import reason
from unstir.errors import InputError
from unstir.train.storage import write_text

if TYPE_CHECKING:
    from PIL.Image import Image

    from unstir.train.session import Session

PROJECT = "unstir"
FIGURES = ("loss", "lr", "items_per_second")
_IMAGES, _SIGNALS, _POINTS = 16, 16, 500  # samples in a picture


class Tracker(Protocol):
    """Where figures and pictures go."""

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name, at a step."""
        ...

    def picture(self, step: int, name: str, image: Image) -> None:
        """An RGB picture, at a step."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class TensorBoard:
    """Event files in the run folder's `tensorboard/`.

    Args:
        path: the run folder.
        config: the run's.
        step: steps done: what was noted after it is dropped.
    """

    def __init__(self, path: Path, config: Mapping[str, Any], step: int) -> None:
        writer = _imported("tensorboard", "torch.utils.tensorboard").SummaryWriter
        self._writer = writer(str(path / "tensorboard"), purge_step=step + 1 if step else None)
        if not step:
            self._writer.add_text("config", "    " + json.dumps(config, indent=1).replace("\n", "\n    "))

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, image: Image) -> None:
        import numpy as np

        self._writer.add_image(name, np.asarray(image), step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class Wandb:
    """A run of Weights & Biases, in the project `unstir`; its number is kept in the run folder."""

    def __init__(self, path: Path, config: Mapping[str, Any], step: int) -> None:
        self._wandb = _imported("wandb")
        file = path / "wandb.json"
        if not (step and file.is_file()):
            write_text(file, json.dumps({"id": secrets.token_hex(8)}))
        number = str(json.loads(file.read_text("utf-8"))["id"])
        self._run = self._wandb.init(
            project=PROJECT, name=path.name, id=number, dir=str(path), config=dict(config), resume="allow"
        )
        # W&B's own steps only rise, and a resumed run goes back to its checkpoint.
        self._run.define_metric("*", step_metric="step")

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log({**values, "step": step})

    def picture(self, step: int, name: str, image: Image) -> None:
        self._run.log({name: self._wandb.Image(image), "step": step})

    def close(self) -> None:
        self._run.finish()


class Trackio:
    """A run of Trackio, in the project `unstir`, on this machine."""

    def __init__(self, path: Path, config: Mapping[str, Any], step: int) -> None:
        self._trackio = _imported("trackio")
        self._run = self._trackio.init(
            project=PROJECT, name=path.name, config=dict(config), resume="allow" if step else "never"
        )

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def picture(self, step: int, name: str, image: Image) -> None:
        self._run.log({name: self._trackio.Image(image)}, step=step)

    def close(self) -> None:
        self._trackio.finish()  # and not the run's own, which would be ended again at exit


TRACKERS: Mapping[str, Callable[[Path, Mapping[str, Any], int], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": Wandb,
    "trackio": Trackio,
}


class Tracking:
    """What a training tells its tracker, none of which can stop it.

    Args:
        session: the training.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tracker: Tracker | None = None
        name = session.config.track
        if name is not None and session.trainer.cluster.leads:
            check_tracker(name)
            config = session.config.model_dump(exclude_none=True)
            self._attempt(lambda: self._open(TRACKERS[name](session.path, config, session.trainer.step)))

    def figures(self, step: int, line: Mapping[str, float | None]) -> None:
        """Those of a line of metrics that are tracked."""
        values = {name: value for name in FIGURES if (value := line[name]) is not None}
        self._told(
            lambda tracker: tracker.figures(step, {k: v for k, v in values.items() if math.isfinite(v)})
        )

    def samples(self) -> None:
        """A picture of samples by the averaged weights as they stand, where such samples can be seen."""

        def draw(tracker: Tracker) -> None:
            image = sample_picture(self._session)
            if image is not None:
                tracker.picture(self._session.trainer.step, "samples", image)

        self._told(draw)

    def close(self) -> None:
        """Nothing more will come."""
        self._told(lambda tracker: tracker.close())

    def _open(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def _told(self, work: Callable[[Tracker], None]) -> None:
        tracker = self._tracker
        if tracker is not None:
            self._attempt(lambda: work(tracker))

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            with contextlib.redirect_stdout(sys.stderr):  # where the command's own answer goes, it alone does
                work()
        except Exception as error:  # whatever a service may raise
            self._tracker = None
            why = reason(error)
            warnings.warn(
                f"track={self._session.config.track}: failed ({why}); training goes on without", stacklevel=2
            )


@contextlib.contextmanager
def tracking(session: Session) -> Iterator[Tracking]:
    """Track a training within the block.

    Raises:
        InputError: the tracker's package is not installed.
    """
    track = Tracking(session)
    try:
        yield track
    finally:
        track.close()


def check_tracker(name: str | None) -> None:
    """Refuse a tracker whose package is not here, before any work is done.

    Raises:
        InputError: it is not.
    """
    if name is not None:
        _imported(name)


def sample_picture(session: Session) -> Image | None:
    """Samples of the averaged weights: a grid of images, points in the plane, or signals; None of others.

    Nothing of the training changes: samples have random streams of their own.
    """
    from PIL import Image

    from unstir.data.curves import curves_bytes
    from unstir.data.picture import image_grid, scatter_bytes
    from unstir.flow import default_solver
    from unstir.run import Run, load

    info, trainer, seed = session.info, session.trainer, session.config.seed
    counts = {"image": _IMAGES, "signal": _SIGNALS, "table": _POINTS if info.shape == (2,) else 0}
    n = counts.get(info.kind, 0)
    if not n:
        return None
    given = None
    if default_solver(trainer.field.process).needs_start:
        given = (session.heldout if len(session.heldout) else session.train).values[:n]
        n = len(given)
    # Parts of a network answer only together: the checkpoint before holds it whole.
    field = load(session.path).field if trainer.cluster.sharded else trainer.average.module
    was = field.training
    run = Run(session.path, session.config, info, field.eval(), trainer.step)
    try:
        with torch.no_grad():
            samples = run.sample(n, seed=seed, start=given)
    finally:
        field.train(was)
    if info.kind == "image":
        return image_grid(samples).convert("RGB")
    labels = run.labels(n, seed=seed, given=given is not None)
    if info.kind == "signal":
        content = curves_bytes(samples)
    else:
        content = scatter_bytes(samples, labels, info.columns, info.categories)
    return Image.open(io.BytesIO(content)).convert("RGB")


def _imported(package: str, module: str | None = None) -> ModuleType:
    try:
        importlib.import_module(package)
        return importlib.import_module(module or package)
    except ImportError:
        raise InputError(
            f"track={package}: the package is not installed; pip install {package}, or leave track out"
        ) from None
