"""Make the README's pictures: `python docs/pictures.py --run runs/demo` (two or three minutes).

All are what `unstir picture` draws, with noise ranges short enough to be seen beside the data. Only the one
at the top is put together here: a spiral by the exact field, and images of a trained run, born from noise.
"""

import argparse
from pathlib import Path

import torch
from matplotlib.figure import Figure

import unstir
from unstir import flow, picture
from unstir.picture.canvas import canvas, framed
from unstir.picture.looks import look_of

FOLDER = Path(__file__).parent / "pictures"

# A process's picture in tables: its file's name, the process, and which of its pictures.
THUMBNAILS = {
    "vp": ("vp", "lines"),
    "ve": ("ve", "lines"),
    "edm": ("edm", "lines"),
    "rectified": ("rectified", "lines"),
    "oscillator": ("oscillator", "lines"),
    "poisson": ("poisson:D=1", "lines"),
    "pfgm": ("pfgm", "hemisphere"),
    "yukawa": ("yukawa:kappa=0.3", "lines"),
    "levy": ("levy:alpha=1.5", "lines"),
    "kac": ("kac", "lines"),
    "heat": ("heat", "rod"),
    "blurring": ("blurring", "rod"),
    "heat_poisson": ("heat_poisson:D=4", "tails"),
    "capacitor": ("capacitor", "lines"),
    "coins": ("coins", "bell"),
    "pde": ("pde:row=wave", "lines"),
}
# Wide ones, for pages.
WIDE = {
    "langevin": ("langevin", "phase"),
    "vp-backward": ("vp", "backward"),
    "ve-backward": ("ve", "backward"),
    "edm-backward": ("edm", "backward"),
    "rectified-backward": ("rectified", "backward"),
    "oscillator-backward": ("oscillator", "backward"),
    "poisson-backward": ("poisson:D=1", "backward"),
    "poisson-tails": ("poisson:D=1", "tails"),
    "pfgm-backward": ("pfgm", "backward"),
    "yukawa-backward": ("yukawa:kappa=0.3", "backward"),
    "yukawa-tails": ("yukawa:kappa=0.3", "tails"),
    "levy-backward": ("levy:alpha=1.5", "backward"),
    "blurring-backward": ("blurring", "backward"),
    "heat_poisson-backward": ("heat_poisson:D=4", "backward"),
    "langevin-backward": ("langevin", "backward"),
    "capacitor-backward": ("capacitor", "backward"),
    "bridge": ("bridge", "backward"),
    "heat-backward": ("heat", "backward"),
    "coins-absorbing": ("coins:noise=absorbing", "backward"),
    "kac-forward": ("kac", "forward"),
    "tails": ("levy:alpha=1.5", "tails"),
    "hemisphere": ("poisson:D=1", "hemisphere"),
    "plane": ("edm", "plane"),
    "pde-table": ("pde", "table"),
}
# Steps of the walk at the top: where there is something to see.
PICKS = (0, 31, 38, 42, 45, 48, 52, 60)


def drawn(process: str, name: str) -> Figure:
    """One of a process's pictures."""
    view = picture.view_of(picture.parse(process))
    return next(one for one in picture.pictures(view) if one.name == name).draw(view)


def hero(run: unstir.Run, path: Path) -> None:
    """Two rows of eight moments: a spiral by the exact field, images by the run's network."""
    spiral = picture.view_of(picture.parse("poisson:D=2"))
    spiral_look = look_of(spiral.dataset, spiral.coder)
    streams = flow.Streams(1, 0, spiral_look.count)
    x = streams.draw(lambda g: spiral.process.prior(1, (2,), g))
    spiral_walk = list(flow.trajectory(spiral.process, spiral.field, x, steps=60, solver=flow.Heun()))
    digits = unstir.data.load("digits")
    image_look = look_of(digits, run.process.coder(digits))
    streams = flow.Streams(3, 0, image_look.count)
    x = streams.draw(lambda g: run.process.prior(1, run.info.shape, g))
    image_walk = list(flow.trajectory(run.process, run.field, x, steps=60, solver=flow.Heun()))

    figure = canvas(12, 3.1, 130)
    axes = figure.subplots(2, len(PICKS), gridspec_kw={"wspace": 0.06, "hspace": 0.06})
    figure.subplots_adjust(0.005, 0.01, 0.995, 0.99)
    for column, pick in enumerate(PICKS):
        with torch.no_grad():
            spiral_look.show(axes[0, column], spiral_walk[pick].state)
            image_look.show(axes[1, column], image_walk[pick].state)
        for axis in axes[:, column]:
            framed(axis)
    figure.savefig(path)


def main() -> None:
    """Write every picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="a run of images (make demo)")
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for file, (process, name) in (THUMBNAILS | WIDE).items():
        drawn(process, name).savefig(FOLDER / f"{file}.png")
    if arguments.run.exists():
        hero(unstir.load(arguments.run), FOLDER / "hero.png")


if __name__ == "__main__":
    main()
