"""The sections of the report, in their order: each a piece of HTML from the figures and the samples."""

from __future__ import annotations

import itertools
from typing import Any

from unstir.compare import conclusion
from unstir.compare.page import charts, marginals, parts, pictures, words
from unstir.compare.plan import Plan
from unstir.compare.results import GAUSSIAN, HEAVY, REAL, Sets, verdicts_of


class Sections:
    """The sections in their order, and the numbers of the charts."""

    def __init__(self, plan: Plan, title: str, results: dict[str, Any], sets: Sets) -> None:
        self.plan, self.title, self.results, self.sets = plan, title, results, sets
        self.processes = list(sets.drawn)
        self.look = charts.looks(self.processes, GAUSSIAN, REAL)
        self.rows = sets.rows(plan)
        self._count = itertools.count(1)

    def all(self) -> str:
        """The page's body."""
        first = (self.header(), self.verdict(), self.samples(), self.quality(), self.tails(), self.columns())
        return "\n".join((*first, self.copying(), self.training(), self.made()))

    def chart(self, title: str, figure: Any, note: str = "") -> str:  # noqa: ANN401  # plotly's
        """A numbered chart."""
        return parts.chart(next(self._count), title, charts.as_json(figure), note)

    def header(self) -> str:
        found, plan = self.results, self.plan
        shape = " × ".join(map(str, found["shape"]))
        return (
            f"<header><h1>{parts.text(self.title)}</h1><p>"
            f"{found['n_train']:,} training items of {shape}, {found['n_heldout']:,} held out; "
            f"{parts.text(plan.budget)} for each process, seed {plan.seed}</p></header>"
        )

    def verdict(self) -> str:
        verdicts = verdicts_of(self.results)
        lead = [conclusion.headline(verdict, GAUSSIAN) for verdict in verdicts]
        if len(verdicts) > 1:
            lead = [f"{v.question.name.capitalize()}: {line}" for v, line in zip(verdicts, lead, strict=True)]
        first = verdicts[0]
        points = [line for verdict in verdicts for line in conclusion.margins(verdict)]
        points += conclusion.against(first, GAUSSIAN, REAL)
        points.append(conclusion.copying(self.results["rows"], self.processes))
        points += conclusion.starts(self.results["given"])
        points += [line for line in [self._speed()] if line]
        points += [f"{name} failed: {reason}" for name, reason in self.results["failed"].items()]
        pairs = sum(len(verdict.differences) for verdict in verdicts)
        return (
            f'<section class="verdict">{parts.paragraphs(lead, "lead")}{parts.items(points)}'
            + parts.paragraphs([conclusion.caveats(self.plan.seed, self.results["n"], pairs)])
            + "</section>"
        )

    def _speed(self) -> str | None:
        return conclusion.speed(self.results["cost"], by_time=self.plan.minutes is not None)

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
        return f'<h2>Samples</h2>{words.note(words.SAMPLES)}<div class="grid">{inside}</div>'

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
            f"{parts.text(found['features'])} ({parts.text(found['features_note'])}). "
            f"{' '.join(words.INTERVALS.split())}</p>"
            '<div class="pair">'
            + self.chart("Distance to the held-out data", forest)
            + self.chart("Quality against evaluations", steps)
            + "</div>"
            + parts.legend(rows, self.look)
            + table
            + words.note(words.MARKS)
        )

    def tails(self) -> str:
        index = self.results["tail_index"]
        if index is None:
            return ""
        rows, found = self.results["rows"], self.results
        table = parts.figures_table(rows, parts.TAILS, self.processes, self.look, found["close"])
        curves = marginals.survival(self.rows, self.sets.heldout, self.plan.seed)
        figure = charts.survival(curves, self.look)
        return (
            f"<h2>Tails</h2>{words.tail_note(index, HEAVY)}"
            + self.chart("Survival of the size of a row", figure)
            + parts.legend(curves, self.look)
            + table
            + words.note(words.TAILS)
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
            f"<h2>Columns</h2>{words.note(words.COLUMNS)}{parts.legend(drawn, self.look)}"
            f'<div class="small">{"".join(inside)}</div>{more}'
        )

    def copying(self) -> str:
        rows, found = self.results["rows"], self.results["nearest"]
        near = {"held-out data": found["held-out data"]} | found
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
                words.note(words.PAIRS)
                + '<div class="strips">'
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
        curves = self.chart("Distance to the nearest training item", figure)
        return (
            "<h2>Memorisation</h2>"
            + words.note(words.COPYING)
            + f'<div class="pair">{curves}<div>{table}</div></div>'
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
                words.LOSS,
            )
            + parts.legend(loss, self.look)
            + parts.cost_table(whole, self.look)
            + words.note(words.COST)
        )

    def made(self) -> str:
        plan = self.plan
        options = ", ".join(f"{key}={value}" for key, value in plan.options.items()) or "the defaults"
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
        command = plan.command
        return (
            f"<h2>How this was made</h2><dl>{listed}</dl><pre><code>{parts.text(command)}</code></pre>"
            + words.note(words.METHOD)
        )
