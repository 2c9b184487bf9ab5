"""Options that several verbs share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from unstir.errors import InputError

_DEVICES = "auto, cpu, cuda or mps."

Augment = Annotated[
    str | None, typer.Option(help="Transform images at random: none (default), flip, edm or edm:p=0.15.")
]
Axes = Annotated[
    int | None, typer.Option(help="Directions that each of these knows; 32, or more for large images.")
]
Batch = Annotated[int | None, typer.Option(help="Items a step; 64 for images, else 128.")]
BudgetMinutes = Annotated[float | None, typer.Option(help="Budget in time; 1 by default.")]
BudgetSteps = Annotated[int | None, typer.Option(help="Budget in steps, in place of minutes.")]
Categorical = Annotated[
    str | None, typer.Option(help="Columns of whole numbers that are codes, with commas between.")
]
ChannelsLast = Annotated[
    bool | None, typer.Option(help="How convolutions lie in memory; by default what is faster.")
]
Clip = Annotated[float | None, typer.Option(help="Largest norm of the gradient.")]
Compiled = Annotated[
    bool | None,
    typer.Option("--compile/--no-compile", help="torch.compile the network; measured in long runs."),
]
Device = Annotated[str, typer.Option(help=_DEVICES)]
DeviceOrNone = Annotated[str | None, typer.Option(help=_DEVICES)]
Ema = Annotated[float | None, typer.Option(help="Width of the averaged weights, a share.")]
Exact = Annotated[
    str | None, typer.Option(help="In place of a run: the exact field of data, which gives them back.")
]
First = Annotated[int | None, typer.Option("-n", "--number", min=1, help="The first so many only.")]
Floors = Annotated[
    str | None,
    typer.Option(
        help="What these leave: noise of one size (one), or one a frequency (modes), as for colours."
    ),
]
Guidance = Annotated[
    float | None,
    typer.Option(help="Above 1 more of the class, and less varied; with --guide, further from that run."),
]
Guide = Annotated[
    Path | None,
    typer.Option(help="A weaker run on the same data, or one of its checkpoints, to keep away from."),
]
HoldoutOfData = Annotated[float, typer.Option(help="Share of --data to compare with.")]
Json = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
LabelColumn = Annotated[str | None, typer.Option(help="The column of a table whose classes are the labels.")]
LabelDropout = Annotated[
    float | None,
    typer.Option(help="Share of labels withheld, so that all classes are learned together too."),
]
Labels = Annotated[
    bool | None,
    typer.Option(
        "--labels/--no-labels", help="Learn each class of the data; by default where they have labels."
    ),
]
LearningRate = Annotated[float | None, typer.Option(help="Highest learning rate.")]
Network = Annotated[
    str | None, typer.Option(help="auto, mlp, patch-unet, unet, dit, unet1d or transformer; unet:small.")
]
NetworkOptions = Annotated[str | None, typer.Option(help="The network's own, as JSON: '{\"width\": 512}'.")]
NoiseMean = Annotated[float | None, typer.Option(help="Mean of ln(noise/signal) trained at.")]
NoiseStd = Annotated[float | None, typer.Option(help="Its standard deviation.")]
Optimizer = Annotated[str | None, typer.Option(help="auto, adam or muon.")]
Precision = Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")]
RunFolder = Annotated[Path, typer.Argument(help="A run folder.")]
Seed = Annotated[int, typer.Option(help="Seed: the same one gives the same samples.")]
Sketch = Annotated[
    int | None,
    typer.Option(help="Gaussians in the mixture that training starts from; 0 for none, up to 64 by default."),
]
SkipBad = Annotated[
    bool | None, typer.Option("--skip-bad", help="Pass over unreadable files among the data, and name them.")
]
SolverName = Annotated[
    str | None,
    typer.Option(help="One of the process's own; unstir processes lists them, the first is the default."),
]
Steps = Annotated[int | None, typer.Option(min=1, help="Solver steps; one evaluation each for multistep.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads.")]
Warmup = Annotated[float | None, typer.Option(help="Share of the run over which lr rises.")]


def given(**options: object) -> dict[str, Any]:
    """Those options that were given: the others are None."""
    return {name: value for name, value in options.items() if value is not None}


def mapping(text: str | None) -> dict[str, Any] | None:
    """A network's own options from JSON.

    Raises:
        InputError: it is no mapping.
    """
    if text is None:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise InputError(f'network-options={text!r}: give a JSON mapping such as {{"width": 512}}')
    return value


def names_in(text: str | None) -> list[str] | None:
    """Names with commas between."""
    return None if text is None else text.split(",")
