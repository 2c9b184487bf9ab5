"""`unstir baseline`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstir.cli.console import err, out, print_json, say, say_skipped
from unstir.cli.options import Json, SkipBad
from unstir.cli.tables import FEWEST, print_baselines
from unstir.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def baseline(
    data: Annotated[str, typer.Option(help="A built-in set or a path, as in train.")],
    model: Annotated[
        str, typer.Option(help="gaussian, mixture, ppca, kde, several with commas, or all.")
    ] = "all",
    target: Annotated[
        Path | None, typer.Option("--out", help="Write samples; of several models to FILE-model.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--number", min=FEWEST, help="Samples of each model.")] = 1000,
    features: Annotated[str, typer.Option(help="pixels, standard, pca:K or logits.")] = "pixels",
    holdout: Annotated[float, typer.Option(help="Share of the data to compare with.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of everything random; it parts the data as in train.")] = 0,
    skip_bad: SkipBad = None,
    as_json: Json = False,
) -> None:
    """Fit tractable models to data, and measure them as evaluate does: what physics has to beat."""
    from unstir.bars import stage_bar
    from unstir.cli.given import check_apart
    from unstir.data import Columns, check_target, measurable, save_samples
    from unstir.data import load as load_data
    from unstir.data.items import parted
    from unstir.measure.baselines import compare_baselines, law_names

    names = law_names(model)
    if holdout == 0:
        raise InputError("holdout=0: nothing is held out to compare with; give a share such as 0.2")
    given = load_data(data, skip_bad=bool(skip_bad))
    say_skipped(given)
    train, heldout = parted(given, holdout, seed).sets
    mixed = Columns.fit(train) if train.categories else None
    targets = {} if target is None else {name: _target(target, name, len(names)) for name in names}
    for path in targets.values():
        check_target(path, (n, *train.shape))
        check_apart(path, None, data)
    drawn: dict[str, Tensor] = {}
    with stage_bar(len(names), err) as stage:

        def watch(name: str, samples: Tensor | None) -> None:
            if samples is None:
                stage(f"fitting {name}")
            elif name in targets:
                drawn[name] = samples

        report = compare_baselines(
            measurable(train, train),
            measurable(heldout, train),
            model=model,
            n=n,
            features=features,
            seed=seed,
            watch=watch,
        )
    for name, samples in drawn.items():
        values = samples if mixed is None else mixed.to_data(samples)
        save_samples(targets[name], values, columns=train.columns, categories=train.categories)
    if as_json:
        print_json(report.to_dict() | ({"out": {k: str(v) for k, v in targets.items()}} if targets else {}))
        return
    print_baselines(report)
    for path in targets.values():
        say("open    ", (str(path), "bold"), console=out)


def _target(path: Path, name: str, count: int) -> Path:
    return path if count == 1 else path.with_name(f"{path.stem}-{name}{path.suffix}")
