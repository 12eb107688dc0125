"""Rows of pages: what the runner is given to score whole pages."""

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions
from ecgtrace.evaluation.metrics import FAILED_R, FAILED_SNR_DB
from ecgtrace.evaluation.page_readers import PageReader
from ecgtrace.evaluation.page_rows import COLUMNS, END, LEAD, PAGE, TEXT, PageRow
from ecgtrace.evaluation.page_sample import PageSample
from ecgtrace.evaluation.page_scores import EXTRA, MISSING, READ, LeadScore, PageScore, score_page
from ecgtrace.evaluation.runner import CropSource, describe_error, model_name
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP, UNKNOWN
from ecgtrace.recording import Recording
from ecgtrace.types import FAILED

_IN_ONE_COLUMN = re.compile(r"(\d+)x1\+(\d+)")
_MEANS = ("r", "snr_db", "rmse_mv", "snr_fine_db", "snr_as_read_db", "challenge_db", "coverage", "excess")


@dataclass(frozen=True)
class PageEvaluation:
    """
    The score of an evaluation of pages: a `PageRow` for each lead, then one for the page.

    Attributes
    ----------
    align : AlignOptions
        The lag that is removed before a lead is compared.
    """

    align: AlignOptions = DEFAULT_ALIGN
    columns: tuple[str, ...] = COLUMNS
    text: Sequence[str] = TEXT
    rows_each: int = 1
    end: tuple[str, str] = END

    def rows(self, crop: PageSample, index: int, arm: str, digitizer: PageReader) -> list[dict[str, Any]]:
        """Return the rows of a page; none where it lacks what the reader needs."""
        if not digitizer.can_read(crop):
            return []
        began = time.perf_counter()
        try:
            recording = digitizer.read(crop)
        except Exception as error:  # any failure is a row
            recording = Recording((), failure=describe_error(error))
        seconds = time.perf_counter() - began
        return [asdict(row) for row in _rows(crop, recording, arm, digitizer, seconds, self.align)]

    def unread(
        self, source: CropSource, index: int, arm: str, digitizer: PageReader, error: Exception
    ) -> list[dict[str, Any]]:
        """Return the row of a page that cannot be opened, or has no truth: it failed."""
        row = PageRow(
            crop_id=source.crop_id(index),
            record_id="",
            kind=PAGE,
            lead="",
            subset="",
            layout="",
            printer="",
            dpi=None,
            digitizer=arm,
            model=model_name(digitizer),
            status=FAILED,
            message=describe_error(error),
            r=FAILED_R,
            snr_db=FAILED_SNR_DB,
            snr_fine_db=FAILED_SNR_DB,
            snr_as_read_db=FAILED_SNR_DB,
            challenge_db=FAILED_SNR_DB,
            coverage=0.0,
            names_ok=0,
        )
        return [asdict(row)]


def _rows(
    sample: PageSample,
    recording: Recording,
    arm: str,
    reader: PageReader,
    seconds: float,
    align: AlignOptions,
) -> list[PageRow]:
    score = score_page(sample, recording, align)
    common: dict[str, Any] = {
        "crop_id": sample.page_id,
        "record_id": sample.record_id,
        "layout": sample.layout,
        "printer": sample.printer,
        "dpi": sample.dpi,
        "digitizer": arm,
        "model": model_name(reader),
        "status": recording.status,
    }
    leads = [_lead_row(lead, sample, common) for lead in score.leads]
    row = _page_row(score, sample, recording, seconds, common)
    if sample.layout and reader.finds_layout:
        row = replace(row, layout_ok=int(_one_form(recording.layout) == _one_form(sample.layout)))
    return [*leads, row]


def _lead_row(lead: LeadScore, sample: PageSample, common: dict[str, Any]) -> PageRow:
    subset = UNKNOWN
    if lead.lead in sample.overlaps:
        subset = OVERLAP if sample.overlaps[lead.lead] else NON_OVERLAP
    names_ok = int(lead.found == READ and not lead.rather)
    return PageRow(**common, kind=LEAD, subset=subset, message="", names_ok=names_ok, **asdict(lead))


def _page_row(
    score: PageScore, sample: PageSample, recording: Recording, seconds: float, common: dict[str, Any]
) -> PageRow:
    means: dict[str, Any] = {name: _mean([getattr(lead, name) for lead in score.of_truth]) for name in _MEANS}
    late = [lead.time0_error_ms for lead in score.of_truth if lead.time0_error_ms is not None]
    return PageRow(
        **common,
        kind=PAGE,
        lead="",
        subset="",
        message=recording.message,
        **means,
        time0_error_ms=float(np.median(late)) if late else None,
        kaggle_ratio=score.kaggle_ratio,
        layout_read=recording.layout,
        names_ok=int(score.names_ok),
        n_leads=len(score.of_truth),
        n_missing=sum(lead.found == MISSING for lead in score.leads),
        n_extra=sum(lead.found == EXTRA for lead in score.leads),
        n_wrong=score.n_wrong,
        seconds=seconds,
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _one_form(layout: str) -> str:
    """
    Write a layout in one column in one way: whether its last row is a strip no page tells.

    Examples
    --------
    >>> _one_form("12x1+1"), _one_form("13x1"), _one_form("3x4+1")
    ('13x1', '13x1', '3x4+1')
    """
    match = _IN_ONE_COLUMN.fullmatch(layout)
    return f"{int(match[1]) + int(match[2])}x1" if match else layout
