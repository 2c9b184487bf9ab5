"""A run in others' formats, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unstir.errors import InputError
from unstir.fields.learned import check_denoises
from unstir.interop.sharing import write_shared
from unstir.physics import LinearProcess
from unstir.train.storage import new_folder

if TYPE_CHECKING:
    from unstir.run import Run

# The part of a configuration that a field is made of: no paths, no machine.
_FIELD = (
    "process", "network", "network_options", "labels", "label_dropout", "sketch", "axes", "floors",
    "objective", "augment", "noise_mean", "noise_std", "seed",
)  # fmt: skip


def field_config(run: Run) -> dict[str, Any]:
    """The part of a run's configuration that its field is made of, as plain values without any path."""
    whole = run.config.model_dump(mode="json", exclude_none=True)
    return {"data": data_name(run), "steps": max(run.step, 1)} | {
        name: whole[name] for name in _FIELD if name in whole
    }


def data_name(run: Run) -> str:
    """What the data are called, without where they lie."""
    return Path(run.config.data).name


def to_diffusers(run: Run, folder: Path) -> None:
    """Write a pipeline that diffusers loads: see `unstir.interop.diffusers`.

    Raises:
        InputError: a run whose process is not linear, that is distilled, or has a network of the user's own.
    """
    process = run.process
    if not isinstance(process, LinearProcess):
        raise InputError(
            f"run {run.path}: process {process.name} has a law of its own, which no diffusers scheduler "
            "follows; export a run of a linear process such as poisson:D=128"
        )
    check_denoises(run.field, f"export of run {run.path} to diffusers")
    if run.config.network == "custom":
        raise InputError(
            f"run {run.path}: was trained with a module of your own, which a folder cannot name; "
            "export a run with one of unstir's networks"
        )
    from unstir.interop.diffusers import UnstirModel, UnstirPipeline, scheduler_class
    from unstir.interop.model import describe

    kept = process.kept()
    model = UnstirModel(run=field_config(run), info=run.info.model_dump(mode="json"), kept=describe(kept))
    model.field.load_state_dict(run.field.state_dict())
    for name, value in kept.items():
        getattr(model.store, name).copy_(value)
    model.settle()
    scheduler = scheduler_class(process.name)(
        process.name, prediction_type="sample", num_train_timesteps=None, rescaled=False
    )
    UnstirPipeline(model, scheduler).save_pretrained(folder, safe_serialization=True)


# A new format is a new function and a line here.
FORMATS: dict[str, Callable[[Run, Path], None]] = {"diffusers": to_diffusers, "hub": write_shared}


def export(run: Run, folder: str | Path, form: str = "diffusers") -> Path:
    """Write a run in another format.

    Args:
        run: a trained run.
        folder: a new folder, or an empty one.
        form: one of `FORMATS`.

    Returns:
        The folder.

    Raises:
        InputError: an unknown format, a folder that holds something, or a run that the format cannot hold.
    """
    from unstir.interop.card import write_card

    target = Path(folder).expanduser()
    if form not in FORMATS:
        raise InputError(f"format={form!r}: is not known; known: {', '.join(FORMATS)}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"out={target}: is there already; give a new folder")
    with new_folder(target) as temporary:
        FORMATS[form](run, temporary)
        write_card(run, temporary, form)
    return target
