"""What `digitize.py` made of whole pages, for the report: verdict, overlay, leads of the CSV, their SNR."""

import base64
import html
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation.page_sample import PageSample
from ecgtrace.evaluation.page_scores import LeadScore, score_page
from ecgtrace.inputs import OVERLAY_SUFFIX
from ecgtrace.page_sets.folder import PageFolder
from ecgtrace.recording import RecordedLead, Recording, lead_order
from ecgtrace.reporting import print_style
from ecgtrace.types import FAILED, FloatArray
from ecgtrace.writers import csv_table

_DPI = 130
_WIDTH_INCH = 10.0
_INCH_PER_MV = 0.4  # about the 10 mm of paper
_LABEL_MV = 0.45  # room for names above a row
_SHARED_S = 0.2  # leads of one row may share so much: beginnings that were read are not exact
_TRUTH, _READ = "truth", "digitized"
_COLOURS = (print_style.BLUE, print_style.ORANGE)  # of neighbours in a row, in turn


@dataclass(frozen=True, eq=False)
class DigitizedPage:
    """
    A page as its files tell of it.

    Attributes
    ----------
    name : str
    note : dict
        Its JSON.
    leads : dict of str to ndarray of float, shape (n_samples,)
        Of its CSV, in mV; empty where the page failed.
    fs_hz : float
    truth : PageSample or None
    no_truth : str
        Why there is none.
    overlay : Path or None
    """

    name: str
    note: Mapping[str, Any]
    leads: Mapping[str, FloatArray] = field(repr=False, default_factory=dict)
    fs_hz: float = 0.0
    truth: PageSample | None = None
    no_truth: str = ""
    overlay: Path | None = None

    @cached_property
    def scores(self) -> dict[str, LeadScore]:
        """Each lead against the truth, those included that were not read; empty where there is no truth."""
        if self.truth is None:
            return {}
        return {lead.lead: lead for lead in score_page(self.truth, self._recording).of_truth}

    @property
    def _recording(self) -> Recording | None:
        names = sorted(self.leads, key=lead_order)
        leads = tuple(RecordedLead.without_page(name, self.leads[name], self.fs_hz) for name in names)
        return Recording(leads) if leads else None


def find(folder: Path) -> list[Path]:
    """
    Return the JSON of each page in a folder that `digitize.py` wrote.

    Raises
    ------
    ConfigError
        If there is none.
    """
    notes = [path for path in sorted(folder.rglob("*.json")) if _note(path).get("content") == "page"]
    if not notes:
        raise ConfigError(
            f"digitized_pages: {folder} holds no page that digitize.py read; name its output_dir, or null"
        )
    return notes


def read(path: Path) -> DigitizedPage:
    """
    Read what was written of a page, and its truth where that lies beside the page (`page_sets.folder`).

    Parameters
    ----------
    path : Path
        Its JSON.

    Raises
    ------
    DataError
        If its CSV is missing or broken.
    """
    note, stem = _note(path), path.with_suffix("")
    leads: dict[str, FloatArray] = {}
    if note["status"] != FAILED:
        _, leads = csv_table.read(stem.with_name(f"{stem.name}.csv"))
    truth, no_truth = _truth(Path(note["source"]), note.get("page", 1))
    overlay = stem.with_name(stem.name + OVERLAY_SUFFIX)
    return DigitizedPage(
        str(note["name"]),
        note,
        leads,
        float(note["sampling_rate_hz"] or 0.0),
        truth,
        no_truth,
        overlay if overlay.is_file() else None,
    )


def section(folder: Path) -> str:
    """Return the pages of a folder as HTML, pictures included; a part of the report."""
    pages = [read(path) for path in find(folder)]
    return f"<h2>Whole pages</h2>\n{_INTRODUCTION}\n" + "\n".join(_page(page) for page in pages)


def leads_figure(page: DigitizedPage) -> Figure:
    """
    Draw the leads of a page over its time axis, all in one scale, the truth behind them where it is known.

    Leads that share no time stand in one row, as on a page of several columns.
    """
    scores = page.scores
    rows = _rows([_Drawn.of(page, name) for name in sorted({*page.leads, *scores}, key=lead_order)])
    heights = [max(d.high for d in row) - min(d.low for d in row) + _LABEL_MV for row in rows]
    with print_style.print_style():
        figure = print_style.new_figure((_WIDTH_INCH, sum(heights) * _INCH_PER_MV + 0.8))
        axis = figure.subplots()
        top = 0.0
        for row, height in zip(rows, heights, strict=True):
            zero = top - _LABEL_MV - max(drawn.high for drawn in row)
            for place, drawn in enumerate(sorted(row, key=lambda drawn: drawn.start_s)):
                _draw(axis, drawn, zero, top, scores.get(drawn.name), _COLOURS[place % 2])
            top -= height
        end_s = max(drawn.end_s for row in rows for drawn in row)
        bar_s = -0.012 * end_s
        axis.plot([bar_s, bar_s], [top + 0.05, top + 1.05], color="black", linewidth=2.0)
        axis.text(bar_s, top + 0.55, "1 mV ", rotation=90, ha="right", va="center", fontsize=7.5)
        axis.set(ylim=(top, 0), xlim=(2.5 * bar_s, end_s), yticks=[], xlabel="time (s)")
        axis.spines[["left", "top", "right"]].set_visible(False)
        axis.grid(axis="x", color="0.9", linewidth=0.5)
        handles, labels = axis.get_legend_handles_labels()
        shown = {label: handles[labels.index(label)] for label in (_TRUTH, _READ) if label in labels}
        figure.legend(shown.values(), shown, loc="outside upper right", ncols=len(shown))
    return figure


