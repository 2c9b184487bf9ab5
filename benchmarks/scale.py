"""Large jobs of samples: what writing part by part costs, how much memory they take, and what a kill does.

    python benchmarks/scale.py runs/digits/edm --steps 1
    python benchmarks/scale.py runs/digits/edm --steps 1 --n 5000 50000     memory and speed of whole jobs
    python benchmarks/scale.py --kills 50                                   kill -9 and go on, the same bytes

Overhead: CPU seconds of a job to a file against those of `Run.sample` alone, of the same samples, by turns.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import unstir
from unstir.jobs import Drawing, Options, folder_of, work
from unstir.run import Run


def seconds(task: object) -> tuple[float, float]:
    """CPU and wall."""
    wall, cpu = time.perf_counter(), time.process_time()
    task()  # type: ignore[operator]
    return time.process_time() - cpu, time.perf_counter() - wall


def overhead(run: Run, steps: int, n: int, rounds: int, place: Path) -> dict[str, object]:
    def alone() -> None:
        run.sample(n, steps=steps)

    def job(name: str) -> None:
        target = place / name
        work(Drawing(run, target, n, Options(steps=steps)))
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()

    run.sample(64, steps=steps)
    found: dict[str, list[tuple[float, float]]] = {"alone": []}
    names = ["samples.npz", "samples.zip", "samples.parquet", "samples"]
    for _ in range(rounds):
        found["alone"].append(seconds(alone))
        for name in names:
            found.setdefault(name, []).append(seconds(lambda name=name: job(name)))
    told: dict[str, object] = {
        "n": n,
        "samples_per_cpu_second": n / statistics.median(c for c, _ in found["alone"]),
    }
    for name in names:
        ratios = [ours / theirs for (ours, _), (theirs, _) in zip(found[name], found["alone"], strict=True)]
        told[name] = {"ratio": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    return told


def whole(run: Path, steps: int, n: int, place: Path) -> dict[str, object]:
    """A job through the command line: its speed, and its peak memory."""
    words = [
        "sample",
        str(run),
        "-n",
        str(n),
        "--steps",
        str(steps),
        "--out",
        str(place / f"{n}.npz"),
        "--json",
    ]
    process = subprocess.Popen([sys.executable, "-m", "unstir", *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    cpu = usage.ru_utime + usage.ru_stime
    return {**json.loads(out), "cpu_seconds": round(cpu, 1), "peak_mib": usage.ru_maxrss // 1024}


def kills(count: int, place: Path, n: int) -> dict[str, object]:
    """A job that is killed so often, at times of chance, against one left in peace."""
    words = ["sample", "--exact", "digits", "--process", "edm", "-n", str(n), "--steps", "2"]
    command = [sys.executable, "-m", "unstir", *words, "--out"]
    subprocess.run(
        [*command, str(place / "straight.npz")],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wanted, draw = (place / "straight.npz").read_bytes(), random.Random(0)
    told = {"kills": 0, "launches": 0, "jobs": 0, "equal": 0}
    while told["kills"] < count:
        target, ended = place / f"killed-{told['jobs']}.npz", False
        while not ended:
            folder = folder_of(target)
            before = set(folder.glob("part-*"))
            process = subprocess.Popen(
                [*command, str(target)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            told["launches"] += 1
            while process.poll() is None and told["kills"] < count and set(folder.glob("part-*")) <= before:
                time.sleep(0.002)
            # From just after a part was kept to some way into the next ones, or into joining them.
            if told["kills"] < count:
                time.sleep(draw.expovariate(1 / 0.5))
                process.send_signal(signal.SIGKILL)
            ended = process.wait() == 0
            told["kills"] += process.returncode == -signal.SIGKILL
        told["jobs"] += 1
        told["equal"] += target.read_bytes() == wanted and not folder.exists()
    return dict(told)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--n", type=int, nargs="*", default=[])
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    told: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if given.kills:
            told["kills"] = kills(given.kills, place, 30_000)
        elif given.n:
            told["jobs"] = [whole(given.run, given.steps, n, place) for n in given.n]
        else:
            told["overhead"] = overhead(unstir.load(given.run), given.steps, 4096, given.rounds, place)
    if given.json:
        print(json.dumps(told))
        return
    for name, found in told.items():
        for row in found if isinstance(found, list) else [found]:
            print(name, *(f"{key}={value}" for key, value in row.items()), sep="\n    ")


if __name__ == "__main__":
    main()
