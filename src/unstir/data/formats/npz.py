"""NumPy's .npz: a zip of .npy files, each a short header and then the bytes of its array.

The arrays are `samples`; of signals `kind`; of a table with categories `columns` and `categories_J`; and
`labels` if any. The bytes are those that `np.savez` writes.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from unstir.data.categories import to_arrays
from unstir.data.formats.format import Part
from unstir.data.formats.raw import LABELS, Raw
from unstir.data.npy import KIND_NAME


class Npz(Raw):
    """`.npz`."""

    def join(self, parts: Sequence[Part], n: int, target: Path) -> None:
        layout = self.layout
        with target.open("xb") as stream:
            with zipfile.ZipFile(stream, "w") as archive:
                self._gather(archive, "samples", (n, *self.shape), self.dtype, parts, 0)
                short = {KIND_NAME: np.array("signal")} if layout.kind == "signal" else {}
                for name, array in (short | to_arrays(layout.columns, layout.categories)).items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, array, allow_pickle=False)
                if layout.labels is not None:
                    self._gather(archive, "labels", (n,), LABELS, parts, 1)
            stream.flush()
            os.fsync(stream.fileno())

    def _gather(
        self,
        archive: zipfile.ZipFile,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        parts: Sequence[Part],
        half: int,
    ) -> None:
        """One array, of which each part has a piece."""
        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            _header(member, shape, dtype)
            for part in parts:
                with part() as packed:
                    member.write(self.halves(packed)[half])


def _header(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    told = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, told)