def as_png(figure: Figure) -> bytes:
    """Return a figure as a picture."""
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=_DPI)
        return file.getvalue()


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A lead as it is drawn: times and values about their median of what is known of it, by label."""

    name: str
    lines: Mapping[str, tuple[FloatArray, FloatArray]]

    @classmethod
    def of(cls, page: DigitizedPage, name: str) -> "_Drawn":
        found = {}
        if page.truth is not None and name in page.truth.names:
            found[_TRUTH] = (page.truth.signals[page.truth.names.index(name)], page.truth.fs_hz)
        if name in page.leads:
            found[_READ] = (page.leads[name], page.fs_hz)
        lines = {}
        for label, (values, fs_hz) in found.items():
            known = np.flatnonzero(np.isfinite(values))
            shown = slice(known[0], known[-1] + 1)
            lines[label] = (np.arange(len(values))[shown] / fs_hz, (values - np.nanmedian(values))[shown])
        return cls(name, lines)

    @property
    def start_s(self) -> float:
        return min(float(time_s[0]) for time_s, _ in self.lines.values())

    @property
    def end_s(self) -> float:
        return max(float(time_s[-1]) for time_s, _ in self.lines.values())

    @property
    def low(self) -> float:
        return min(float(np.nanmin(values)) for _, values in self.lines.values())

    @property
    def high(self) -> float:
        return max(float(np.nanmax(values)) for _, values in self.lines.values())


def _rows(leads: list[_Drawn]) -> list[list[_Drawn]]:
    """Put each lead into the first row that is free at its time; strips, which are longer, come last."""
    shortest = min(lead.end_s - lead.start_s for lead in leads)
    rows: list[list[_Drawn]] = []
    for lead in sorted(leads, key=lambda lead: lead.end_s - lead.start_s > 1.5 * shortest):
        free = (
            row for row in rows
            if all(o.end_s < lead.start_s + _SHARED_S or lead.end_s < o.start_s + _SHARED_S for o in row)
        )  # fmt: skip
        row = next(free, None)
        if row is None:
            rows.append([lead])
        else:
            row.append(lead)
    return rows


def _draw(axis: Axes, drawn: _Drawn, zero: float, top: float, score: LeadScore | None, colour: str) -> None:
    for label, (time_s, values) in drawn.lines.items():
        look = ("0.75", 2.6) if label == _TRUTH else (colour, 0.9)
        axis.plot(time_s, values + zero, label=label, color=look[0], linewidth=look[1])
    snr = "" if score is None else f"  {score.snr_db:.1f} dB"
    axis.annotate(drawn.name + snr, (drawn.start_s, top), (3, -9), textcoords="offset points", fontsize=7.5)


_INTRODUCTION = """<p>Each page below was read whole by <code>digitize.py</code>: its leads
were found, named and
digitized, and written to one table. The lines of the second picture are those of that table, in mV
over the time axis of the page; where the page does not show a lead there is none. Behind them, in
grey, is the signal that the page was drawn from, where it is known. SNR is signal over error in dB,
the lag removed as below: 20 dB is an error of a tenth of the signal, 40 dB of a hundredth, and 100
dB is the most that is counted; a lead that was not read counts 0 dB. A page that is <b>doubtful</b>
was read and written, and its message says what to look at.</p>"""


def _page(page: DigitizedPage) -> str:
    note, scores = page.note, page.scores
    facts = {
        "verdict": str(note["status"]),
        "message": note["message"] or "nothing speaks against it",
        "layout": note["layout"] or "not found",
        "read from": {"vector": "the lines of the file", "signals": "the signals in the file"}.get(
            str(note["digitizer"]), "the picture"
        ),
        "seconds": f"{note['seconds']:.1f}",
    }
    if scores:
        mean = float(np.mean([score.snr_db or 0.0 for score in scores.values()]))
        facts["mean SNR"] = f"{mean:.1f} dB over {len(scores)} leads"
    else:
        facts["truth"] = f"not known: {page.no_truth}"
    listed = "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in facts.items())
    parts = [f"<h3>{html.escape(Path(str(note['source'])).name)}</h3>", f"<dl>{listed}</dl>"]
    if page.overlay is not None:
        parts.append(
            _figure(page.overlay.read_bytes(), "The page with each trace laid on it as it was read.")
        )
    if page.leads:
        parts.append(_figure(as_png(leads_figure(page)), f"The leads in {page.name}.csv, one scale for all."))
    if scores:
        parts.append(_table(scores))
    return "\n".join(parts)


def _figure(png: bytes, caption: str) -> str:
    text = html.escape(caption)
    data = base64.b64encode(png).decode()
    image = f'<img alt="{text}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


def _table(scores: Mapping[str, LeadScore]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in scores)
    cells = "".join(f"<td>{score.snr_db:.1f}</td>" for score in scores.values())
    return (
        f"<figure><table><caption>SNR of each lead (dB)</caption><thead><tr>{head}</tr></thead>"
        f"<tbody><tr>{cells}</tr></tbody></table></figure>"
    )


def _truth(source: Path, number: int) -> tuple[PageSample | None, str]:
    pages = PageFolder(str(source.parent), only=escape(source.name), damaged="")
    wanted = (f"{source.stem}-p{number}",) if number > 1 else (source.stem,)
    try:
        for index in range(len(pages)):
            if pages.crop_id(index) in wanted:
                return pages[index], ""
    except DataError as error:
        return None, str(error)
    return None, f"{source.name} has none of its page {number} beside it"


def _note(path: Path) -> dict[str, Any]:
    """Read a JSON; one that is no note of ours is empty."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
