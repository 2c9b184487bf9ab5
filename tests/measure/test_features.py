from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import Tensor

from unstir.errors import InputError
from unstir.measure import FeatureSpace, feature_space


def normal(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def digits() -> tuple[Tensor, Tensor]:
    data = load_digits()
    images = torch.as_tensor(data.images * 255 / 16).round().to(torch.uint8)[:, None]
    return images, torch.as_tensor(data.target)


def test_pixels_are_the_values_and_bytes_parts_of_255() -> None:
    images = torch.tensor([[[[0, 255]]], [[[51, 102]]]], dtype=torch.uint8)
    space = feature_space("pixels", images)
    torch.testing.assert_close(space(images), torch.tensor([[0.0, 1.0], [0.2, 0.4]]))
    assert space.name == "pixels"


def test_standard_takes_each_column_to_unit_width_and_leaves_a_constant_one_at_zero() -> None:
    table = normal(200, 3, 0) * torch.tensor([1.0, 1e4, 0.0]) + torch.tensor([0.0, 50.0, 7.0])
    found = feature_space("standard", table)(table)
    torch.testing.assert_close(found.mean(0), torch.zeros(3).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.std(0, correction=0), torch.tensor([1.0, 1.0, 0.0]).double())


def test_pca_is_scikit_learns_and_keeps_the_datas_units() -> None:
    reference, other = normal(80, 6, 0) * torch.arange(1.0, 7.0), normal(30, 6, 1)
    space = feature_space("pca:3", reference)
    expected = PCA(3).fit(reference.double().numpy())
    torch.testing.assert_close(space(other), torch.as_tensor(expected.transform(other.double().numpy())))
    assert space.note == f"{expected.explained_variance_ratio_.sum():.1%} of the variance"
    whole = feature_space("pca:6", reference)  # all components: a rotation, so distances stay
    torch.testing.assert_close(torch.pdist(whole(other)), torch.pdist(other.double()))


def test_pca_of_a_constant_set_is_no_error() -> None:
    space = feature_space("pca:1", torch.ones(5, 3))
    assert space(torch.ones(5, 3)).abs().max() < 1e-12


def test_logits_tell_digits_apart_and_report_their_accuracy() -> None:
    images, labels = digits()
    space = feature_space("logits", images, labels)
    accuracy = float(space.note.split()[2])
    assert accuracy > 0.95
    assert space.note.endswith("on 360 items")
    scores = space(images)
    assert scores.shape == (1797, 10)
    assert float((scores.argmax(1) == labels).double().mean()) >= accuracy
    assert scores.min() < 0  # scores before the softmax, not probabilities


def test_logits_of_noise_labels_admit_it() -> None:
    table = normal(300, 4, 0)
    space = feature_space("logits", table, torch.arange(300) % 3)
    assert float(space.note.split()[2]) < 0.6


def test_logits_are_the_same_every_time_and_do_not_touch_the_global_generator() -> None:
    table, labels = torch.cat([normal(50, 3, 0), normal(50, 3, 1) + 4]), torch.arange(100) // 50
    state = torch.random.get_rng_state()
    one, two = (feature_space("logits", table, labels)(table) for _ in range(2))
    assert one.equal(two)
    assert one.shape == (100, 1)  # two classes: one score
    assert float(((one[:, 0] > 0).long() == labels).double().mean()) > 0.95
    assert torch.random.get_rng_state().equal(state)


def test_columns_of_very_different_units_do_not_hide_the_one_that_tells() -> None:
    table = normal(400, 2, 0) * torch.tensor([1e4, 1.0])
    space = feature_space("logits", table, (table[:, 1] > 0).long())
    assert float(space.note.split()[2]) > 0.9


def test_a_function_gets_floats_of_the_items_own_shape_in_batches() -> None:
    seen: list[tuple[int, ...]] = []

    def brightness(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        return x.mean((1, 2, 3))

    images = torch.full((1500, 1, 4, 4), 51, dtype=torch.uint8)
    space = feature_space(brightness, images)
    torch.testing.assert_close(space(images), torch.full((1500, 1), 0.2))
    assert space.name == "brightness"
    assert seen == [(1024, 1, 4, 4), (476, 1, 4, 4)]


@pytest.mark.parametrize(
    "name", ["pixel", "pca", "pca:0", "pca:x", "pca:2.5", "pca:-1", "pca:9", "", "pca:²"]
)
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match="pca:K") as caught:
        feature_space(name, normal(20, 8, 0))
    assert f"features={name!r}" in str(caught.value)
    if not name.startswith("pca"):
        assert "pixels, standard, pca:K, logits" in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "needs labels|trains on labels"),
        (torch.zeros(20), "1 classes"),
        (torch.arange(20), "20 classes, 1 items in the smallest"),
        (torch.zeros(19), "20 items"),
    ],
)
def test_logits_without_fit_labels_name_the_mend(labels: Tensor | None, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        feature_space("logits", normal(20, 2, 0), labels)
    assert "labels" in str(caught.value)


def test_bad_values_and_functions_are_refused() -> None:
    reference = normal(20, 2, 0)
    with pytest.raises(InputError, match="reference is NaN"):
        feature_space("pixels", reference / 0)
    with pytest.raises(InputError, match=r"fitted to \(2,\)"):
        feature_space("pixels", reference)(torch.zeros(4, 3))

    def broken(x: Tensor) -> Tensor:
        return x / 0

    def short(x: Tensor) -> Tensor:
        return x[:1]

    with pytest.raises(InputError, match="features='broken' is NaN"):
        feature_space(broken, reference)(reference)
    with pytest.raises(InputError, match="features='short' must return"):
        feature_space(short, reference)(reference)
    assert isinstance(feature_space(broken, reference), FeatureSpace)
