"""One to four evaluations: the Fréchet distances of consistency runs over those of their teachers.

    python benchmarks/consistency.py [--processes vp heat …] [--steps 150] [--alone 400] [--seed 0] [--n 1000]
    python benchmarks/consistency.py --data ../shared/data/fashion-mnist/train-images-idx3-ubyte.gz \\
        --features ../shared/data/fashion-mnist --teacher-steps 200 --batch 32

For each process a teacher (`unstir train --steps 400 --threads 1`), its student (`unstir distill`) and, with
`--alone`, a run of `--objective consistency` of so many steps. Samples of all have the same classes and prior
draws. Distances are of the pixels, as value/255, to the images trained on and to those held out: of digits
there are four times as many of the first, so that less of that distance is chance and its ratio says more.
With `--features` the logits of `features.py` take the pixels' place. The bar is 1.5 times the teacher's at
ten evaluations; what lies above it is marked. `cpu s` are the processor seconds of training, for a student
those of its teacher first. What is in the folder already is not made again.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import unstir
from digits import PROCESSES
from features import features
from unstir.measure import frechet_distance
from unstir.physics import LinearProcess, parse
from unstir.run import Run
from unstir.train.config import TrainConfig, make_config
from unstir.train.distill import student_config
from unstir.train.session import start, training

BAR, TEACHER, EVALUATIONS = 1.5, 10, (1, 2, 4)
LINEAR = [name for name in PROCESSES if isinstance(parse(name), LinearProcess)]


def trained(config: Callable[[], TrainConfig], out: Path) -> tuple[Run, float]:
    """The run in `out`, and the processor seconds that its training took."""
    spent = out / "cpu_seconds"
    if not spent.exists():
        began = time.process_time()
        for _ in training(start(config(), out)):
            pass
        spent.write_text(str(time.process_time() - began))
    return unstir.load(out, device="cpu"), float(spent.read_text())


def measured(run: Run, steps: int, arguments: argparse.Namespace) -> list[float]:
    """Distances of its samples to the images trained on and to those held out."""
    seen: Callable[[Tensor], Tensor] = _pixels
    if arguments.features is not None:
        seen = features(arguments.features).logits
    with torch.autocast("cpu", torch.bfloat16):  # moves a sample by about 0.0005
        images = run.sample(arguments.n, steps=steps, seed=arguments.seed)
    images = seen(images)
    return [frechet_distance(images, seen(part.values)) for part in run.data()]


def _pixels(images: Tensor) -> Tensor:
    return images.float() / 255


def row(process: str, arguments: argparse.Namespace) -> dict[str, object]:
    """What is measured of one process."""
    folder = arguments.out / process.replace(":", "-").replace("=", "")
    common = {"data": str(arguments.data), "process": process, "seed": arguments.seed, "threads": 1}
    common |= {"device": "cpu"} | ({"batch": arguments.batch} if arguments.batch else {})
    teacher, cpu = trained(
        lambda: make_config(common | {"steps": arguments.teacher_steps}), folder / "teacher"
    )
    found: dict[str, object] = {
        "process": process,
        "teacher": {"steps": teacher.step, "cpu": cpu, "distances": measured(teacher, TEACHER, arguments)},
    }
    asked = {
        f"student-{arguments.steps}": lambda: student_config(
            teacher.path, steps=arguments.steps, device="cpu", threads=1, seed=arguments.seed
        )
    }
    if arguments.alone:
        config = common | {"objective": "consistency", "steps": arguments.alone}
        asked[f"alone-{arguments.alone}"] = lambda: make_config(config)
    for name, config_of in asked.items():
        run, cpu = trained(config_of, folder / name)
        distances = {k: measured(run, k, arguments) for k in EVALUATIONS}
        found[name.partition("-")[0]] = {"steps": run.step, "cpu": cpu, "distances": distances}
    return found


def show(found: dict, names: tuple[str, str] = ("trained on", "held out")) -> None:
    """Print the lines of one process."""
    teacher = found["teacher"]
    for kind in ("student", "alone"):
        if kind not in found:
            continue
        part = found[kind]
        for place, name in enumerate(names):
            base = teacher["distances"][place]
            cells = [f"{found['process'] if not place else '':18} {kind if not place else '':8} {name:10}"]
            cells.append(f"{base:7.4f}")
            for values in part["distances"].values():
                ratio = values[place] / base
                cells.append(f"{values[place]:6.4f} ({ratio:.2f}){' MISSED' if ratio > BAR else '':7}")
            before = f"{teacher['cpu']:.0f} + " if kind == "student" else ""
            cells.append("" if place else f"{before}{part['cpu']:.0f}")
            print("  ".join(cells).rstrip(), flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--processes", nargs="+", default=LINEAR)
    parser.add_argument("--teacher-steps", type=int, default=400)
    parser.add_argument("--steps", type=int, default=150, help="of distillation")
    parser.add_argument("--alone", type=int, default=0, help="steps of a run without a teacher")
    parser.add_argument("--batch", type=int, help="of the teacher and its student; unstir's own by default")
    parser.add_argument("--seed", type=int, default=0, help="of training and samples")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--features", type=Path, help="measure in a classifier's logits of this data")
    parser.add_argument("--out", type=Path, default=Path("runs/consistency"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = []
    if not arguments.json:
        heads = "  ".join(f"{k:>6}{'':14}" for k in EVALUATIONS)
        print(f"{'process':38}  teacher  {heads}  cpu s")
    for process in arguments.processes:
        table.append(row(process, arguments))
        if not arguments.json:
            show(table[-1])
    if arguments.json:
        json.dump(table, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
