"""Tables of figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unstir.cli.console import out, say

if TYPE_CHECKING:
    from unstir.measure import Evaluation

FEWEST = 20  # items that a comparison needs


def print_evaluation(evaluation: Evaluation) -> None:
    """The figures of samples beside those of the Gaussian fit and of real data."""
    from rich.table import Table

    rows = [
        ("sliced Wasserstein", "sliced_wasserstein", "↓"),
        ("energy distance", "energy_distance", "↓"),
        ("MMD²", "mmd", "↓"),
        ("Wasserstein, exact", "wasserstein", "↓"),
        ("Fréchet distance", "frechet_distance", "↓"),
        ("precision", "precision", "↑"),
        ("recall", "recall", "↑"),
        ("density", "density", "↑"),
        ("coverage", "coverage", "↑"),
    ]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(f"n = {evaluation.n}, {evaluation.features}")
    for column in ("samples", "Gaussian fit", "real data"):
        table.add_column(column, justify="right")
    sets = (evaluation.samples, evaluation.baseline, evaluation.floor)
    for title, name, better in rows:
        values = [None if figures is None else getattr(figures, name) for figures in sets]
        table.add_row(f"{title} {better}", *("–" if value is None else f"{value:.4f}" for value in values))
    out.print(table)
    if evaluation.features_note:
        say(evaluation.features_note, console=out)
    if evaluation.memorisation_ratio is not None:
        out.print(
            f"novelty {evaluation.memorisation_ratio:.2f}: distance to the nearest training item over that "
            "of held-out data (1 as new as they, 0 copies)"
        )
