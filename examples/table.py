"""A table: `python examples/table.py [FILE.csv]`, and as many new rows as you like.

Without a file it makes one first: 3,000 days of weather, whose rain comes on few of them.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch

import unstir
from unstir.data import save_samples


def weather(path: Path, n: int = 3000) -> Path:
    """Write `n` days: season, temperature, sunshine, rain."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    season = rng.integers(0, 4, n)
    warmth = np.array([2.0, 11.0, 20.0, 10.0])[season] + 4 * rng.standard_normal(n)
    sun = np.clip(6 + 0.25 * (warmth - 10) + 2.5 * rng.standard_normal(n), 0, None)
    rain = 2 * rng.pareto(2.5, n) * np.exp(-sun / 6)  # few days bring most of it
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["season", "temperature", "sunshine", "rain"])
        names = np.array(["winter", "spring", "summer", "autumn"])[season]
        rows.writerows(zip(names, warmth.round(2), sun.round(2), rain.round(2), strict=True))
    return path


def main(arguments: list[str] | None = None) -> None:
    """Train, draw, and set the columns of both beside each other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="a CSV or Parquet table; made without")
    parser.add_argument("--out", type=Path, default=Path("runs/example-table"))
    parser.add_argument("--steps", type=int, help="in place of a minute of training")
    given = parser.parse_args(arguments)
    file = given.file or weather(given.out.with_name(given.out.name + ".csv"))

    budget = {"steps": given.steps} if given.steps else {"minutes": 1}
    # Charges: their noise has tails, as rain has.
    run = unstir.fit("poisson:D=8", file, out=given.out, **budget)
    table, rows = unstir.data.load(file), run.sample(3000)
    save_samples(given.out / "new.csv", rows, columns=table.columns, categories=table.categories)

    share = torch.tensor([0.05, 0.5, 0.95, 0.999])
    print(f"{'quantiles':14}" + "".join(f"{float(s):>18.3f}" for s in share) + "    real | new")
    for place, name in enumerate(table.columns):
        if not table.categories or table.categories[place] is None:  # a column of numbers
            real, new = table.values[:, place].quantile(share), rows[:, place].quantile(share)
            print(f"{name:14}" + "".join(f"{a:9.2f}|{b:8.2f}" for a, b in zip(real, new, strict=True)))
    print(f"open    {given.out / 'new.csv'}")


if __name__ == "__main__":
    main()
