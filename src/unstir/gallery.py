"""What training leaves to look at in a run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from unstir.data import Dataset
from unstir.run import Run
from unstir.train.storage import json_text, write_text

if TYPE_CHECKING:
    from unstir.measure import Evaluation, TextEvaluation


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
        made.append(nearest_picture(samples[:16], train.values, folder / "nearest.png"))
    elif run.info.kind == "text":
        made.append(save_samples(folder / "samples.txt", samples))
    elif run.info.kind == "signal":
        made += [save_samples(folder / f"samples{suffix}", samples) for suffix in (".png", ".npz")]
    else:
        columns, categories = run.info.columns, run.info.categories
        made.append(save_samples(folder / "samples.npz", samples, columns=columns, categories=categories))
        if samples.shape[1] == 2:
            made.append(save_samples(folder / "samples.png", samples, columns=columns, categories=categories))
    if evaluation is not None:
        write_text(run.path / "evaluation.json", json_text(evaluation.to_dict()))
    return made
