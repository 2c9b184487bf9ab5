from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from unstir.cli.networks import networks
from unstir.fields import NETWORKS, build_network


def test_every_network_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    networks()
    said = capsys.readouterr().out
    assert all(f"{name}:{size}" in said for name in NETWORKS for size in ("small", "base", "large"))


def test_a_shape_has_the_networks_that_take_it(capsys: pytest.CaptureFixture[str]) -> None:
    networks(shape="3×12x10", as_json=True)
    rows = json.loads(capsys.readouterr().out)
    shown = {row["network"] for row in rows}
    assert {"mlp", "unet", "dit"} <= shown
    assert not {"unet1d", "transformer"} & shown
    for row in rows:
        network = build_network(row["network"], row["shape"], {"size": row["size"]})
        assert row["parameters"] == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("shape", ["", "8x", "0x8", "-3", "1e3", "2x2x2x2", "99999x99999"])
def test_bad_shapes_are_refused(shape: str, refused: Callable[..., str]) -> None:
    assert f"shape={shape!r}: give" in refused(networks, shape=shape)
