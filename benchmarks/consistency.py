"""Distilled runs: the Fréchet distance of one, two and four evaluations beside their teacher's.

    python benchmarks/consistency.py runs/digits/vp runs/digits/heat [--steps 100] [--n 1000] [--out FOLDER]

Each run is distilled (`unstir distill`) by the same number of steps; samples of both have the same classes.
Distances are of the pixels, as value/255, to the held-out images and to those trained on: there are four
times as many of these, so that less of the distance is chance and the ratio says more. The bar is 1.5 times
the teacher's. A run that is in FOLDER already is not distilled again.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import unstir
from unstir.measure import frechet_distance
from unstir.run import Run
from unstir.train.distill import student_config
from unstir.train.session import start, training

EVALUATIONS = (1, 2, 4)


def distilled(teacher: Path, steps: int, out: Path) -> tuple[Run, float]:
    """The student in `out`, and the seconds that it was trained."""
    if not (out / "checkpoints").exists():
        for _ in training(start(student_config(teacher, steps=steps, device="cpu"), out)):
            pass
    last = json.loads((out / "metrics.jsonl").read_text("utf-8").splitlines()[-1])
    return unstir.load(out, device="cpu"), float(last["seconds"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--steps", type=int, default=100, help="of distillation")
    parser.add_argument("--teacher-steps", type=int, default=None, help="evaluations of the teacher")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("runs/distilled"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = []
    for path in arguments.runs:
        teacher = unstir.load(path, device="cpu")
        references = [part.values.float() / 255 for part in reversed(teacher.data())]

        def distances(run: Run, steps: int | None) -> list[float]:
            images = run.sample(arguments.n, steps=steps).float() / 255
            return [frechet_distance(images, real) for real in references]  # noqa: B023  # called at once

        began = time.process_time()
        student, seconds = distilled(path, arguments.steps, arguments.out / path.name)
        row = {
            "process": teacher.process.name,
            "steps": student.step,
            "seconds": seconds,
            "cpu_seconds": time.process_time() - began,
            "teacher": distances(teacher, arguments.teacher_steps),
            "student": {k: distances(student, k) for k in EVALUATIONS},
        }
        table.append(row)
        if not arguments.json:
            parts = [f"teacher {row['teacher'][0]:.3f} {row['teacher'][1]:.4f}"]
            for k, found in row["student"].items():
                ratios = [a / b for a, b in zip(found, row["teacher"], strict=True)]
                parts.append(f"{k}: {found[0]:.3f} {found[1]:.4f} (x{ratios[0]:.2f} x{ratios[1]:.2f})")
            print(f"{row['process']:18}", "  ".join(parts), f"cpu {row['cpu_seconds']:.0f} s", flush=True)
    if arguments.json:
        json.dump(table, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
