"""Eigenvectors and components of the matting Laplacian, against dense algebra, pymatting and the theorem."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pymatting
import pytest
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.numerics import eigen
from trackmatte.numerics.laplacian import Operator, full_laplacian
from trackmatte.numerics.spectral import (
    as_layers,
    clusters,
    picture_eigenvectors,
    pulls,
    sparse_components,
    sparsity,
    spectral_components,
)


def regions(height: int = 24, width: int = 32) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Three colours with soft borders between neighbours, and their true layers (h, w, 3)."""
    x = np.linspace(0, 3, width)
    first = np.clip((1.15 - x) / 0.3, 0, 1)
    third = np.clip((x - 1.85) / 0.3, 0, 1)
    layers = np.stack([first, 1 - first - third, third], -1)
    colours = np.array([[0.9, 0.2, 0.1], [0.1, 0.8, 0.3], [0.2, 0.1, 0.9]])
    true = np.broadcast_to(layers, (height, width, 3)).copy()
    return true @ colours, true


def noisy(shape: tuple[int, int], seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(rng.random((*shape, 3)), (0, 0), 3)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return np.clip(smooth + rng.normal(0, 0.01, smooth.shape), 0, 1)


def test_full_laplacian_is_pymattings() -> None:
    rgb = noisy((13, 17))
    theirs = pymatting.cf_laplacian(rgb, epsilon=1e-5).toarray()
    assert np.abs(full_laplacian(rgb, 1e-5).matrix().toarray() - theirs).max() < 1e-10


def test_operator_is_the_matrix_with_its_links() -> None:
    rgb, rng = noisy((9, 11)), np.random.default_rng(1)
    system = full_laplacian(rgb, 1e-4, np.float32)
    x = rng.random((99, 3)).astype(np.float32)
    dense = system.matrix().toarray()
    assert Operator(system)(x) == pytest.approx(dense @ x, abs=1e-5)
    weights = rng.random((4, 4))
    weights = np.triu(weights, 1) + np.triu(weights, 1).T
    links, nodes = np.diag(weights.sum(1)) - weights, np.array([3, 3, 50, 98])
    for i in range(4):
        for j in range(4):
            dense[nodes[i], nodes[j]] += links[i, j]
    from scipy.sparse import csr_array

    joined = Operator(system, (csr_array(links), nodes))
    assert joined(x) == pytest.approx(dense @ x, abs=1e-5)
    assert joined.largest() >= np.linalg.eigvalsh(dense).max()


@pytest.mark.parametrize("shape", [(5, 5), (20, 26)])
def test_smallest_eigenvectors_are_those_of_dense_algebra(shape: tuple[int, int]) -> None:
    matrix = full_laplacian(noisy(shape), 1e-4).matrix()
    values, vectors = eigen.smallest_eigenvectors(matrix, 8)
    exact, basis = np.linalg.eigh(matrix.toarray())
    assert values == pytest.approx(exact[:8], abs=1e-8)
    overlap = np.linalg.svd(vectors.T @ basis[:, :8], compute_uv=False)
    assert overlap.min() > 1 - 1e-6


def test_smoothing_is_one_at_zero_and_damps_the_rest() -> None:
    matrix = full_laplacian(noisy((12, 12)), 1e-4).matrix().toarray().astype(np.float32)
    values, vectors = np.linalg.eigh(matrix.astype(np.float64))
    top, cut, degree = float(values.max()) * 1.01, 0.2, 10
    out = eigen.smoothed(lambda x: matrix @ x, vectors.astype(np.float32), cut, top, degree)
    gain = np.diag(vectors.T @ out)
    assert gain[0] == pytest.approx(1, abs=1e-3)
    assert np.abs(gain[values > cut]).max() < 2.5 * np.exp(-2 * degree * np.sqrt(cut / top))
    slow = (values > 1e-4) & (values < cut)
    assert (gain[slow] > 0).all()


def test_lifted_eigenvectors_span_what_exact_ones_do() -> None:
    rgb = noisy((40, 48))
    values, exact = picture_eigenvectors(rgb, 6)
    upper, lifted = picture_eigenvectors(rgb, 12, exact=480)
    assert lifted.shape == (1920, 12)
    assert (upper[:6] >= values - 1e-6).all()  # Ritz values lie above
    assert np.linalg.svd(exact.T @ lifted, compute_uv=False).min() > 0.9


def test_the_parabola_touches_the_sparsity_from_above() -> None:
    for gamma in (0.8, 0.9, 1.0):
        at = np.array([-0.2, 1e-5, 0.3, 0.5, 0.97, 1.4], np.float32)
        u, v = pulls(at, gamma)
        x = np.linspace(-0.5, 1.5, 401)
        for a, p, q in zip(at.astype(float), u.astype(float), v.astype(float), strict=True):

            def bowl(t: Any, p: float = p, q: float = q) -> Any:
                return p * t**2 + q * (1 - t) ** 2

            lift = sparsity(np.array(a), gamma) - bowl(a)
            assert (bowl(x) + lift - sparsity(x, gamma) > -1e-3).all()


def test_newtons_rounds_never_raise_the_energy() -> None:
    values, vectors = picture_eigenvectors(noisy((20, 24)), 12)
    labels = clusters(vectors[:, 1:], 4)
    energies = []
    for rounds in range(1, 8):
        alpha = sparse_components(vectors, labels, gamma=0.8, rounds=rounds, least=-1)
        assert np.abs(alpha.sum(1) - 1).max() < 1e-3
        energies.append(float(sparsity(alpha.astype(np.float64), 0.8).sum()))
    assert len(values) == 12
    assert (np.diff(energies) < 1e-3 * energies[0]).all()
    assert energies[-1] < 0.99 * energies[0]


def test_true_layers_lie_in_the_null_space_and_are_found() -> None:
    rgb, true = regions()
    matrix = full_laplacian(rgb, 1e-5).matrix()
    other = (noisy((24, 32), 5)[..., 0] > 0.5).ravel().astype(np.float64)
    assert float(other @ (matrix @ other)) > 10
    for i in range(3):
        layer = true[..., i].ravel()
        assert float(layer @ (matrix @ layer)) < 0.02  # the theorem: colours of a window lie on a line
    found = spectral_components(rgb, 3, eigenvectors=6, epsilon=1e-5)
    assert found.shape == true.shape
    assert np.abs(found.sum(-1) - 1).max() < 1e-5
    for i in range(3):
        assert min(np.abs(found[..., j] - true[..., i]).mean() for j in range(3)) < 0.03


def test_uint8_and_float_pictures_agree() -> None:
    byte = np.rint(noisy((12, 14)) * 255).astype(np.uint8)
    assert np.array_equal(spectral_components(byte, 3), spectral_components(byte / 255, 3))


def test_a_constant_picture_has_components() -> None:
    found = spectral_components(np.full((10, 12, 3), 0.5), 3, eigenvectors=8)
    assert np.isfinite(found).all()
    assert np.abs(found.sum(-1) - 1).max() < 1e-5


def test_layers_of_nothing_share_evenly() -> None:
    found = as_layers(np.array([[-1, -2], [0.5, 1.5], [0, 3]], np.float32))
    assert found.tolist() == [[0.5, 0.5], [0.6666666865348816, 0.3333333432674408], [1, 0]]


@pytest.mark.parametrize(
    ("rgb", "count", "words"),
    [
        (np.zeros((3, 3, 3)), 10, "10 components of 3x3 pixels"),
        (np.zeros((2, 9, 3)), 2, "3x3 is the least"),
        (np.full((4, 4, 3), np.nan), 2, "not finite"),
        (np.zeros((1001, 1000, 3), np.uint8), 2, "megapixels"),
    ],
)
def test_what_cannot_be_is_refused(rgb: NDArray[Any], count: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        spectral_components(rgb, count)


def test_matrices_too_large_for_elimination_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eigen, "MOST_UNKNOWNS", 50)
    matrix = full_laplacian(noisy((8, 8)), 1e-4).matrix()
    with pytest.raises(UsageError, match="eigenvectors of 64 pixels"):
        eigen.smallest_eigenvectors(matrix, 2)
    with pytest.raises(UsageError, match="0 eigenvectors"):
        eigen.smallest_eigenvectors(matrix, 0)
