"""
Where the lines lie, patch by patch, from the phase of their repetition.

The picture is sampled on the paper's own millimetres, as far as they are known; what is left is a small
displacement of each patch of 10 mm, which shows when the patch, averaged along the lines, is compared with
the average of all patches. All multiples of 0.2 per mm count, each by its own noise, so that lines of any
strength, dots, and 5 mm lines alone are one case.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ecgtrace.sheet.plane import Lattice
from ecgtrace.types import FloatArray
from ecgtrace.units import LARGE_SQUARE_MM

PATCH_MM = 10.0
_SAMPLES_PER_MM = 8
_MULTIPLES = 15  # of 0.2 per mm: to a third of a millimetre
_SHIFT_MM, _STEP_MM = 0.5, 0.02  # lines 1 mm apart tell no more than half of it
_LEAST_SIGNAL = 8.0  # power over noise, of which the best of all shifts has 3
_FULL_SIGNAL = 100.0  # a patch counts no more than one as clear
_FLOOR = 1.0  # of the noise: a tenth of a grey level
_ROUNDS = 3
_LARGEST_MM = 700.0


@dataclass(frozen=True, eq=False)
class Patches:
    """
    The displacement of patches of paper.

    Attributes
    ----------
    places_mm : ndarray of float, shape (n, 2)
        Their middles, by the lattice that was given.
    shift_mm : ndarray of float, shape (n, 2)
        How far the lines lie from where that lattice has them, across each family; NaN where none are seen.
    signal : ndarray of float, shape (n, 2)
        How clearly they are seen: power of the lines over noise, times how much it is like the average patch.
    multiples : ndarray of float, shape (2, n_multiples)
        Power of the average patch at each multiple of 0.2 per mm, over noise.
    origin_mm : ndarray of float, shape (2,)
        Where the strongest lines lie, modulo 5 mm.
    inside : ndarray of bool, shape (n,)
        Whether the picture shows the patch whole.
    """

    places_mm: FloatArray
    shift_mm: FloatArray
    signal: FloatArray
    multiples: FloatArray
    origin_mm: FloatArray
    inside: NDArray[np.bool_]


def measure(
    darkness: NDArray[np.float32], lattice: Lattice, lowest: int = 1, highest: int = _MULTIPLES
) -> Patches:
    """
    Measure how far the lines of each patch lie from where a lattice has them.

    Parameters
    ----------
    darkness : ndarray of float32, shape (height, width)
    lattice : Lattice
        Of the same picture.
    lowest, highest : int, optional
        Multiples of 0.2 per mm that count.

    Returns
    -------
    Patches
    """
    start, shape = _extent(lattice)
    sampled = _sample(darkness, lattice, start, shape)
    size = int(PATCH_MM * _SAMPLES_PER_MM)
    rows, columns = shape
    blocks = sampled.reshape(rows, size, columns, size)
    inside = (blocks.min(axis=(1, 3)) >= 0).ravel()
    profiles = np.stack([blocks.mean(axis=1), blocks.mean(axis=3).swapaxes(1, 2)])
    profiles = profiles.reshape(2, rows * columns, size)
    middle_u = start[0] + (np.arange(columns) + 0.5) * PATCH_MM
    middle_v = start[1] + (np.arange(rows) + 0.5) * PATCH_MM
    places = np.stack(np.meshgrid(middle_u, middle_v), axis=-1).reshape(-1, 2)
    shifts, signals, multiples, origins = [], [], [], []
    for family in (0, 1):
        shift, signal, power, origin = _shifts(profiles[family], inside, lowest, highest)
        shifts.append(shift)
        signals.append(signal)
        multiples.append(power)
        origins.append(start[family] + origin)
    return Patches(
        places, np.stack(shifts, 1), np.stack(signals, 1), np.array(multiples), np.array(origins), inside
    )


def _extent(lattice: Lattice) -> tuple[FloatArray, tuple[int, int]]:
    """Return the corner, a multiple of 10 mm, and the rows and columns of patches around the lines seen."""
    seen = lattice.to_mm(lattice.centres)
    margin = 2 * PATCH_MM
    low = np.floor((seen.min(axis=0) - margin) / PATCH_MM) * PATCH_MM
    high = np.minimum(seen.max(axis=0) + margin, low + _LARGEST_MM)
    columns, rows = (int(n) for n in np.ceil((high - low) / PATCH_MM))
    return low, (rows, columns)


def _sample(
    darkness: NDArray[np.float32], lattice: Lattice, start: FloatArray, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Sample a picture on the millimetres of the paper; -1 outside of it."""
    scale = PATCH_MM * _SAMPLES_PER_MM
    height, width = int(shape[0] * scale), int(shape[1] * scale)
    # From samples to mm, and on to px.
    step = 1 / _SAMPLES_PER_MM
    to_mm = np.array([[step, 0, start[0] + step / 2], [0, step, start[1] + step / 2], [0, 0, 1.0]])
    matrix = np.linalg.inv(lattice.matrix) @ to_mm
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    sampled = cv2.warpPerspective(
        darkness, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=-1000
    )
    return np.asarray(sampled, np.float32)


