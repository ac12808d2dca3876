"""Long calculations: told in order, ended at any step, and with matrix products on one thread each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from trackmatte.numerics.blas import single_blas
from trackmatte.numerics.spectral import sparse_components
from trackmatte.progress import Progress
from trackmatte.select.layers import Making, soft_layers

HOW = Making(count=3, superpixels=40, eigenvectors=10, components=6, pixels=600, coarse=300)


def noise(height: int = 30, width: int = 40) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((height, width, 3), np.float32)


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.fixture
def two_threads() -> Iterator[list[int]]:
    """Threads of each BLAS after two were asked for."""
    with threadpool_limits(2, user_api="blas"):
        yield blas_threads()


def test_a_watch_sees_the_whole_way_and_one_thread(two_threads: list[int]) -> None:
    seen: list[float] = []
    threads: set[int] = set()

    def watch(share: float) -> None:
        seen.append(share)
        threads.update(blas_threads())

    soft_layers(noise(), how=HOW, watch=watch)
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.1
    assert seen[-1] == pytest.approx(1)
    assert max(np.diff(seen)) < 0.25
    assert threads == {1}
    assert max(two_threads) == 2
    assert blas_threads() == two_threads


@pytest.mark.parametrize("part", [0, 0.3, 0.5, 0.7, 0.9, 0.97])
def test_what_a_watch_raises_ends_the_work(part: float, two_threads: list[int]) -> None:
    reached: list[float] = []

    def watch(share: float) -> None:
        reached.append(share)
        if share >= part:
            raise KeyError(share)

    with pytest.raises(KeyError):
        soft_layers(noise(), how=HOW, watch=watch)
    assert [s for s in reached if s >= part] == reached[-1:]  # nothing was called after it
    assert blas_threads() == two_threads


def test_the_limit_lasts_until_the_last_has_left(two_threads: list[int]) -> None:
    first, second = single_blas(), single_blas()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(blas_threads()) == {1}
    second.__exit__(None, None, None)
    assert blas_threads() == two_threads


def test_components_are_the_same_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(3)
    raw = np.concatenate([np.ones((3000, 1)), rng.normal(size=(3000, 11))], 1)
    vectors = np.linalg.qr(raw)[0]
    labels = rng.integers(0, 7, 3000)
    before, found = numba.get_num_threads(), []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            found.append(sparse_components(vectors, labels, rounds=4))
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("parts", [1, 100])
def test_speed_and_time_left_count_frames(parts: int) -> None:
    step: Any = Progress("layers", 3 * parts, 8 * parts, 1003, 6.0, 2 * parts, parts=parts)
    assert step.fps == pytest.approx(1 / 3)
    assert step.eta == pytest.approx(15)
