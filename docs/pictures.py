"""Make the README's pictures: `python docs/pictures.py --run runs/demo` (about half a minute).

Each shows what the library computes: a distribution on a line carried to its prior, with the lines of the
exact flow; a spiral and images of a trained run, born from noise.
"""

import argparse
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import unstir
from unstir import fields, flow, physics

FOLDER = Path(__file__).parent / "pictures"
BLUE, INK, PAPER = "#2563eb", "#0f172a", "#ffffff"

# Noise ranges short enough to be seen beside the data; poisson and yukawa with tails to be seen.
LINES = {
    "vp": "vp",
    "ve": "ve:sigma_min=0.02,sigma_max=1.5",
    "edm": "edm:sigma_min=0.005,sigma_max=1.5",
    "rectified": "rectified",
    "poisson": "poisson:D=1,sigma_min=0.005,sigma_max=1.5",
    "yukawa": "yukawa:kappa=0.3,sigma_min=0.005,sigma_max=1.5",
}


def line_picture(spec: str, path: Path) -> None:
    """p_t(x) on a line as colour, time to the right, with 40 lines of the exact flow."""
    process = physics.parse(spec)
    weights, means = torch.tensor([0.35, 0.45, 0.2]), torch.tensor([[-0.7], [0.15], [0.8]])
    oracle = fields.MixtureField(process, weights, means, torch.tensor([0.01, 0.015, 0.004]))
    clock = torch.linspace(0, 1, 160, dtype=torch.float64)
    times = process.t_min + clock * (process.t_max - process.t_min)
    x = torch.linspace(-4, 4, 400, dtype=torch.float64)[:, None]
    density = torch.stack([oracle.log_density(x, float(t)).exp() for t in times], 1)
    density = (density / density.amax(0)) ** 0.7

    uniform = (torch.arange(40, dtype=torch.float64) + 0.5) / 40
    far = process.prior(20000, (1,), torch.Generator().manual_seed(0), torch.float64)
    starts = torch.quantile(far[:, 0], uniform)[:, None]
    walk = list(
        flow.trajectory(
            process, oracle, starts, times=times.flip(0).tolist(), solver=flow.Heun(), denoise=False
        )
    )

    figure = Figure(figsize=(3.2, 1.8), dpi=160, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(density, origin="lower", aspect="auto", extent=(0, 1, -4, 4), cmap="Blues", vmin=0, vmax=1.25)
    lines = torch.stack([step.state[:, 0] for step in walk], 1)
    span = (torch.tensor([step.time for step in walk]) - process.t_min) / (process.t_max - process.t_min)
    for line in lines:
        axes.plot(span, line, color=INK, linewidth=0.5, alpha=0.55)
    axes.set(xlim=(0, 1), ylim=(-3, 3))
    axes.axis("off")
    figure.savefig(path)


def hero(run: unstir.Run, path: Path) -> None:
    """Two rows of eight moments: a spiral by the exact field, images by the run's network."""
    shown = 8
    process = physics.poisson(D=2)
    spiral = unstir.data.load("swissroll")
    points = unstir.data.Scaling.fit(spiral).to_model(spiral.values)
    streams = flow.Streams(1, 0, 1500)
    x = streams.draw(lambda g: process.prior(1, (2,), g))
    spiral_walk = list(
        flow.trajectory(process, fields.ExactField(process, points), x, steps=60, solver=flow.Heun())
    )
    streams = flow.Streams(3, 0, 9)
    x = streams.draw(lambda g: run.process.prior(1, run.info.shape, g))
    image_walk = list(flow.trajectory(run.process, run.field, x, steps=60, solver=flow.Heun()))

    figure = Figure(figsize=(12, 3.1), dpi=130, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, shown, gridspec_kw={"wspace": 0.06, "hspace": 0.06})
    figure.subplots_adjust(0.005, 0.01, 0.995, 0.99)
    picks = [0, 31, 38, 42, 45, 48, 52, 60]
    for column, pick in enumerate(picks):
        state = spiral_walk[pick].state
        # The frame follows the middle 80 % of the cloud.
        size = float(torch.quantile(state.abs(), 0.8)) * 1.9
        top, bottom = axes[0, column], axes[1, column]
        top.scatter(state[:, 0], state[:, 1], s=1.6, color=BLUE, alpha=0.7, linewidths=0)
        top.set(xlim=(-size, size), ylim=(-size, size), aspect="equal")
        images = image_walk[pick].state[:, 0]
        spread = max(float(images.std()), 0.5)
        images = (0.5 + (images - images.mean()) / (4 * spread)).clamp(0, 1)
        if pick == picks[-1]:
            images = run.scaling.to_data(image_walk[pick].state)[:, 0] / 255
        padded = torch.nn.functional.pad(images, (0, 1, 0, 1), value=1.0)
        grid = torch.cat([torch.cat(list(padded[i * 3 : i * 3 + 3]), 1) for i in range(3)], 0)
        bottom.imshow(grid[:-1, :-1], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        for axis in (top, bottom):
            axis.set(xticks=[], yticks=[])
            for side in axis.spines.values():
                side.set(color="#cbd5e1", linewidth=0.8)
    figure.savefig(path)


def main() -> None:
    """Write every picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="a run of images (make demo)")
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for name, spec in LINES.items():
        line_picture(spec, FOLDER / f"{name}.png")
    hero(unstir.load(arguments.run), FOLDER / "hero.png")


if __name__ == "__main__":
    main()
