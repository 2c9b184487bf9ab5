"""The training script of diffusers with our scheduler runs, and learns."""

from __future__ import annotations

import runpy
from pathlib import Path

from PIL import Image

EXAMPLE = Path(__file__).parents[2] / "examples" / "diffusers_training.py"


def test_training_code_of_diffusers(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    assert len(lines) <= 60
    assert sum("# was:" in line for line in lines) == 2
    main = runpy.run_path(str(EXAMPLE))["main"]
    assert main(50, str(tmp_path / "digits.png"), batch=16) < 0.7  # of the noise's variance
    with Image.open(tmp_path / "digits.png") as picture:
        assert picture.size[0] > 64
