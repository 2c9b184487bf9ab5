"""The report as one HTML file that needs nothing but itself: no network, no other file.

A content security policy forbids all that is not in the page. Charts are Plotly's, whose own bundle is inlined
once; pictures are data URIs.
"""

from __future__ import annotations

import itertools
from importlib import resources
from pathlib import Path
from typing import Any

from unstir.compare import conclusion
from unstir.compare.page import charts, marginals, parts, pictures
from unstir.compare.plan import Plan
from unstir.compare.results import GAUSSIAN, REAL, Sets, verdicts_of
from unstir.train.storage import write_text

_POLICY = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_page(plan: Plan, out: Path, results: dict[str, Any], sets: Sets, path: Path) -> None:
    """Write the report of a comparison.

    Args:
        plan: of the comparison.
        out: its folder, as named to the user.
        results: its figures.
        sets: its samples.
        path: the file.

    Raises:
        InputError: the disk is full or may not be written to.
    """
    write_text(path, make_page(plan, out, results, sets))


def make_page(plan: Plan, out: Path, results: dict[str, Any], sets: Sets) -> str:
    """The report as text."""
    from plotly.offline import get_plotlyjs

    page = _Page(plan, out, results, sets)
    name = parts.text(_title(plan))
    body = "".join(
        (page.header(), page.verdict(), page.samples(), page.quality(), page.tails(), page.columns())
        + (page.copying(), page.training(), page.made())
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>\n{_file('style.css')}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f"<script>{get_plotlyjs()}</script>\n<script>\n{_file('script.js')}</script>\n</body>\n</html>\n"
    )


