"""
The pictures of an evaluation: overlays of the best, the median and the worst crop, and distributions.

Every figure is saved as PDF (vector) and PNG. Digitizers differ by line style as well as by colour, so that a
grey print stays readable.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecgtrace.evaluation import metrics
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions, align
from ecgtrace.evaluation.runner import CropSource, DigitizerLike, digitize_crop
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.reporting.tables import in_table_order
from ecgtrace.types import FloatArray, GridScale, LeadCrop, LeadSignal

# Okabe and Ito's colours, safe for colour-blind readers; mid-tones, so they show on black ink and on paper.
TRACE_COLOUR = "#E69F00"
GRID_COLOUR = "#0072B2"
TRUTH_COLOUR = "#000000"
_SERIES = (
    ("#56B4E9", "--"),
    ("#D55E00", "-"),
    ("#000000", ":"),
    ("#009E73", "-."),
    ("#CC79A7", (0, (6, 1, 1, 1, 1, 1))),
)
_PNG_DPI = 130
_GRID_SHOWN_MM = 50.0  # more, and lines 1 mm apart run together
# Without a fixed date the same figure would be another file each time.
_PDF_METADATA = {"CreationDate": None}
RANKS = ("best", "median", "worst")


def write_figures(
    rows: pd.DataFrame,
    source: CropSource,
    digitizers: Mapping[str, DigitizerLike],
    folder: Path,
    options: AlignOptions = DEFAULT_ALIGN,
) -> list[Path]:
    """
    Draw all figures of an evaluation.

    Parameters
    ----------
    rows : DataFrame
        Columns as `ecgtrace.evaluation.rows.Row`.
    source, digitizers
        What made the rows; the crops shown are read and digitized once more.
    folder : Path
        Made where absent. Names: `overlay_SUBSET_DIGITIZER_RANK`, `distribution_r`, `grid`.
    options : AlignOptions, optional
        As in the evaluation.

    Returns
    -------
    list of Path
        The PNG files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index_of = {source.crop_id(index): index for index in range(len(source))}
    written = [save(distribution_figure(rows), folder / "distribution_r")]
    grid_drawn = False
    for (subset, name), part in rows.groupby(["subset", "digitizer"], sort=False):
        if name not in digitizers:  # rows of an earlier run that was resumed
            continue
        for rank, row in pick(part).items():
            crop = source[index_of[row["crop_id"]]]
            digitized = _digitized(digitizers[name], crop)
            figure = overlay_figure(
                crop, digitized, f"{name}, {rank} of {len(part)}", options, row["message"]
            )
            written.append(save(figure, folder / f"overlay_{subset}_{name}_{rank}"))
            if not grid_drawn and digitized is not None and digitized.scale.lines_x:
                written.append(save(grid_figure(crop.image, digitized.scale), folder / "grid"))
                grid_drawn = True
    return written


