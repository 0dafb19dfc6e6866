"""Gaussian filtering of values at points of a space of many dimensions, by a sparse grid.

Values are spread over the corners of each point's cell, blurred along one dimension after another, and read back at the
corners. Only cells that hold a point exist, so the cost grows with the points, not with the volume. Source: the splat,
blur and slice of Adams, Baek and Davis 2010, Fast high-dimensional filtering using the permutohedral lattice, on cubic
cells as in Paris and Durand 2006, A fast approximation of the bilateral filter using a signal processing approach.
"""

import itertools

import numpy as np
from scipy import sparse

TAPS = (0.25, 0.5, 0.25)
CELL = (1 / 6 + 1 / 2 + 1 / 6) ** -0.5
"""The side of a cell in standard deviations: spreading, blurring and reading add up to a variance of 5/6 cells."""


class Lattice:
    """The approximate matrix K of Gaussian kernels exp(-|f_i - f_j|^2 / 2) between N points, normalised.

    Attributes:
        scale: (N,) float64, 1 / sqrt of the row sums of K.
    """

    def __init__(self, features: np.ndarray):
        """Build the grid.

        Args:
            features: (N, D) float, the points, in standard deviations of the kernel along each dimension.
        """
        points, dimensions = features.shape
        place = features / CELL
        low = np.floor(place).astype(np.int64)
        part = place - low
        corners = np.array(list(itertools.product((0, 1), repeat=dimensions)))
        cells = (low[:, None] + corners).reshape(-1, dimensions)
        weight = np.where(corners, part[:, None], 1 - part[:, None]).prod(axis=2)
        cells -= cells.min(axis=0) - 1  # room for a neighbour on either side
        sizes = cells.max(axis=0) + 2
        strides = np.concatenate([np.cumprod(sizes[::-1])[-2::-1], [1]]).astype(np.int64)
        keys, column = np.unique(cells @ strides, return_inverse=True)
        row = np.repeat(np.arange(points), len(corners))
        self._spread = sparse.csr_matrix((weight.ravel(), (row, column.ravel())), (points, len(keys)))
        self._blurs = [_blur(keys, int(stride)) for stride in strides]
        self.scale = 1 / np.sqrt(np.maximum(self._plain(np.ones((points, 1)))[:, 0], 1e-12))

    def filter(self, values: np.ndarray) -> np.ndarray:
        """Return D^-1/2 K D^-1/2 times values (N, C), D being the diagonal of K's row sums: (N, C) float64."""
        return self.scale[:, None] * self._plain(self.scale[:, None] * values)

    def _plain(self, values: np.ndarray) -> np.ndarray:
        grid = self._spread.T @ values
        for blur in self._blurs:
            grid = blur @ grid
        return self._spread @ grid


def _blur(keys: np.ndarray, stride: int) -> sparse.csr_matrix:
    """Return the blur of the cells `keys`, sorted, along the dimension whose neighbours lie `stride` apart."""
    number = np.arange(len(keys))
    rows, columns, taps = [number], [number], [np.full(len(keys), TAPS[1])]
    for step, tap in ((-stride, TAPS[0]), (stride, TAPS[2])):
        at = np.minimum(np.searchsorted(keys, keys + step), len(keys) - 1)
        there = keys[at] == keys + step
        rows.append(number[there])
        columns.append(at[there])
        taps.append(np.full(int(there.sum()), tap))
    cells = len(keys)
    return sparse.csr_matrix((np.concatenate(taps), (np.concatenate(rows), np.concatenate(columns))), (cells, cells))
