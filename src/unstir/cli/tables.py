"""Tables of figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from unstir.cli.console import out, plain, say

if TYPE_CHECKING:
    from rich.table import Table

    from unstir.measure import ColumnReport, Evaluation, Figures, TextEvaluation
    from unstir.measure.baselines import BaselineReport

FEWEST = 20  # items that a comparison needs
_ROWS = (
    ("sliced Wasserstein", "sliced_wasserstein", "↓"),
    ("energy distance", "energy_distance", "↓"),
    ("MMD²", "mmd", "↓"),
    ("Wasserstein, exact", "wasserstein", "↓"),
    ("Fréchet distance", "frechet_distance", "↓"),
    ("precision", "precision", "↑"),
    ("recall", "recall", "↑"),
    ("density", "density", "↑"),
    ("coverage", "coverage", "↑"),
)
_COLUMNS = 10  # shown
_CLASSES = 10
_NOVELTY = "distance to the nearest training item over that of held-out data (1 as new as they, 0 copies)"


def print_evaluation(evaluation: Evaluation | TextEvaluation) -> None:
    """The figures of samples beside those of a simple fit and of real data."""
    from unstir.measure import TextEvaluation

    if isinstance(evaluation, TextEvaluation):
        _print_text(evaluation)
        return
    sets = {"samples": evaluation.samples, "Gaussian fit": evaluation.baseline, "real data": evaluation.floor}
    out.print(_figures(f"n = {evaluation.n}, {evaluation.features}", sets))
    if evaluation.features_note:
        say(evaluation.features_note, console=out)
    if evaluation.columns is not None:
        _print_columns(evaluation.columns)
    print_classes(evaluation)
    if evaluation.memorisation_ratio is not None:
        out.print(f"novelty {evaluation.memorisation_ratio:.2f}: {_NOVELTY}")


def print_classes(evaluation: Evaluation) -> None:
    """How many samples a classifier takes for the class asked for, and the classes where fewest are."""
    from rich.table import Table
    from rich.text import Text

    report = evaluation.classes
    if report is None:
        return
    asked = [row for row in report.classes if row.share is not None]
    worst = sorted(asked, key=lambda row: row.share or 0)[:_CLASSES]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("taken for the class asked for ↑")
    for column in ("samples", "real data"):
        table.add_column(column, justify="right")
    table.add_column("else most for")
    table.add_row(f"all {report.asked:,} samples", f"{report.share:.1%}", f"{report.real:.1%}", "")
    for row in worst:
        real = "–" if row.real is None else f"{row.real:.1%}"
        table.add_row(Text(plain(row.name)), f"{row.share:.1%}", real, Text(plain(row.mistaken or "")))
    out.print(table)


def _print_columns(report: ColumnReport) -> None:
    """The columns that differ most, and the correlations."""
    from rich.table import Table

    worst = sorted(report.columns, key=lambda column: -column.samples)[:_COLUMNS]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(
        "column by column" if len(worst) == len(report.columns) else f"worst {len(worst)} columns"
    )
    table.add_column("samples", justify="right")
    table.add_column("real data", justify="right")
    for column in worst:
        table.add_row(f"{column.name}, {column.measure} ↓", _number(column.samples), _number(column.floor))
    if report.correlation is not None:
        table.add_row("correlations, mean ↓", _number(report.correlation), _number(report.correlation_floor))
    out.print(table)
    if report.worst_pair is not None:
        say(
            f"correlation that differs most: {' and '.join(report.worst_pair)}, by {report.worst:.2f}",
            console=out,
        )


def _print_text(evaluation: TextEvaluation) -> None:
    from rich.table import Table

    sets = (evaluation.samples, evaluation.baseline, evaluation.floor)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(f"n = {evaluation.n} lines")
    for column in ("samples", "letters by place", "real data"):
        table.add_column(column, justify="right")
    for i, row in enumerate(zip(*(figures.distances for figures in sets), strict=True), 1):
        table.add_row(f"runs of {i} ↓" if i > 1 else "letters ↓", *map(_number, row))
    table.add_row("copies of training lines", *(_number(figures.copied) for figures in sets))
    table.add_row("distinct lines", *(_number(figures.distinct) for figures in sets))
    out.print(table)
    out.print("distances are shares of letters, and of runs of 2 and 3, that differ; sense is not measured")


def print_baselines(report: BaselineReport, evaluation: Evaluation | None = None) -> None:
    """The figures of all baselines beside those of real data, and of samples where there are some."""
    samples = {} if evaluation is None else {"samples": evaluation.samples}
    models = {model.name: model.figures for model in report.models}
    table = _figures(f"n = {report.n}, {report.features}", samples | models | {"real data": report.floor})
    first = [] if evaluation is None else [evaluation.memorisation_ratio]
    table.add_row("novelty", *map(_number, [*first, *(model.memorisation_ratio for model in report.models)]))
    for title, name in (
        ("nats per dimension ↑", "nats_per_dimension"),
        ("bits per dimension ↓", "bits_per_dimension"),
    ):
        values = [getattr(model, name) for model in report.models]
        if any(value is not None for value in values):
            table.add_row(title, *("–" for _ in first), *map(_number, values))
    out.print(table)
    if report.features_note:
        say(report.features_note, console=out)
    for model in report.models:
        say((model.name, "bold"), f"  {model.note}; {model.seconds:.1f} s", console=out)
    bytes_said = ": grey levels 0..255 made continuous by uniform noise" if report.dequantised else ""
    out.print(f"nats and bits: log-density of {report.n_scored:,} held-out items{bytes_said}")
    out.print(f"novelty: {_NOVELTY}")


def _figures(title: str, sets: Mapping[str, Figures | None]) -> Table:
    """A row for each figure, a column for each set."""
    from rich.table import Table

    gap = 3 if len(sets) <= 3 else 2  # six columns fit into 80 characters
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, gap, 0, 0))
    table.add_column(title, no_wrap=True)
    for column in sets:
        table.add_column(column, justify="right")
    for name, attribute, better in _ROWS:
        values = (None if figures is None else getattr(figures, attribute) for figures in sets.values())
        table.add_row(f"{name} {better}", *map(_number, values))
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
