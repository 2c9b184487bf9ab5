import numpy as np
import pytest
import torch

from unstir.lab.frames import MAGIC, pack, unpack


def test_a_frame_gives_back_what_was_packed() -> None:
    arrays = {
        "real": torch.linspace(0, 1, 7, dtype=torch.float64).reshape(7, 1),
        "bytes": np.arange(5, dtype=np.uint8),
        "whole": torch.arange(-3, 3),
        "pairs": np.arange(6, dtype=np.uint16).reshape(2, 3),
        "truth": torch.tensor([True, False, True]),
        "none": torch.empty(0, 2),
    }
    header, back = unpack(pack({"id": 3, "done": True}, arrays))
    assert header["id"] == 3
    assert {entry["name"]: entry["dtype"] for entry in header["arrays"]} == {
        "real": "f4", "bytes": "u1", "whole": "i4", "pairs": "u2", "truth": "u1", "none": "f4",
    }  # fmt: skip
    for name, array in arrays.items():
        assert back[name].shape == tuple(array.shape)
        np.testing.assert_array_equal(back[name], np.asarray(array, back[name].dtype))


def test_all_arrays_start_at_multiples_of_eight() -> None:
    arrays = {"a": np.zeros(3, np.uint8), "b": np.zeros(5, np.float32), "c": np.zeros(1, np.int32)}
    for length in range(9):
        frame = pack({"text": "x" * length}, arrays)
        start = 8 + int.from_bytes(frame[4:8], "little")
        header, _ = unpack(frame)
        assert frame[:4] == MAGIC
        assert start % 8 == 0
        assert all(entry["offset"] % 8 == 0 for entry in header["arrays"])


def test_a_number_that_json_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        pack({"loss": float("nan")}, {})


def test_bytes_that_are_no_frame_are_refused() -> None:
    with pytest.raises(ValueError, match="UNS1"):
        unpack(b"GIF89a..........")
    with pytest.raises(ValueError, match="few"):
        unpack(b"UN")