def _shifts(
    profiles: NDArray[np.float32], inside: NDArray[np.bool_], lowest: int, highest: int
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """
    Compare the profiles across one family of lines with their average.

    Returns
    -------
    shift_mm, signal : ndarray of float, shape (n_patches,)
    multiples : ndarray of float, shape (n_multiples,)
    origin_mm : float
        Where the strongest line lies, from the first sample's mm on.
    """
    n = len(profiles)
    number = np.arange(1, _MULTIPLES + 1)
    spectrum = np.fft.rfft(profiles, axis=1).astype(np.complex128)
    line = spectrum[:, 2 * number]
    between = (np.abs(spectrum[:, 2 * number - 1]) ** 2 + np.abs(spectrum[:, 2 * number + 1]) ** 2) / 2
    # A patch of blank paper, or of a page without noise, must not look like one of lines.
    noise = np.median(between[inside], axis=0) + _FLOOR if inside.any() else np.ones(_MULTIPLES)
    own = np.maximum((between / noise).mean(axis=1), 1.0)
    power = np.abs(line) ** 2 / noise / own[:, None]
    multiples = np.median(power[inside], axis=0) if inside.any() else np.zeros(_MULTIPLES)
    weight = ((number >= lowest) & (number <= highest)) / noise
    shifts = np.arange(-_SHIFT_MM, _SHIFT_MM + _STEP_MM / 2, _STEP_MM)
    turn = np.exp(2j * np.pi * np.outer(number, shifts) / LARGE_SQUARE_MM)
    shift, signal = np.zeros(n), np.where(inside, 1.0, 0.0)
    mean = np.zeros(_MULTIPLES, np.complex128)
    for _ in range(_ROUNDS):
        aligned = line * np.exp(2j * np.pi * np.outer(shift, number) / LARGE_SQUARE_MM)
        mean = (np.minimum(signal, _FULL_SIGNAL) / own) @ aligned / max(float((signal / own).sum()), 1e-9)
        like = np.real((line * (weight * mean.conj())) @ turn)
        best = np.argmax(like, axis=1)
        at = np.clip(best, 1, len(shifts) - 2)
        left, middle, right = (like[np.arange(n), at + k] for k in (-1, 0, 1))
        bend = left - 2 * middle + right
        offset = np.where(bend < 0, (left - right) / np.where(bend < 0, 2 * bend, 1), 0.0)
        shift = shifts[at] + np.clip(offset, -1, 1) * _STEP_MM
        top = like.max(axis=1)
        scale = max(float(weight @ np.abs(mean) ** 2), 1e-12)
        signal = np.where(inside & (top > 0), top**2 / scale / own, 0.0)
    rim = (best == 0) | (best == len(shifts) - 1)
    shift = np.where((signal < _LEAST_SIGNAL) | rim, np.nan, shift)
    fine = np.arange(0, LARGE_SQUARE_MM, 0.01)
    drawn = np.real(mean @ np.exp(2j * np.pi * np.outer(number, fine) / LARGE_SQUARE_MM))
    # Sample 0 lies half a step after the corner.
    origin = float(fine[int(np.argmax(drawn))]) + 0.5 / _SAMPLES_PER_MM
    return shift, signal, multiples, origin
