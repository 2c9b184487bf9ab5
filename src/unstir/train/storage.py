"""Small files of a run, whole or absent (`data/whole.py`), and JSON that every reader takes."""

from __future__ import annotations

import json
import math

from unstir.data.whole import clear, explained, new_folder, write_bytes, write_text

__all__ = ["clear", "explained", "json_text", "new_folder", "write_bytes", "write_text"]


def json_text(value: object) -> str:
    """Strict JSON, indented: a number that is not finite becomes null."""
    return json.dumps(_finite(value), indent=1, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
