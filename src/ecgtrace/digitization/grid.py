"""
The scale of the paper, from the grid in the picture.

The steps are the paper's: grey levels -> clusters -> the middle cluster is the grid -> opening and
closing -> Hough lines -> spacing in x and y, square where one direction has too few lines. Where
and why we deviate:

- Grey is the darkest channel, not luminance: a pale red line (1, .93, .93) has the contrast of its
  green channel and not 70 % of it, and pictures that are grey already stay as they are.
- The clusters only tell ink from paper and grid. The middle cluster alone would lose pale minor
  lines, which fall into the cluster of the paper; so ink is removed and the rest keeps its grey.
- Closing and widening act on the ink. Lines are not enhanced by an opening, which noise and JPEG
  break, but by averaging along them, in strips.
- The Hough transform gives the direction; the spacing comes from the profile along it: a comb of
  harmonics finds the period, then all lines get integer numbers and a least-squares line through
  (number, position) is the scale. A mean of raw gaps counts every missed line as a gap of twice the
  size. A family counts only if its lines go from edge to edge, which the beats of a trace do not.
- Whether the period is 1 mm or 5 mm is decided from the two families of lines.

Hough for lines: Duda, R. O., & Hart, P. E. (1972). Communications of the ACM, 15(1), 11-15,
https://doi.org/10.1145/361237.361242. Clusters: Lloyd, S. P. (1982). IEEE Transactions on
Information Theory, 28(2), 129-137, https://doi.org/10.1109/TIT.1982.1056489. Comb of harmonics:
Schroeder, M. R. (1968). Period histogram and product spectrum. JASA, 43(4), 829-834,
https://doi.org/10.1121/1.1910902.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, uniform_filter1d

from ecgtrace.digitization.postprocess import estimate_line_width
from ecgtrace.errors import GridNotFoundError
from ecgtrace.types import FloatArray, GridScale
from ecgtrace.units import LARGE_SQUARE_MM

MINOR_PER_MAJOR = int(LARGE_SQUARE_MM)

_MAX_SIDE_PX = (2000, 4096)  # height, width worked on; 4096 px hold 170 mm even at 24 px/mm
_MIN_SIDE_PX = 16
_MAX_ANGLE_DEG = 5.0
_LINE_REACH_PX = 31  # lines are narrower than this, shading is wider
_MIN_CONTRAST = 1.0  # grey levels; JPEG blocks without any grid stay below it
_MIN_EXPLAINED = 0.2  # share of the profile's variance, see tests for what noise reaches
_MIN_PRESENT = 0.7  # share of the expected lines that are seen
_MIN_PERSISTENCE = 0.75  # noise gives 0.5 to 0.65, a grid 0.8 and more
_MIN_PERSISTENCE_ALONE = 0.95  # one family of lines along one axis: a trace reaches 0.9
_MIN_EXPLAINED_ALONE = 0.4
_MIN_LINES = 4
_TOLERANCE = 1.05  # scanners set to the ends of the plausible range
_SURE = 0.9  # above it both families of lines were seen
_NOISE_FLOOR = 0.5  # grey levels
_DRAWN_ERROR_PX = 0.29  # standard deviation of a line that the renderer snapped to whole pixels
_MAX_ERROR = 0.002  # standard error of a scale that is better than the assumption of squares
_MAX_ERROR_ALONE = 0.01  # above it a scale proves nothing, not even that the grid is not square
_NEAR_SQUARE = 1.35  # x and y of one paper differ by less than this factor
_TYPICAL_STROKE_MM = 0.35  # published dataset 0.31, printed records 0.3 to 0.5


@dataclass(frozen=True)
class _Comb:
    """Equally spaced lines along one axis; distances in px across the lines."""

    spacing_px: float  # between neighbouring lines of the family that is followed
    spacing_error: float  # standard error of the spacing, as a share of it
    positions_px: FloatArray
    present: float  # share of expected lines that were seen
    explained: float
    persistence: float  # share of strips in which a line is there
    mm: float | None  # what the spacing is in mm: 1, 5, or not decided


@dataclass(frozen=True)
class _Profile:
    """Darkness across one family of lines, averaged along them."""

    darkness: FloatArray  # above the paper around, in grey levels
    evened: FloatArray  # the same, strong lines counting little more than weak ones
    strips: FloatArray  # (n_strips, n): what the darkness is the mean of, NaN where ink was
    cosine: float  # of the lines' tilt: spacing across the lines = spacing along the axis * cosine


def detect_grid(
    image: NDArray[np.uint8],
    min_px_per_mm: float = 3.0,
    max_px_per_mm: float = 24.0,
) -> GridScale:
    """
    Find the pixels per millimetre of the paper in an image.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB.
    min_px_per_mm, max_px_per_mm : float, optional
        Plausible range: 76 dpi, below which a millimetre is three pixels, to 600 dpi. In images
        wider than 4096 px the upper end grows with the width.

    Returns
    -------
    GridScale
        `confidence` is the share of expected lines that were seen, times 0.8 where one axis copies
        the other, times 0.9 where one family of lines was seen and only one reading of it is
        plausible, times 0.5 where 1 mm and 5 mm both are and the width of the trace had to decide
        (0.3 without a trace).

    Raises
    ------
    GridNotFoundError
        If no family of at least four equally spaced lines stands out.
    ValueError
        If `image` is not RGB uint8.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"image must be RGB uint8 of shape (height, width, 3), got {image.dtype} {image.shape}"
        )
    height, width = image.shape[:2]
    if min(height, width) < _MIN_SIDE_PX:
        raise GridNotFoundError(
            f"{width} x {height} px are too few for a grid; crop more generously, or pass px_per_mm=..."
        )
    found: list[GridScale] = []
    for x0, y0 in _windows(height, width):
        part = image[y0 : y0 + _MAX_SIDE_PX[0], x0 : x0 + _MAX_SIDE_PX[1]]
        scale = _detect(part, min_px_per_mm, max_px_per_mm)
        if scale is not None:
            found.append(_moved(scale, x0, y0, 1.0, 1.0))
            break
    factor = max(height / _MAX_SIDE_PX[0], width / _MAX_SIDE_PX[1])
    if factor > 1 and not (found and found[0].confidence > _SURE):
        # A window of a huge picture may hold a few thick lines only; the whole tells.
        size = (max(_MIN_SIDE_PX, round(width / factor)), max(_MIN_SIDE_PX, round(height / factor)))
        small = _uint8(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        scale = _detect(small, min_px_per_mm, max_px_per_mm)
        if scale is not None:
            found.append(_moved(scale, 0, 0, width / size[0], height / size[1]))
    if found:
        return max(found, key=lambda scale: scale.confidence)
    raise GridNotFoundError(
        "no equally spaced grid lines stand out of the image; crop more generously, or pass px_per_mm=..."
    )


def _windows(height: int, width: int) -> list[tuple[int, int]]:
    """Return the corners of the windows to try: the middle first, then both ends."""
    spare_y, spare_x = max(0, height - _MAX_SIDE_PX[0]), max(0, width - _MAX_SIDE_PX[1])
    if not spare_x and not spare_y:
        return [(0, 0)]
    return [(int(spare_x * part), int(spare_y * part)) for part in (0.5, 0.1, 0.9)]


def _moved(scale: GridScale, x0: int, y0: int, factor_x: float, factor_y: float) -> GridScale:
    """Bring a scale found in a part of the image, or in a reduced image, to the whole image."""
    return replace(
        scale,
        px_per_mm_x=scale.px_per_mm_x * factor_x,
        px_per_mm_y=scale.px_per_mm_y * factor_y,
        lines_x=tuple((x + 0.5) * factor_x - 0.5 + x0 for x in scale.lines_x),
        lines_y=tuple((y + 0.5) * factor_y - 0.5 + y0 for y in scale.lines_y),
    )


def _detect(image: NDArray[np.uint8], min_px: float, max_px: float) -> GridScale | None:
    """Detect the grid with less and less taken for ink, until both families of lines are seen."""
    darkness = darkness_of(image)
    if np.ptp(darkness[::4, ::4]) < _MIN_CONTRAST:
        return None
    ink = ink_mask(darkness)
    stroke_px = estimate_line_width(ink) if ink.any() else None
    undecided: list[GridScale] = []
    without_lines = without_full_lines(ink)
    for mask in (ink, without_lines) if (without_lines != ink).any() else (ink,):
        # The blurred edge of a stroke is as grey as the grid.
        around_ink = _uint8(cv2.dilate(mask, np.ones((5, 5), np.uint8)))
        scale, decided = _joint_scale(darkness, around_ink, stroke_px, min_px, max_px)
        if decided:
            return scale
        # The beats of a trace are regular too, but only a grid has lines in both directions.
        if scale is not None and not (scale.square_assumed and mask is without_lines):
            undecided.append(scale)
    if undecided:
        return max(undecided, key=lambda scale: scale.confidence)
    scale, _ = _joint_scale(darkness, np.zeros_like(ink), None, min_px, max_px)
    return None if scale is None or scale.square_assumed else scale


def _uint8(image: NDArray) -> NDArray[np.uint8]:
    """Tell the type checker what OpenCV returns; copies nothing."""
    return np.asarray(image, dtype=np.uint8)


def darkness_of(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """
    Return 255 minus the darkest channel of each pixel: ink of any colour counts.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    ndarray of uint8, shape (height, width)
    """
    red, green, blue = cv2.split(np.ascontiguousarray(image))
    return _uint8(cv2.bitwise_not(cv2.min(cv2.min(red, green), blue)))


def intensity_clusters(grey: NDArray[np.uint8], n_iterations: int = 30) -> FloatArray:
    """
    Cluster the grey levels into paper, grid and ink.

    Lloyd's algorithm on the histogram: at most 256 weighted points, started evenly over the range,
    so that it is fast and draws no numbers.

    Parameters
    ----------
    grey : ndarray of uint8
        Grey levels, any shape.
    n_iterations : int, optional
        By default `30`; it stops earlier when nothing moves.

    Returns
    -------
    ndarray of float, shape (3,)
        Centres, ascending.
    """
    counts = np.bincount(grey.ravel(), minlength=256).astype(np.float64)
    levels = np.arange(256)
    used = np.flatnonzero(counts)
    centres = np.linspace(used[0], used[-1], 3)
    for _ in range(n_iterations):
        nearest = np.abs(levels[:, None] - centres).argmin(axis=1)
        weight = np.bincount(nearest, weights=counts, minlength=3)
        total = np.bincount(nearest, weights=counts * levels, minlength=3)
        moved = np.where(weight > 0, total / np.maximum(weight, 1), centres)
        if np.allclose(moved, centres, atol=0.01):
            break
        centres = moved
    return np.sort(centres)


def ink_mask(darkness: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """
    Mark the ink of traces and text: the darkest cluster, closed by morphology.

    Parameters
    ----------
    darkness : ndarray of uint8, shape (height, width)

    Returns
    -------
    ndarray of uint8, shape (height, width)
        {0, 1}.
    """
    _, grid, ink = intensity_clusters(darkness)
    mask = (darkness > (grid + ink) / 2).astype(np.uint8)
    return _uint8(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)))


def without_full_lines(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """
    Return the ink without the lines that cross the image: those are a dark grid's major lines.

    Where the major lines are as dark as the trace, or there is no trace, the darkest cluster holds
    them; taken away as ink, they would leave the minor lines to be read as the only family.

    Parameters
    ----------
    ink : ndarray of uint8, shape (height, width)
        {0, 1}.

    Returns
    -------
    ndarray of uint8, shape (height, width)
    """
    result = ink.copy()
    for axis in (0, 1):
        full = ink.mean(axis=axis) > 0.6
        # one full row is a flat trace, one full column a separator; three are a grid
        if (np.diff(full.astype(np.int8), prepend=0) == 1).sum() >= 3:
            result[(slice(None), full) if axis == 0 else full] = 0
    return result


def strip_means(darkness: NDArray[np.uint8], excluded: NDArray[np.uint8]) -> tuple[FloatArray, FloatArray]:
    """
    Average along vertical lines, in horizontal strips low enough for a tilted line to stay sharp.

    Parameters
    ----------
    darkness, excluded : ndarray of uint8, shape (height, width)
        `excluded` is 1 where a pixel must not count.

    Returns
    -------
    means : ndarray of float, shape (n_strips, width)
        NaN where less than a quarter of the pixels count.
    centres_px : ndarray of float, shape (n_strips,)
        Row of the middle of each strip.
    """
    height, width = darkness.shape
    strip = int(np.clip(height // 8, 4, 16))
    n_strips = height // strip
    shape = (n_strips, strip, width)
    counted = 1 - excluded[: n_strips * strip]
    number = counted.reshape(shape).sum(axis=1, dtype=np.float32)
    total = (darkness[: n_strips * strip] * counted).reshape(shape).sum(axis=1, dtype=np.float32)
    means = np.where(number >= strip / 4, total / np.maximum(number, 1), np.nan).astype(np.float64)
    return means, (np.arange(n_strips) + 0.5) * strip - 0.5


def _without_shading(rows: FloatArray) -> FloatArray:
    """Subtract the local mean across the lines, NaN-aware; what is not known becomes 0."""
    known = np.isfinite(rows)
    filled = np.where(known, rows, 0.0)
    size = min(_LINE_REACH_PX, rows.shape[-1])
    share = uniform_filter1d(known.astype(np.float64), size, axis=-1, mode="nearest")
    mean = uniform_filter1d(filled, size, axis=-1, mode="nearest") / np.maximum(share, 1e-6)
    return np.where(known & (share > 0.1), filled - mean, 0.0)


def hough_slope(strips: FloatArray, centres_px: FloatArray, max_angle_deg: float = _MAX_ANGLE_DEG) -> float:
    """
    Find the tilt of the lines by a Hough transform of their points.

    Each strip gives the points where it is darkest between its neighbours; each votes, with its
    contrast, for the offset of the line through it at every slope. The slope whose votes pile up
    most (largest sum of squares) wins. Slopes are few and the points one per line and strip, so
    that the whole accumulator costs a few milliseconds.

    Parameters
    ----------
    strips : ndarray of float, shape (n_strips, width)
        Darkness without shading.
    centres_px : ndarray of float, shape (n_strips,)
    max_angle_deg : float, optional

    Returns
    -------
    float
        Change of x per row.
    """
    if len(strips) < 2:
        return 0.0
    middle = strips[:, 1:-1]
    contrast = float(np.std(middle))
    is_line = (middle >= strips[:, :-2]) & (middle > strips[:, 2:]) & (middle > contrast)
    index, column = np.nonzero(is_line)
    if len(index) < 8:
        return 0.0
    vote = np.minimum(middle[index, column], 4 * contrast)
    y = centres_px[index] - centres_px.mean()
    x = (column + 1).astype(np.float64)

    def strength(slope: float, chosen: NDArray[np.bool_]) -> float:
        if not chosen.any():  # no line near the middle of a very wide or high picture
            return 0.0
        offset = np.rint(x[chosen] - slope * y[chosen]).astype(np.int64)
        votes = np.bincount(offset - offset.min(), weights=vote[chosen])
        smooth = votes[:-1] + votes[1:]  # a line that falls between two cells is no weaker
        return float((smooth**2).sum())

    # Coarse over at most 1000 rows, then fine over all.
    limit = np.tan(np.radians(max_angle_deg))
    near = np.abs(y) <= 500
    length_px = min(1000.0, float(np.ptp(centres_px)))
    slopes = _slopes(0.0, limit, 1.0 / length_px)
    best = slopes[int(np.argmax([strength(slope, near) for slope in slopes]))]
    fine = 0.5 / float(np.ptp(centres_px))
    everywhere = np.ones(len(y), dtype=bool)
    slopes = _slopes(best, 1.0 / length_px, fine)
    values = np.array([strength(slope, everywhere) for slope in slopes])
    best_values = np.flatnonzero(values >= values.max() * (1 - 1e-9))
    return float(slopes[best_values].mean())


def _slopes(centre: float, reach: float, step: float) -> FloatArray:
    n_steps = int(np.ceil(reach / step))
    return centre + np.arange(-n_steps, n_steps + 1, dtype=np.float64) * (reach / max(n_steps, 1))


def _profile_of(darkness: NDArray[np.uint8], excluded: NDArray[np.uint8]) -> _Profile:
    """Project the image along its (nearly) vertical lines."""
    means, centres_px = strip_means(np.ascontiguousarray(darkness), np.ascontiguousarray(excluded))
    strips = _without_shading(means)
    slope = hough_slope(strips, centres_px)
    x = np.arange(strips.shape[1], dtype=np.float64)
    middle = (darkness.shape[0] - 1) / 2
    known = np.isfinite(means)
    # Here only the level of each strip goes: the local mean would lower the paper beside a strong
    # line by more than a pale line rises above it.
    level = np.where(known, means, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    strips = np.where(known, means - level[:, None], 0.0)
    limit = 12 * float(np.std(strips)) + 1e-9  # a stray edge of ink counts no more than a strong line
    aligned = np.empty_like(strips)
    for row, (values, valid, centre) in enumerate(zip(strips, known, centres_px, strict=True)):
        at = x + slope * (centre - middle)
        aligned[row] = np.interp(at, x, np.clip(values, -limit, limit))
        inside = (at >= 0) & (at <= x[-1])
        aligned[row, ~inside | (np.interp(at, x, valid.astype(np.float64)) < 1)] = np.nan
    number = np.isfinite(aligned).sum(axis=0)
    profile = np.where(number > 0.2 * len(strips), np.nansum(aligned, axis=0) / np.maximum(number, 1), 0.0)
    darkness_above = profile - median_filter(profile, min(_LINE_REACH_PX, len(profile)), mode="nearest")
    return _Profile(darkness_above, evened(darkness_above), aligned, float(np.cos(np.arctan(slope))))


def evened(darkness: FloatArray) -> FloatArray:
    """
    Compress a profile: linear within its noise, logarithmic above.

    A major line of the published pages is 20 times as dark as a minor one. Uncompressed, the few
    major lines would be all that a comb fits, and where only two of them show, chance decides.

    Parameters
    ----------
    darkness : ndarray of float, shape (n,)

    Returns
    -------
    ndarray of float, shape (n,)
    """
    noise = max(1.48 * float(np.median(np.abs(darkness - np.median(darkness)))), _NOISE_FLOOR)
    return np.arcsinh(darkness / noise)


def comb_periods(
    profile: FloatArray, min_period_px: float, max_period_px: float
) -> tuple[FloatArray, FloatArray]:
    """
    Score all periods by the variance of the profile that a comb of their harmonics explains.

    Equals folding the profile at each period, but all at once from one spectrum. The share is
    adjusted for the number of harmonics, so that a period of two grid lines explains no more than
    that of one, and noise explains nothing at any period.

    Parameters
    ----------
    profile : ndarray of float, shape (n,)
    min_period_px, max_period_px : float

    Returns
    -------
    periods_px, explained : ndarray of float, shape (n_periods,)
        Ascending periods; share at most 1, may be negative.
    """
    n = len(profile)
    centred = profile - profile.mean()
    energy = float((centred**2).sum())
    step = 1 / (4 * 0.3 * n)  # in log period: the highest harmonic, 0.3 cycles/px, moves a quarter of a bin
    n_periods = max(2, int(np.log(max_period_px / min_period_px) / step) + 1)
    periods = np.geomspace(min_period_px, max_period_px, n_periods)
    if energy <= 1e-12:
        return periods, np.zeros(n_periods)
    n_fft = int(2 ** np.ceil(np.log2(6 * n)))
    power = np.abs(np.fft.rfft(centred, n_fft)) ** 2 * (2 / (n * energy))
    n_harmonics = np.clip((0.3 * periods).astype(np.int64), 1, min(24, n // 4))
    explained = np.zeros(n_periods)
    for k in range(1, int(n_harmonics.max()) + 1):
        has = np.flatnonzero(n_harmonics >= k)
        explained[has] += power[np.rint(k * n_fft / periods[has]).astype(np.int64)]
    free = np.maximum(n - 2 * n_harmonics - 1, 1)
    return periods, 1 - (1 - np.minimum(explained, 1)) * (n - 1) / free


def fundamental_period(
    profile: FloatArray, min_period_px: float, max_period_px: float
) -> tuple[float, float]:
    """
    Find the shortest period that explains nearly as much as the best one.

    Parameters
    ----------
    profile : ndarray of float, shape (n,)
    min_period_px, max_period_px : float
        The longest period is also bound by the profile, which must hold it 2.5 times.

    Returns
    -------
    period_px, explained : float
        `(nan, 0.0)` where the range is empty.
    """
    longest = min(max_period_px, len(profile) / 2.5)
    if longest <= min_period_px:
        return float("nan"), 0.0
    periods, explained = comb_periods(profile, min_period_px, longest)
    if explained.max() <= 0:
        return float("nan"), 0.0
    good = explained >= 0.85 * explained.max()
    first = int(np.argmax(good))
    # climb to the local maximum of the first period that is good enough
    end = first
    while end < len(periods) and good[end]:
        end += 1
    best = first + int(np.argmax(explained[first:end]))
    return float(periods[best]), float(explained[best])


def _phase(profile: FloatArray, period_px: float) -> float:
    """Return where in [0, period) the darkest line of the folded profile stands."""
    n_bins = max(8, int(np.ceil(2 * period_px)))
    bins = (np.arange(len(profile)) / period_px % 1 * n_bins).astype(np.int64)
    total = np.bincount(bins, weights=profile, minlength=n_bins)
    number = np.bincount(bins, minlength=n_bins)
    folded = np.where(number > 0, total / np.maximum(number, 1), -np.inf)
    triple = np.maximum(folded, profile.min())
    triple = triple + 0.5 * (np.roll(triple, 1) + np.roll(triple, -1))
    return (float(np.argmax(triple)) + 0.5) / n_bins * period_px


def line_contrasts(
    profile: FloatArray, first_px: float, spacing_px: float
) -> tuple[NDArray[np.int64], FloatArray]:
    """
    Measure how much darker each expected line is than the paper half way to its neighbours.

    Parameters
    ----------
    profile : ndarray of float, shape (n,)
    first_px, spacing_px : float
        Position of line 0 and distance between lines.

    Returns
    -------
    numbers : ndarray of int, shape (n_lines,)
        Of the lines that lie inside with both of their sides.
    contrasts : ndarray of float, shape (n_lines,)
    """
    n = len(profile)
    low = np.ceil((spacing_px / 2 - first_px) / spacing_px)
    high = np.floor((n - 1 - spacing_px / 2 - first_px) / spacing_px)
    numbers = np.arange(int(low), int(high) + 1, dtype=np.int64)
    centres = first_px + numbers * spacing_px
    x = np.arange(n)
    reach = min(
        1.0, spacing_px / 8
    )  # the darkest of three points: a period that is slightly off costs nothing
    line = np.max([np.interp(centres + d, x, profile) for d in (-reach, 0, reach)], axis=0)
    paper = [np.interp(centres + side * spacing_px / 2, x, profile) for side in (-1, 1)]
    return numbers, np.asarray(line - np.mean(paper, axis=0), dtype=np.float64)


def persistence(strips: FloatArray, first_px: float, spacing_px: float) -> float:
    """
    Measure how far the expected lines go from edge to edge.

    A line of the grid is there in every strip, which the beats of a trace, letters and chance are
    not, however regular. A pair of strip and line counts 1 where the line is darker than the paper
    half way to both neighbours; noise gives 0.5, a strip without ink and grid 0.

    Parameters
    ----------
    strips : ndarray of float, shape (n_strips, n)
        Darkness, aligned along the lines; NaN where it is not known.
    first_px, spacing_px : float
        Position of line 0 and distance between lines.

    Returns
    -------
    float
        Share in [0, 1] of the pairs that are known.
    """
    n = strips.shape[1]
    numbers = np.arange(np.ceil(-first_px / spacing_px), np.floor((n - 1 - first_px) / spacing_px) + 1)
    centres = first_px + numbers * spacing_px
    centres = centres[(centres >= spacing_px / 2 + 1) & (centres <= n - 2 - spacing_px / 2)]

    def at(position: FloatArray) -> FloatArray:
        index = np.rint(position).astype(np.int64)
        if spacing_px < 8:
            return strips[:, index]
        return (strips[:, index - 1] + strips[:, index] + strips[:, index + 1]) / 3

    contrast = at(centres) - (at(centres - spacing_px / 2) + at(centres + spacing_px / 2)) / 2
    known = np.isfinite(contrast)
    return float((contrast[known] > 1e-6).mean()) if known.any() else 0.0


def has_minor_lines(profile: FloatArray, first_px: float, spacing_px: float) -> bool:
    """
    Tell whether four weaker lines stand at the fifths between the lines given.

    Parameters
    ----------
    profile : ndarray of float, shape (n,)
    first_px, spacing_px : float
        Position of line 0 and the distance between lines.

    Returns
    -------
    bool
        True where the lines are therefore the major ones, 5 mm apart.
    """
    if spacing_px / MINOR_PER_MAJOR < 2.5:
        return False
    numbers, contrasts = line_contrasts(profile, first_px, spacing_px / MINOR_PER_MAJOR)
    kind = numbers % MINOR_PER_MAJOR
    if min(np.bincount(kind, minlength=MINOR_PER_MAJOR)) < 2:
        return False
    by_kind = np.array([np.median(contrasts[kind == k]) for k in range(MINOR_PER_MAJOR)])
    minor = contrasts[(kind == 2) | (kind == 3)]  # 1 and 4 may lie in the blur of the major lines
    error = 1.25 * 1.48 * np.median(np.abs(minor - np.median(minor))) / np.sqrt(len(minor))
    return bool(by_kind[2:4].min() > 0 and np.median(minor) > max(4 * error, 0.02 * by_kind[0], 0.2))


def has_major_lines(profile: FloatArray, first_px: float, spacing_px: float) -> bool:
    """
    Tell whether every fifth of the lines given is stronger than the others.

    Parameters
    ----------
    profile : ndarray of float, shape (n,)
    first_px, spacing_px : float
        Position of line 0 and the distance between lines.

    Returns
    -------
    bool
        True where the lines are therefore 1 mm apart.
    """
    numbers, contrasts = line_contrasts(profile, first_px, spacing_px)
    kind = numbers % MINOR_PER_MAJOR
    if min(np.bincount(kind, minlength=MINOR_PER_MAJOR)) < 2:
        return False
    by_kind = np.array([np.median(contrasts[kind == k]) for k in range(MINOR_PER_MAJOR)])
    strong = int(np.argmax(by_kind))
    others = contrasts[kind != strong]
    spread = 1.48 * np.median(np.abs(others - np.median(others)))
    error = 1.25 * spread / np.sqrt((kind == strong).sum())
    rise = by_kind[strong] - np.median(others)
    runner_up = np.sort(by_kind)[-2] - np.median(others)
    return bool(rise > max(5 * error, 0.2 * np.median(others)) and rise > 2 * runner_up)


def fit_lines(
    profile: FloatArray, first_px: float, spacing_px: float
) -> tuple[float, float, float, FloatArray, float]:
    """
    Fit equally spaced lines to a profile by least squares with integer line numbers.

    Each line is located by the centroid of its darkness around the place where the last fit expects
    it; lines that lie further off than 15 % of the spacing are left out of the next fit.

    Parameters
    ----------
    profile : ndarray of float, shape (n,)
    first_px, spacing_px : float
        First estimate.

    Returns
    -------
    first_px, spacing_px : float
        Position of line 0, spacing.
    error : float
        Standard error of the spacing as a share of it; infinity for fewer than three lines.
    positions_px : ndarray of float
        The lines that the fit rests on.
    present : float
        Share of the expected lines that were seen.
    """
    x = np.arange(len(profile))
    offset = np.linspace(-0.3, 0.3, 25) * min(spacing_px, _LINE_REACH_PX)
    positions: FloatArray = np.empty(0)
    error, present = float("inf"), 0.0
    for _ in range(3):
        low, high = np.ceil(-first_px / spacing_px), np.floor((len(profile) - 1 - first_px) / spacing_px)
        numbers = np.arange(int(low), int(high) + 1, dtype=np.float64)
        expected = first_px + numbers * spacing_px
        inside = (expected > 1.5) & (expected < len(profile) - 2.5)
        expected, numbers = expected[inside], numbers[inside]
        if len(expected) < 2:
            return first_px, spacing_px, float("inf"), expected, 0.0
        window = np.interp(expected[:, None] + offset, x, profile)
        base = np.minimum(window[:, 0], window[:, -1])[:, None]
        peak = window.max(axis=1, keepdims=True)
        height = (peak - base)[:, 0]
        mass = np.maximum(window - (base + peak) / 2, 0)
        found = expected + (mass * offset).sum(axis=1) / np.maximum(mass.sum(axis=1), 1e-12)
        # a centroid at the rim of its window has not found a line
        seen = (height > 0.3 * np.median(height)) & (np.abs(found - expected) < 0.15 * spacing_px)
        present = float(seen.mean())
        if seen.sum() < 3:
            return first_px, spacing_px, float("inf"), found[seen], present
        number, position = numbers[seen], found[seen]
        first_px, spacing_px, spread, weight = _robust_line(number, position)
        positions = position
        centred = number - (weight @ number) / weight.sum()
        error = spread / spacing_px / np.sqrt(max(float((weight * centred**2).sum()), 1e-9))
    return first_px, spacing_px, error, positions, present


def _robust_line(number: FloatArray, position: FloatArray) -> tuple[float, float, float, FloatArray]:
    """Fit position = intercept + slope * number by Tukey's biweight: a line under a letter must not pull."""
    weight = np.ones(len(number))
    for _ in range(4):
        total = weight.sum()
        mean_number, mean_position = (weight @ number) / total, (weight @ position) / total
        centred = number - mean_number
        slope = (weight * centred) @ (position - mean_position) / ((weight * centred) @ centred)
        intercept = mean_position - slope * mean_number
        residual = np.abs(position - intercept - slope * number)
        spread = max(1.48 * float(np.sort(residual)[len(residual) // 2]), _DRAWN_ERROR_PX)
        weight = np.maximum(1 - (residual / (4.7 * spread)) ** 2, 0) ** 2 + 1e-6
    return float(intercept), float(slope), spread, weight


def _comb_at(profile: _Profile, period_px: float, explained: float) -> _Comb | None:
    """Follow the lines of one period, and decide from both families what the period is in mm."""
    phase = _phase(profile.evened, period_px)
    first, spacing, error, positions, present = fit_lines(profile.evened, phase, period_px)
    if len(positions) < _MIN_LINES - 1 or present < _MIN_PRESENT:
        return None
    _, contrasts = line_contrasts(profile.darkness, first, spacing)
    if len(contrasts) < _MIN_LINES - 2 or np.median(contrasts) < _MIN_CONTRAST:
        return None
    lasting = persistence(profile.strips, first, spacing)
    if lasting < _MIN_PERSISTENCE:
        return None
    if has_major_lines(profile.darkness, first, spacing):
        return _Comb(spacing, error, positions, present, explained, lasting, 1.0)
    if not has_minor_lines(profile.darkness, first, spacing):
        return _Comb(spacing, error, positions, present, explained, lasting, None)
    _, minor, minor_error, minor_positions, minor_present = fit_lines(
        profile.evened, first, spacing / MINOR_PER_MAJOR
    )
    if minor_present >= _MIN_PRESENT and minor_error < error:  # more lines, so more exact
        return _Comb(minor, minor_error, minor_positions, minor_present, explained, lasting, 1.0)
    return _Comb(spacing, error, positions, present, explained, lasting, LARGE_SQUARE_MM)


def _find_comb(profile: _Profile, min_period_px: float, max_period_px: float) -> _Comb | None:
    """Find the family of equally spaced lines in a profile, None where none stands out."""
    period, explained = fundamental_period(profile.evened, min_period_px, max_period_px)
    if explained < _MIN_EXPLAINED:
        return None
    return _comb_at(profile, period, explained)


def _joint_scale(
    darkness: NDArray[np.uint8],
    excluded: NDArray[np.uint8],
    stroke_px: float | None,
    min_px: float,
    max_px: float,
) -> tuple[GridScale | None, bool]:
    """
    Find the scale of the clearer axis, then look for the other one near it.

    Returns the scale, None where there is no plausible one, and whether both families of lines
    were seen: two families of an implausible scale must not be read as one of another.
    """
    profiles = _profile_of(darkness, excluded), _profile_of(darkness.T, excluded.T)
    found = [
        _find_comb(profile, min_px / _TOLERANCE, LARGE_SQUARE_MM * max_px * _TOLERANCE)
        for profile in profiles
    ]
    clear = [
        (comb.mm is not None, len(comb.positions_px), axis)
        for axis, comb in enumerate(found)
        if comb is not None and len(comb.positions_px) >= _MIN_LINES
    ]
    for _, _, axis in sorted(clear, reverse=True):
        comb = found[axis]
        assert comb is not None
        mm, certainty = _decide_mm(comb, stroke_px, min_px, max_px)
        if mm is None and comb.mm is not None:
            return None, True
        if mm is None:
            continue
        scale = _scale_from(profiles, axis, replace(comb, mm=mm), certainty)
        # One family along one axis could be the beats of a trace: then every line must be whole.
        whole = comb.persistence >= _MIN_PERSISTENCE_ALONE and comb.explained >= _MIN_EXPLAINED_ALONE
        if comb.mm is not None or not scale.square_assumed or whole:
            return scale, comb.mm is not None
    return None, False


def _scale_from(profiles: tuple[_Profile, _Profile], axis: int, comb: _Comb, certainty: float) -> GridScale:
    """Complete the scale of one axis (0 is x) by that of the other, or by the square."""
    assert comb.mm is not None
    px_per_mm = comb.spacing_px / comb.mm * profiles[axis].cosine
    other = profiles[1 - axis]
    second = _near(other, px_per_mm / other.cosine)
    scales, lines = [px_per_mm, px_per_mm], [comb.positions_px, np.empty(0)]
    if second is None:
        confidence = 0.8 * certainty * comb.present
    else:
        assert second.mm is not None
        scales[1], lines[1] = second.spacing_px / second.mm * other.cosine, second.positions_px
        confidence = certainty * min(comb.present, second.present)
    if axis == 1:
        scales, lines = scales[::-1], lines[::-1]
    return GridScale(
        px_per_mm_x=float(scales[0]),
        px_per_mm_y=float(scales[1]),
        confidence=float(np.clip(confidence, 0, 1)),
        square_assumed=second is None,
        lines_x=tuple(float(v) for v in lines[0]),
        lines_y=tuple(float(v) for v in lines[1]),
    )


def _decide_mm(
    comb: _Comb, stroke_px: float | None, min_px: float, max_px: float
) -> tuple[float | None, float]:
    """
    Decide what the spacing of a comb is in mm, and how sure that is.

    Two families decide. With one family only the plausible range does, and where both readings
    lie in it, the width of the trace: a stroke is about 0.35 mm wide, so the reading that makes
    it so is taken, with half the confidence.
    """
    readings = [
        mm
        for mm in (1.0, LARGE_SQUARE_MM)
        if min_px / _TOLERANCE <= comb.spacing_px / mm <= max_px * _TOLERANCE
    ]
    if comb.mm is not None:
        return (comb.mm, 1.0) if comb.mm in readings else (None, 0.0)
    if len(readings) < 2:
        return (readings[0], 0.9) if readings else (None, 0.0)
    if stroke_px is None:
        return 1.0, 0.3
    distance = [abs(np.log(stroke_px / (comb.spacing_px / mm) / _TYPICAL_STROKE_MM)) for mm in readings]
    return readings[int(np.argmin(distance))], 0.5


def _near(profile: _Profile, px_per_mm: float) -> _Comb | None:
    """
    Look for the lines of the second axis, whose scale is nearly that of the first.

    None where there are too few of them for a scale of its own: it would be less exact than the
    assumption that the grid is square, and does not contradict it.
    """
    best: _Comb | None = None
    for mm in (LARGE_SQUARE_MM, 1.0):
        low, high = (px_per_mm * mm * factor for factor in (1 / _NEAR_SQUARE, _NEAR_SQUARE))
        period, explained = fundamental_period(profile.evened, low, high)
        comb = _comb_at(profile, period, explained) if explained >= _MIN_EXPLAINED else None
        if comb is None:
            continue
        comb = comb if comb.mm == 1.0 and mm == LARGE_SQUARE_MM else replace(comb, mm=mm)
        if best is None or comb.spacing_error < best.spacing_error:
            best = comb
    if best is None or best.mm is None or best.spacing_error > _MAX_ERROR_ALONE:
        return None
    off_square = abs(best.spacing_px / best.mm / px_per_mm - 1)
    if best.spacing_error > _MAX_ERROR and off_square < 3 * best.spacing_error:
        return None
    return best
