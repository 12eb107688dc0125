"""The baseline: paper-ecg's algorithm on the image itself, without any learning."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtrace.digitization.autocorrelation import MAX_DARK_GREY, estimate_grid_by_autocorrelation
from ecgtrace.digitization.postprocess import BRIDGED_CONFIDENCE, estimate_line_width, rows_to_signal
from ecgtrace.digitization.threshold import adaptive_threshold
from ecgtrace.digitization.viterbi import DISTANCE_WEIGHT, END_COLUMNS, bridge_gaps, run_centres, trace_rows
from ecgtrace.errors import TraceNotFoundError
from ecgtrace.types import FloatArray, GridScale, LeadSignal


@dataclass(frozen=True)
class BaselineDigitizer:
    """
    Digitize a crop as paper-ecg does (Fortune et al. 2022, https://doi.org/10.1016/j.cmpb.2022.106890).

    Adaptive threshold on the image, cheapest path through the runs of ink, scale from the
    autocorrelation of dark columns. Ink of a neighbouring lead is ink like any other: that is what
    makes it the baseline where traces overlap. Two things differ from the program: the post-processing is
    the one shared by all digitizers, as in the overlap paper (arXiv 2506.10617), and whether the grid lines
    found are 1 mm or 5 mm apart is decided from the image, not assumed.

    Attributes
    ----------
    fs_hz : float
        Sampling frequency of the result in Hz.
    max_factor, min_factor, factor_step : float
        Otsu's threshold is multiplied by the largest factor first (`threshold.adaptive_threshold`).
    denoise : bool
        Whether to remove specks of ink.
    distance_weight : float
        Weight of distance against change of direction along the path, in [0, 1] (`viterbi.step_cost`).
    end_columns : int
        The path ends in one of the last so many columns (`viterbi.cheapest_path`).
    max_dark_grey : int
        Highest grey level that counts as grid (`autocorrelation.dark_pixels`).
    square_mm : float or None
        Distance of the grid lines in mm; None to decide.
    px_per_mm : float or None
        Overrides the estimate of the scale.
    name : str
        Name of the digitizer in tables.
    """

    fs_hz: float = 500.0
    max_factor: float = 1.0
    min_factor: float = 0.6
    factor_step: float = 0.05
    denoise: bool = False
    distance_weight: float = DISTANCE_WEIGHT
    end_columns: int = END_COLUMNS
    max_dark_grey: int = MAX_DARK_GREY
    square_mm: float | None = None
    px_per_mm: float | None = None
    name: str = "baseline"

    def find_ink(self, image: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """
        Mark the ink (`threshold.adaptive_threshold`).

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)

        Returns
        -------
        ndarray of bool, shape (height, width)
        """
        return adaptive_threshold(image, self.max_factor, self.min_factor, self.factor_step, self.denoise)

    def find_rows(self, ink: NDArray[np.bool_]) -> FloatArray:
        """
        Follow the trace; gaps in it are bridged by straight lines, as in the original.

        Parameters
        ----------
        ink : ndarray of bool, shape (height, width)

        Returns
        -------
        ndarray of float, shape (width,)
            Row per column; NaN before the first and after the last node of the path.
        """
        return bridge_gaps(trace_rows(ink, self.end_columns, self.distance_weight))

    def __call__(self, image: NDArray[np.uint8]) -> LeadSignal:
        """
        Digitize one crop.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
            RGB.

        Returns
        -------
        LeadSignal
            The confidence of a column is one divided by its number of runs of ink, and low where
            a gap was bridged.

        Raises
        ------
        TraceNotFoundError
            If the threshold leaves no ink.
        GridNotFoundError
            If no grid period stands out.
        """
        ink = self.find_ink(image)
        row_px = self.find_rows(ink)
        known = np.flatnonzero(~np.isnan(row_px))
        if len(known) == 0:
            raise TraceNotFoundError(
                "no ink stands out of the paper: the image must show a dark trace on a lighter ground"
            )
        if self.px_per_mm is None:
            scale = estimate_grid_by_autocorrelation(image, self.max_dark_grey, self.square_mm)
        else:
            scale = GridScale(self.px_per_mm, self.px_per_mm, confidence=1.0)
        # As in `ink_extent`: a stroke reaches half its width beyond its first sample.
        start_px = min(known[0] - 0.5 + estimate_line_width(ink) / 2, float(known[-1]))
        return rows_to_signal(
            row_px,
            scale,
            self.fs_hz,
            start_px=float(start_px),
            end_px=float(known[-1]),
            confidence=_column_confidence(ink),
        )


def _column_confidence(ink: NDArray[np.bool_]) -> FloatArray:
    """Give one run of ink confidence 1, n runs 1 / n, and none that of a bridged sample."""
    columns, _ = run_centres(ink)
    runs = np.bincount(columns, minlength=ink.shape[1])
    return np.where(runs > 0, 1 / np.maximum(runs, 1), BRIDGED_CONFIDENCE)