class _Page:
    """The sections in their order, and the numbers of the charts."""

    def __init__(self, plan: Plan, out: Path, results: dict[str, Any], sets: Sets) -> None:
        self.plan, self.out, self.results, self.sets = plan, out, results, sets
        self.processes = list(sets.drawn)
        self.look = charts.looks(self.processes, GAUSSIAN, REAL)
        self.rows = sets.rows(plan)
        self._count = itertools.count(1)

    def chart(self, title: str, figure: Any, note: str = "") -> str:  # noqa: ANN401  # plotly's
        """A numbered chart."""
        return parts.chart(next(self._count), title, charts.as_json(figure), note)

    def header(self) -> str:
        found, plan = self.results, self.plan
        shape = " × ".join(map(str, found["shape"]))
        return (
            f"<header><h1>{parts.text(_title(plan))}</h1><p>"
            f"{found['n_train']:,} training items of {shape}, {found['n_heldout']:,} held out; "
            f"{parts.text(plan.budget)} for each process, seed {plan.seed}</p></header>"
        )

    def verdict(self) -> str:
        verdicts = verdicts_of(self.results)
        lead = [conclusion.headline(verdict) for verdict in verdicts]
        if len(verdicts) > 1:
            lead = [f"{v.question.name.capitalize()}: {line}" for v, line in zip(verdicts, lead, strict=True)]
        first = verdicts[0]
        points = [line for verdict in verdicts for line in conclusion.margins(verdict)]
        points += conclusion.against(first, GAUSSIAN, REAL)
        points.append(conclusion.copying(self.results["rows"], self.processes))
        points += [line for line in [conclusion.speed(self.results["cost"])] if line]
        points += [f"{name} failed: {reason}" for name, reason in self.results["failed"].items()]
        pairs = sum(len(verdict.differences) for verdict in verdicts)
        return (
            f'<section class="verdict">{parts.paragraphs(lead, "lead")}{parts.items(points)}'
            + parts.paragraphs([conclusion.caveats(self.plan.seed, self.results["n"], pairs)])
            + "</section>"
        )

    def samples(self) -> str:
        kind, held = self.results["kind"], self.sets.heldout.values
        shown = {REAL: held, GAUSSIAN: self.rows[GAUSSIAN]} | {n: self.rows[n] for n in self.processes}
        if kind == "image":
            found = [(name, pictures.samples_grid(values), "image") for name, values in shown.items()]
        elif kind == "signal":
            found = [
                (name, pictures.signals(values, self.look[name]["color"]), "signal")
                for name, values in shown.items()
            ]
        elif held.shape[1] == 2 and not any(self.sets.heldout.categories):
            frame = pictures.limits(held)
            found = [
                (name, pictures.cloud(values, self.look[name]["color"], frame), "cloud")
                for name, values in shown.items()
            ]
        else:
            return ""
        inside = "".join(parts.picture(n, uri, self.look[n], kind_, "samples") for n, uri, kind_ in found)
        return f'<h2>Samples</h2><p class="note">The first of each, not chosen.</p><div class="grid">{inside}</div>'

    def quality(self) -> str:
        rows, found = self.results["rows"], self.results
        forest = charts.forest(
            {name: row["energy_distance"] for name, row in rows.items()},
            self.look,
            "energy distance (less is nearer)",
        )
        floors = {name: rows[name]["energy_distance"]["value"] for name in (GAUSSIAN, REAL)}
        steps = charts.by_evaluations(found["evaluations"], floors, self.look)
        table = parts.figures_table(rows, parts.METRICS, self.processes, self.look, found["close"])
        return (
            "<h2>Quality</h2>"
            f'<p class="note">{found["n"]:,} samples of each against {found["n"]:,} held-out items, in '
            f"{parts.text(found['features'])} ({parts.text(found['features_note'])}). Bars are 95 % intervals. The row "
            f"“{REAL}” is what a perfect model would score; the scale is a square root.</p>"
            '<div class="pair">'
            + self.chart("Distance to the held-out data", forest)
            + self.chart("Quality against evaluations", steps)
            + "</div>"
            + parts.legend(rows, self.look)
            + table
            + '<p class="note">The best process of a column is bold; ≈ marks those within noise of it (all pairs of '
            "the column judged at once). ↓ less is better, ↑ more is better.</p>"
        )

    def tails(self) -> str:
        index = self.results["tail_index"]
        if index is None:
            return ""
        rows, found = self.results["rows"], self.results
        table = parts.figures_table(rows, parts.TAILS, self.processes, self.look, found["close"])
        curves = marginals.survival(self.rows, self.sets.heldout, self.plan.seed)
        figure = charts.lines(
            curves,
            self.look,
            x="size of a row (robust units)",
            y="share of rows beyond",
            log_x=True,
            log_y=True,
        )
        return (
            f"<h2>Tails</h2>{parts.paragraphs(marginals.tail_words(index))}"
            + self.chart("Survival of the size of a row", figure)
            + parts.legend(curves, self.look)
            + table
            + '<p class="note">Errors are mean |ln ratio| to the held-out rows: 0 as far out, 0.69 twice or half as '
            "far. Quantiles are averaged over columns, random directions and the size of the row.</p>"
        )

    def columns(self) -> str:
        if self.results["kind"] != "table":
            return ""
        drawn = {name: self.rows[name] for name in (*self.processes, GAUSSIAN)}
        inside = [
            self.chart(title, figure)
            for title, figure in marginals.column_charts(self.sets.heldout, drawn, self.look, REAL)
        ]
        left = self.results["shape"][0] - len(inside)
        more = f"<p class='note'>{left} more columns are not drawn.</p>" if left else ""
        return (
            '<h2>Columns</h2><p class="note">The ground is the held-out data, from their 0.5 % to their 99.5 % '
            f'quantile.</p>{parts.legend(drawn, self.look)}<div class="small">{"".join(inside)}</div>{more}'
        )

    def copying(self) -> str:
        rows, near = self.results["rows"], dict(self.results["nearest"])
        look = self.look | {"held-out data": self.look[REAL]}
        shares = [i / (len(next(iter(near.values()))) - 1) for i in range(len(next(iter(near.values()))))]
        figure = charts.lines(
            {name: (curve, shares) for name, curve in near.items()},
            look,
            x="distance to the nearest training item",
            y="share of items nearer",
        )
        shown = {name: row for name, row in rows.items() if "memorisation_share" in row}
        table = parts.figures_table(shown, parts.COPYING, self.processes, self.look, {})
        strips = ""
        if self.results["kind"] == "image":
            strips = (
                '<p class="note">The eight samples nearest to the training set (above) and their nearest training '
                'images (below):</p><div class="strips">'
                + "".join(
                    parts.picture(
                        name,
                        pictures.nearest_pairs(self.rows[name][:1000], self.sets.train.values),
                        self.look[name],
                        "image",
                        "nearest pairs",
                    )
                    for name in self.processes
                )
                + "</div>"
            )
        return (
            '<h2>Memorisation</h2><p class="note">A model that copies has its curve left of the held-out data’s. The '
            "ratio of median distances is 1 for samples as new as held-out data and 0 for copies; the share nearer "
            "than the median held-out item is 0.5 and 1.</p>"
             f'<div class="pair">{self.chart("Distance to the nearest training item", figure)}<div>{table}</div></div>'
            + parts.legend(near, look)
            + strips
        )

    def training(self) -> str:
        loss, cost = self.results["loss"], self.results["cost"]
        by_time = self.plan.minutes is not None
        figure = charts.lines(
            {name: (curve["seconds" if by_time else "step"], curve["loss"]) for name, curve in loss.items()},
            self.look,
            x="seconds of training" if by_time else "steps",
            y="loss, smoothed",
        )
        whole = {name: one | {"samples": self.plan.samples} for name, one in cost.items()}
        return (
            "<h2>Training, time and memory</h2>"
            + self.chart(
                "Loss",
                figure,
                "Each process learns a target of its own: compare the shapes of the curves, not their heights.",
            )
            + parts.legend(loss, self.look)
            + parts.cost_table(whole, self.look)
            + '<p class="note">Peak memory is that of a process of the system that trained and drew nothing else, '
            "libraries included. Evaluations are those of the field for one sample.</p>"
        )

    def made(self) -> str:
        plan = self.plan
        options = ", ".join(f"{key}={value}" for key, value in plan.options.items()) or "the defaults"
        budget = f"--steps {plan.steps}" if plan.minutes is None else f"--minutes {plan.minutes:g}"
        from unstir import __version__

        facts = {
            "processes": ", ".join(plan.processes),
            "data": f"{plan.data} (SHA-256 {plan.sha256[:16]}…)",
            "network and training": options,
            "samples": f"{plan.samples:,} of each, seed {plan.seed}; {self.results['n']:,} compared in pairs",
            "resamplings": f"{plan.draws}; of the tails {min(plan.draws, 200)}",
            "unstir": __version__,
        }
        listed = "".join(f"<dt>{parts.text(k)}</dt><dd>{parts.text(v)}</dd>" for k, v in facts.items())
        import shlex

        command = (
            f"unstir compare --data {shlex.quote(plan.data)} --processes "
            f"{' '.join(map(shlex.quote, plan.processes))} {budget} --seed {plan.seed}"
        )
        return (
            f"<h2>How this was made</h2><dl>{listed}</dl><pre><code>{parts.text(command)}</code></pre>"
            '<p class="note">Intervals come from a bootstrap: samples and held-out items are drawn anew with '
            "replacement, the same draws for every process, so that differences are paired. An interval is the "
            "figure plus the 2.5 % and 97.5 % quantiles of the centred draws. Pairs inside a set never join an item "
            "with itself; the balls of precision, recall, density and coverage are held fixed. Near the level of real "
            "data intervals of the energy distance and MMD² are up to 1.7 times too wide. Differences are judged by "
            "simultaneous intervals (max-t over all pairs); where two questions are asked each takes half of the 5 %. "
            "The Gaussian is fitted to the training data with full covariance; real data are training items.</p>"
        )


def _title(plan: Plan) -> str:
    return f"{len(plan.processes)} process{'es' * (len(plan.processes) > 1)} on {Path(plan.data).name or plan.data}"


def _file(name: str) -> str:
    return (resources.files(__package__ or "") / name).read_text("utf-8")
