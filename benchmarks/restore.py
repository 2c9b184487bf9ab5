"""Inverse problems on a trained run: PSNR of held-out images for each task and method, beside simple answers.

    python benchmarks/restore.py runs/digits/poisson-D128 [-n 12] [--samples 4] [--steps 20] [--json]

`sample` is one draw of the posterior, `mean` the mean of all draws of an image: the right answer to compare
with a filter, since a draw of the exact posterior lies 3 dB below its mean. `coverage` is the share of pixels
within two posterior deviations of the mean (0.95 where all is right, with many samples). `shown` is what is
there: grey for lost pixels, squares for small ones; `wiener` the best linear filter, with the mean and the
whole covariance of the training images.
"""

import argparse
import json
import time

import torch
from torch import Tensor
from torch.nn import functional

import unstir
from unstir.conditions import Measurement, parse_task
from unstir.restore import as_bytes, coverage, psnr, restore, rows_picture
from unstir.run import Run

TASKS = "inpaint superres:factor=2 deblur denoise sparse-ct:angles=5"
METHODS = "moments pigdm dps"


def filtered(run: Run, measurement: Measurement, observed: Tensor) -> Tensor:
    """The best linear estimate, from mean and covariance of the training images, as bytes."""
    train = run.data()[0].values[:10_000].double() / 255
    shape, flat = train.shape[1:], train.flatten(1)
    mean, covariance = flat.mean(0), flat.T.cov()
    seen_mean = measurement(mean.reshape(1, *shape)).flatten()
    columns = measurement(covariance.reshape(-1, *shape)).flatten(1)  # C Hᵀ
    power = measurement(columns.T.reshape(-1, *shape)).flatten(1)
    power = power + measurement.sigma**2 * torch.eye(len(power), dtype=torch.float64)
    weights = torch.linalg.solve(power, (observed.double().flatten(1) - seen_mean).T)
    return as_bytes((mean + (columns @ weights).T).reshape(-1, *shape))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("-n", type=int, default=12)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--tasks", default=TASKS)
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--solver", default=None)
    parser.add_argument(
        "--pictures", help="a folder for the rows: shown, wiener, each method's sample, clean"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    run = unstir.load(arguments.run)
    clean = run.data()[1].values[: arguments.n]
    shape, table = tuple(run.info.shape), []
    for name in arguments.tasks.split():
        task = parse_task(name)
        measurement = task.measurement(shape)
        observed = measurement.observe(clean.float() / 255, torch.Generator().manual_seed(0))
        rows = [as_bytes(task.shown(observed, shape)), filtered(run, measurement, observed)]
        table += [
            {"task": name, "answer": kind, "sample": psnr(row, clean)}
            for kind, row in zip(("shown", "wiener"), rows, strict=True)
        ]
        if observed.ndim == 4 and observed.shape[-2:] != shape[-2:] and name.startswith("superres"):
            smooth = as_bytes(functional.interpolate(observed, shape[-2:], mode="bicubic"))
            table.append({"task": name, "answer": "bicubic", "sample": psnr(smooth, clean)})
        for method in arguments.methods.split():
            start = time.process_time()
            drawn = restore(
                run,
                observed,
                measurement,
                method=method,
                samples=arguments.samples,
                solver=arguments.solver,
                steps=arguments.steps,
            )
            row = {"task": name, "answer": method, "sample": psnr(drawn[:, 0], clean)}
            if arguments.samples > 1:
                row |= {"mean": psnr(drawn.float().mean(1), clean), "coverage": coverage(drawn, clean)}
            table.append(row | {"cpu_s": time.process_time() - start})
            rows.append(drawn[:, 0])
        if arguments.pictures:
            shown = dict(zip(("measured", "Wiener", *arguments.methods.split()), rows, strict=True))
            picture = rows_picture(f"Restored by {name}", shown | {"truth": clean})
            picture.save(f"{arguments.pictures}/restore-{name.split(':')[0]}.png")
        if not arguments.json:
            for row in table[-(len(rows) + name.startswith("superres")) :]:
                numbers = "".join(f"{k} {v:8.3f}  " for k, v in row.items() if isinstance(v, float))
                print(f"{row['task']:20} {row['answer']:10} {numbers}", flush=True)
    if arguments.json:
        print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
