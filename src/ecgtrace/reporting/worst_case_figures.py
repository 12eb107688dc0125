"""Figures of the worst crops, and of the records that they are from."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.reporting.diagnosis import column_kinds
from ecgtrace.reporting.figures import GRID_COLOUR, overlay_figure
from ecgtrace.reporting.worst_cases import WorstCase, rank_records, rows_of

_WRONG_COLOUR = "#CC79A7"
_MISSING_COLOUR = "0.5"
_MARKERS = {NON_OVERLAP: ("o", "#0072B2"), OVERLAP: ("s", "#D55E00")}


def worst_case_figure(case: WorstCase, heading: str, options: AlignOptions = DEFAULT_ALIGN) -> Figure:
    """
    Show crop, truth and path, the columns where the path went wrong, both signals, and the cause.

    Parameters
    ----------
    case : WorstCase
    heading : str
        First words of the title.
    options : AlignOptions, optional
        As in the evaluation.
    """
    crop, digitized = case.crop, case.digitized
    figure = overlay_figure(crop, digitized, heading, options, case.diagnosis.message)
    picture = figure.axes[0]
    if crop.polyline is not None:
        picture.plot(
            *crop.polyline.T, color=GRID_COLOUR, linewidth=1.0, linestyle=(0, (2, 2)), label="as drawn"
        )
    if digitized is not None:
        picture.lines[0].set_label("found")
        kinds = column_kinds(crop, digitized.row_px)
        _shade(picture, (kinds == "other") | (kinds == "off"), _WRONG_COLOUR, "", "found, not on the target")
        _shade(picture, kinds == "missing", _MISSING_COLOUR, "///", "not found")
    picture.set(xlim=(-0.5, crop.image.shape[1] - 0.5), ylim=(crop.image.shape[0] - 0.5, -0.5))
    handles, labels = picture.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=4, fontsize=8, frameon=False)
    # A tall crop is a narrow picture: its title would be cut there.
    title = picture.get_title(loc="left")
    picture.set_title("", loc="left")
    figure.suptitle(f"{title}\n{case.diagnosis.cause}", x=0.01, ha="left", fontsize=9)
    return figure


def record_figure(rows: pd.DataFrame, digitizer: str = "proposed", n_records: int = 15) -> Figure:
    """
    Show r of every crop of the worst records, a line for each record, the worst on top.

    Parameters
    ----------
    rows : DataFrame
    digitizer : str, optional
    n_records : int, optional
    """
    ranked = rank_records(rows, digitizer).head(n_records)
    own = rows_of(rows, digitizer)
    place = {record: line for line, record in enumerate(ranked.index)}
    own = own[own["record_id"].isin(place)]
    figure = Figure(figsize=(8.5, 0.24 * len(ranked) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for subset, part in own.groupby("subset"):
        marker, colour = _MARKERS.get(str(subset), ("^", "0.4"))
        axis.plot(
            part["r"],
            part["record_id"].map(place),
            marker,
            color=colour,
            markersize=5,
            alpha=0.7,
            markeredgewidth=0,
            label=str(subset).replace("_", " "),
        )
    axis.plot(ranked["mean_r"], range(len(ranked)), "|", color="black", markersize=10, label="mean")
    axis.set_yticks(range(len(ranked)), [str(record) for record in ranked.index], fontsize=8)
    axis.invert_yaxis()
    axis.set(xlabel="r (no unit), a mark for each crop", ylabel="record")
    axis.grid(color="0.9", linewidth=0.6)
    axis.legend(loc="lower left", fontsize=8)
    return figure


def _shade(axis: Axes, columns: NDArray[np.bool_], colour: str, hatch: str, label: str) -> None:
    for number, (start, end) in enumerate(_runs(columns)):
        axis.axvspan(
            start - 0.5,
            end + 0.5,
            facecolor=colour,
            alpha=0.3,
            linewidth=0,
            hatch=hatch,
            label=None if number else label,
        )


def _runs(columns: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last index of each run of True."""
    edges = np.flatnonzero(np.diff(columns.astype(np.int8), prepend=0, append=0))
    for start, end in edges.reshape(-1, 2):
        yield int(start), int(end) - 1