def pick(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """
    Choose the rows to show: highest, median and lowest r, failed crops included.

    Crops that could not be read have no picture and are left out. With an even number the lower of the
    middle two is the median; ties go by the crop's name. A rank that would repeat a row is left out.
    """
    readable = rows[rows["n_samples"].notna()]
    ordered = readable.sort_values(["r", "crop_id"])
    if ordered.empty:
        return {}
    places = {"best": len(ordered) - 1, "median": (len(ordered) - 1) // 2, "worst": 0}
    chosen: dict[str, pd.Series] = {}
    taken: set[int] = set()
    for rank in ("best", "worst", "median"):  # of fewer than three rows, the extremes are shown
        if places[rank] not in taken:
            chosen[rank] = ordered.iloc[places[rank]]
            taken.add(places[rank])
    return {rank: chosen[rank] for rank in RANKS if rank in chosen}


def overlay_figure(
    crop: LeadCrop,
    digitized: LeadSignal | None,
    heading: str,
    options: AlignOptions = DEFAULT_ALIGN,
    message: str = "",
) -> Figure:
    """
    Show a crop with the digitized trace on it, and below both signals after alignment.

    Parameters
    ----------
    crop : LeadCrop
    digitized : LeadSignal or None
        None where digitizing failed: then picture, truth and message are shown.
    heading : str
        First words of the title.
    options : AlignOptions, optional
    message : str, optional
        Why it failed.
    """
    # As high as the picture needs at full width, within reason: no white bands around a flat crop.
    picture_inch = float(np.clip(7.6 * crop.image.shape[0] / crop.image.shape[1], 0.8, 4.5))
    figure, (picture, signals) = _axes((8.5, picture_inch + 3.5), 2, height_ratios=[picture_inch, 2.3])
    picture.imshow(crop.image, interpolation="antialiased", aspect="equal")
    picture.set_xlabel("x (px)")
    picture.set_ylabel("y (px)")
    time_s = np.arange(len(crop.signal)) / crop.fs_hz
    truth = metrics.centred(crop.signal)
    signals.plot(time_s, truth, color=TRUTH_COLOUR, linewidth=1.0, label="truth")
    if digitized is None:
        result = f"failed: {message}"
    else:
        columns = np.arange(len(digitized.row_px))
        picture.plot(columns, digitized.row_px, color=TRACE_COLOUR, linewidth=1.3)
        aligned = align(digitized.amplitude_mv, digitized.fs_hz, crop.signal, crop.fs_hz, options)
        _plot_covered(signals, time_s, metrics.centred(aligned.signal), aligned.covered)
        scores = metrics.score(crop, digitized, options)
        result = (
            f"r = {scores.r:.4f}, MSE = {scores.mse_mv2:.5f} mV², SNR = {scores.snr_db:.1f} dB, "
            f"lag {1000 * scores.lag_s:+.0f} ms removed"
        )
    crossings = f", {crop.crossings} crossings" if crop.crossings else ""
    picture.set_title(
        f"{heading}: {crop.crop_id} (lead {crop.lead}, {crop.overlap_px} px of other ink{crossings})",
        fontsize=9,
        loc="left",
    )
    signals.set_title(result, fontsize=9, loc="left")
    signals.set_xlabel("time (s)")
    signals.set_ylabel("amplitude (mV),\nmedian subtracted")
    signals.margins(x=0)
    signals.grid(color="0.9", linewidth=0.6)
    # Above the axes, where it hides nothing.
    signals.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize=8, frameon=False, borderpad=0.2
    )
    return figure


def distribution_figure(rows: pd.DataFrame) -> Figure:
    """
    Show the distribution of r of each digitizer, a panel for each subset.

    The curve tells the share of crops (vertical) whose r is at most a value (horizontal): the lower a
    curve stays, the better. Failed crops are at 0.
    """
    present = set(rows["subset"])
    subsets = [name for name in (NON_OVERLAP, OVERLAP) if name in present]
    subsets += sorted(present - set(subsets))
    figure, axes = _axes((4.6 * max(len(subsets), 1), 3.6), len(subsets), side_by_side=True)
    names = in_table_order(rows["digitizer"])
    for axis, subset in zip(axes, subsets, strict=True):
        for place, name in enumerate(names):
            values = rows.loc[(rows["subset"] == subset) & (rows["digitizer"] == name), "r"]
            if len(values):
                colour, style = _SERIES[place % len(_SERIES)]
                axis.ecdf(values, label=name, color=colour, linestyle=style, linewidth=1.8)
        axis.set_title(
            f"{subset.replace('_', ' ')} (n = {rows[rows['subset'] == subset]['crop_id'].nunique()})"
        )
        axis.set_xlabel("r (no unit)")
        axis.set_ylabel("share of crops with at most this r")
        axis.set_xlim(right=1.0)
        axis.grid(color="0.9", linewidth=0.6)
        axis.legend(loc="upper left", fontsize=8)
    return figure


def grid_figure(image: NDArray[np.uint8], scale: GridScale) -> Figure:
    """Draw the grid lines that a scale rests on over the picture, the first 50 mm of it."""
    height, width = image.shape[:2]
    shown_px = min(float(width), _GRID_SHOWN_MM * scale.px_per_mm_x)
    figure, (axis,) = _axes((8.5, float(np.clip(7.6 * height / shown_px, 0.8, 8)) + 0.9), 1)
    axis.imshow(image, interpolation="antialiased", aspect="equal")
    axis.vlines(scale.lines_x, -0.5, height - 0.5, colors=GRID_COLOUR, linewidth=0.9, linestyles="--")
    axis.hlines(scale.lines_y, -0.5, width - 0.5, colors=GRID_COLOUR, linewidth=0.9, linestyles="--")
    square = ", square assumed" if scale.square_assumed else ""
    axis.set_title(
        f"grid found: {scale.px_per_mm_x:.3f} px/mm in x, {scale.px_per_mm_y:.3f} px/mm in y, "
        f"confidence {scale.confidence:.2f}{square}",
        fontsize=9,
        loc="left",
    )
    axis.set_xlim(-0.5, shown_px - 0.5)
    axis.set_xlabel("x (px)")
    axis.set_ylabel("y (px)")
    return figure


def save(figure: Figure, stem: Path) -> Path:
    """Write `stem.pdf` and `stem.png`; return the latter."""
    figure.savefig(stem.with_name(stem.name + ".pdf"), metadata=_PDF_METADATA)
    png = stem.with_name(stem.name + ".png")
    figure.savefig(png, dpi=_PNG_DPI)
    return png


def _axes(
    size_inch: tuple[float, float],
    count: int,
    side_by_side: bool = False,
    height_ratios: Sequence[float] | None = None,
) -> tuple[Figure, Sequence[Axes]]:
    """Make a figure without pyplot, which would keep every figure in memory and ask for a display."""
    figure = Figure(figsize=size_inch, layout="constrained")
    FigureCanvasAgg(figure)
    rows, columns = (1, count) if side_by_side else (count, 1)
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=height_ratios)
    return figure, list(axes.ravel())


def _plot_covered(axis: Axes, time_s: FloatArray, signal: FloatArray, covered: NDArray[np.bool_]) -> None:
    """Draw what was digitized as a line, and what had to be filled as dots."""
    axis.plot(
        time_s,
        np.where(covered, signal, np.nan),
        color="#D55E00",
        linestyle="--",
        linewidth=1.3,
        label="digitized",
    )
    if not covered.all():
        filled = ~covered
        axis.plot(time_s[filled], signal[filled], ".", color="0.55", markersize=3, label="filled")


def _digitized(digitizer: DigitizerLike, crop: LeadCrop) -> LeadSignal | None:
    try:
        digitized = digitize_crop(digitizer, crop)
        metrics.score(crop, digitized)
    except Exception:  # its message is in the row
        return None
    return digitized
