"""How long imports take beside torch's: `python benchmarks/import_time.py [--rounds 7] [--json]`.

Each is a fresh interpreter, and the contestants take turns, so that a busy machine is busy for all. Processor
seconds, user and system, less those of an empty interpreter; the median over the rounds, and the ratio to
`import torch` of the same rounds. Bar: `import unstir` under 1.3 times `import torch`.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys

CONTESTANTS = {
    "import torch": ["-c", "import torch"],
    "import unstir": ["-c", "import unstir"],
    "unstir.fit found": ["-c", "import unstir; unstir.fit"],
    "unstir --help": ["-m", "unstir", "--help"],
    "unstir --version": ["-m", "unstir", "--version"],
}
BAR = 1.3


def seconds(arguments: list[str]) -> float:
    """Processor seconds of an interpreter with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    taken: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(arguments.rounds):
        empty = seconds(["-c", ""])
        for name, given in CONTESTANTS.items():
            taken[name].append(max(seconds(given) - empty, 0.0))
    torch = taken["import torch"]
    rows = {
        name: {
            "seconds": statistics.median(some),
            "ratio": statistics.median(a / b for a, b in zip(some, torch, strict=True)),
        }
        for name, some in taken.items()
    }
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    for name, row in rows.items():
        bar = f"   bar {BAR}: {'met' if row['ratio'] < BAR else 'MISSED'}" if name == "import unstir" else ""
        print(f"{name:18} {row['seconds']:6.3f} s   {row['ratio']:6.3f} of import torch{bar}")


if __name__ == "__main__":
    main()
