"""`unstir evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unstir.cli.console import err, out, print_json, say, say_passed_over, say_skipped
from unstir.cli.options import Guidance, Guide, HoldoutOfData, Json, Seed, SkipBad, SolverName, Steps
from unstir.cli.tables import FEWEST, print_baselines, print_classes, print_evaluation
from unstir.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from unstir.data import Dataset
    from unstir.measure import FeatureSpace
    from unstir.measure.baselines import BaselineReport
    from unstir.run import Run
    from unstir.train.cluster import Cluster


def evaluate(
    samples: Annotated[Path, typer.Argument(help="A run folder, or a file of samples.")],
    data: Annotated[
        str | None, typer.Option(help="What to compare with; a run's own held-out data by default.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--number", min=20, help="Samples to draw from a run.")] = 1000,
    features: Annotated[str, typer.Option(help="pixels, standard, pca:K or logits.")] = "pixels",
    guidance: Guidance = None,
    guide: Guide = None,
    solver: SolverName = None,
    steps: Steps = None,
    seed: Seed = 0,
    holdout: HoldoutOfData = 0.2,
    skip_bad: SkipBad = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Put gaussian, mixture, ppca and kde beside it.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Write samples above their nearest training images here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure samples against held-out data, beside a Gaussian fit and real data."""
    from unstir.cli.given import check_apart
    from unstir.data import measurable
    from unstir.evaluation import compare
    from unstir.measure import Evaluation, feature_space, nearest_picture
    from unstir.run import load
    from unstir.train.cluster import joined, leave

    cluster = joined()
    if not samples.exists():
        raise InputError(f"{samples}: no such run or file of samples")
    run = load(samples) if (samples / "config.yaml").is_file() else None
    if run is None and (guidance is not None or guide is not None):
        raise InputError(
            f"guidance: {samples} is a file of samples, drawn already; give a run, or leave it out"
        )
    weaker = None if guide is None else load(guide)
    # All that can be refused is refused before time is spent on samples.
    train, heldout = _reference(samples, run, data, holdout, skip_bad=bool(skip_bad))
    if run is not None:
        train, heldout = run.seen(train), run.seen(heldout)
    if picture is not None:
        _check_picture(picture, heldout)
        check_apart(picture, run, data, str(samples) if run is None else None)
    text = heldout.kind == "text"
    if text and (baselines or features != "pixels"):
        raise InputError(
            f"data {heldout.name}: are text, without features or baselines; leave those options out"
        )

    def fitted() -> FeatureSpace:
        return feature_space(features, measurable(heldout, train).values, heldout.labels)

    # The first process alone will measure.
    space = cluster.together(lambda: fitted() if cluster.leads and not text else None)
    values = (
        _read(samples, train, skip_bad=bool(skip_bad))
        if run is None
        else _drawn(run, n, cluster, guidance=guidance, guide=weaker, solver=solver, steps=steps, seed=seed)
    )
    leave()
    if values is None or not cluster.leads:
        return  # the first process has all samples, and measures them
    n = len(values)
    report = (
        None
        if space is None or not baselines
        else _baselines(measurable(train, train), measurable(heldout, train), space, n, seed)
    )
    asked, names = (None, ()) if run is None else (run.labels(n, seed=seed), run.classes)
    given = features if space is None else space
    evaluation = compare(values, train, heldout, features=given, seed=seed, asked=asked, names=names)
    if picture is not None:
        nearest_picture(values[:16], train.values, picture)
    if as_json:
        print_json(evaluation.to_dict() | ({} if report is None else {"baselines": report.to_dict()}))
        return
    if report is None:
        print_evaluation(evaluation)
    elif isinstance(evaluation, Evaluation):
        print_baselines(report, evaluation)
        print_classes(evaluation)
    if picture is not None:
        say("open    ", (str(picture), "bold"), console=out)


def _read(samples: Path, like: Dataset, *, skip_bad: bool) -> Tensor:
    """The samples in a file or folder, their columns and codes those of `like`."""
    from unstir.data import load, recoded

    given = load(samples, skip_bad=skip_bad)
    say_skipped(given)
    return recoded(given, like.columns, like.categories).values


def _drawn(run: Run, n: int, cluster: Cluster, *, seed: int, **options: Any) -> Tensor | None:  # noqa: ANN401
    """The run's first `n` samples, drawn by all processes of a launch, for the first of them."""
    from unstir.bars import sampling_bar

    say_passed_over(run)
    with sampling_bar(-(-n // cluster.size), err) as watch:
        return cluster.drawn(
            n, lambda low, high: run.sample(high - low, seed=seed, first=low, watch=watch, **options)
        )


def _baselines(train: Dataset, heldout: Dataset, space: FeatureSpace, n: int, seed: int) -> BaselineReport:
    from unstir.bars import stage_bar
    from unstir.measure.baselines import LAWS, compare_baselines

    with stage_bar(len(LAWS), err) as stage:

        def watch(name: str, samples: Tensor | None) -> None:
            if samples is None:
                stage(f"fitting {name}")

        return compare_baselines(train, heldout, n=n, features=space, seed=seed, watch=watch)


def _reference(
    samples: Path, run: Run | None, data: str | None, holdout: float, *, skip_bad: bool
) -> tuple[Dataset, Dataset]:
    """The (training, held-out) data that samples are compared with."""
    from unstir.data import load as load_data
    from unstir.data import recoded
    from unstir.data.items import parted
    from unstir.train.source import as_read

    if data is not None:
        given = load_data(data, skip_bad=skip_bad)
        say_skipped(given)
        if run is not None:
            given = recoded(as_read(given, run.config), run.info.columns, run.info.categories)
        train, heldout = parted(given, holdout, run.config.seed if run else 0).sets
    elif run is not None:
        train, heldout = run.data()
    else:
        raise InputError(f"data: is missing; say what {samples} is to be compared with (--data D)")
    if len(heldout) == 0:
        raise InputError("holdout=0: nothing is held out to compare with; give --data and --holdout")
    if min(len(train), len(heldout)) < FEWEST:
        raise InputError(
            f"data: {len(train)} items to train on and {len(heldout)} held out are too few to compare with; "
            f"give at least {FEWEST} of each"
        )
    if run is not None and heldout.shape != run.info.shape:
        raise InputError(f"data {data}: has items of {heldout.shape}, run {samples} of {run.info.shape}")
    return train, heldout


def _check_picture(path: Path, data: Dataset) -> None:
    from unstir.data import check_target

    if data.kind != "image":
        raise InputError(f"picture={path}: shows images, and these are a table; leave it out")
    if path.suffix.lower() != ".png":
        raise InputError(f"picture={path}: give a name that ends in .png")
    check_target(path, (1, *data.shape))
