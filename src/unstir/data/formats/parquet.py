""".parquet: a table by its columns, or images as Hugging Face's `datasets` lays them out.

    image   struct {bytes: a .png, path: its name}      label   int64, if there are labels

The schema's metadata name the features, and the classes where they have names, so that `datasets` reads such
a file as it is. Each part is a row group.
"""

from __future__ import annotations

import json
import os
from abc import ABC
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from unstir.data.dataset import Dataset
from unstir.data.formats.format import Format, Part
from unstir.data.formats.pngs import pages
from unstir.data.formats.raw import as_array
from unstir.data.tables import parquet_bytes


class _Parquet(Format, ABC):
    """Parts that are each a .parquet of one row group."""

    def count(self, packed: IO[bytes]) -> int:
        from pyarrow import parquet

        count: int = parquet.ParquetFile(packed).metadata.num_rows
        return count

    def join(self, parts: Sequence[Part], n: int, target: Path) -> None:
        from pyarrow import parquet

        with parts[0]() as packed:
            schema = parquet.read_schema(packed)
        with target.open("xb") as stream:
            with parquet.ParquetWriter(stream, schema) as writer:
                for part in parts:
                    with part() as packed:
                        writer.write_table(parquet.read_table(packed))
            stream.flush()
            os.fsync(stream.fileno())


class TableParquet(_Parquet):
    """`.parquet` of a table."""

    def pack(self, part: Dataset, first: int) -> bytes:
        return parquet_bytes(as_array(part.values), self.layout.columns, self.layout.categories)


class ImageParquet(_Parquet):
    """`.parquet` of images."""

    def pack(self, part: Dataset, first: int) -> bytes:
        import pyarrow as pa
        from pyarrow import parquet

        image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        rows = [{"bytes": content, "path": name.rpartition("/")[2]} for name, content in pages(part, first)]
        columns: dict[str, Any] = {"image": pa.array(rows, image)}
        features: dict[str, Any] = {"image": {"_type": "Image"}}
        if part.labels is not None:
            columns["label"] = pa.array(part.labels.tolist(), pa.int64())
            features["label"] = _feature(self.layout.label_names)
        told = json.dumps({"info": {"features": features}})
        stream = BytesIO()
        parquet.write_table(pa.table(columns).replace_schema_metadata({"huggingface": told}), stream)
        return stream.getvalue()


def _feature(names: Sequence[str]) -> dict[str, Any]:
    if names:
        return {"names": list(names), "_type": "ClassLabel"}
    return {"dtype": "int64", "_type": "Value"}
