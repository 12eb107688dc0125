"""What an evaluation knows of a page, and of each of its leads: CSV rows of two kinds in one file."""

from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from ecgtrace.evaluation.row_file import read

LEAD, PAGE = "lead", "page"
END = ("kind", PAGE)  # the row of a page ends its rows, so that a torn file is known

SILENT_DB = 10.0  # a page below it that is called ok is a silent failure


@dataclass(frozen=True)
class PageRow:
    """
    What is known about a page and one digitizer, or about one of its leads.

    None becomes an empty field. The page's row follows those of its leads: of the metrics it has the means
    over the leads that the page shows, of `time0_error_ms` the median over those that were read. A page that
    failed has `status` failed and leads that are missing; of a page that could not even be opened there is
    this row alone.

    Attributes
    ----------
    crop_id : str
        The page's.
    kind : {"lead", "page"}
    lead : str
    subset : {"overlap", "non_overlap", "unknown"}
        Of a lead: whether ink of others lies in its box. Empty for a page.
    found, rather, r, snr_db, rmse_mv, snr_fine_db, snr_as_read_db, challenge_db : str or float or None
    time0_error_ms, coverage, excess : float or None
        As `page_scores.LeadScore` has them.
    kaggle_ratio : float or None
        Of a page: signal over noise by Kaggle's rules, linear, not capped.
    layout, layout_read : str
        True and read.
    layout_ok, names_ok : int or None
        1 or 0; of a layout None where the true one is not known, or was told. `names_ok` of a lead: it was
        read, and is what it is called; of a page: all its leads are so, and there is none besides.
    n_leads, n_missing, n_extra, n_wrong : int or None
        Of a page: leads that it shows, those that were not read, those that it does not show, and those that
        are not what they are called.
    seconds : float or None
        Of a page.
    """

    crop_id: str
    record_id: str
    kind: str
    lead: str
    subset: str
    layout: str
    printer: str
    dpi: float | None
    digitizer: str
    model: str
    status: str
    message: str
    found: str = ""
    rather: str = ""
    r: float | None = None
    snr_db: float | None = None
    rmse_mv: float | None = None
    snr_fine_db: float | None = None
    snr_as_read_db: float | None = None
    challenge_db: float | None = None
    time0_error_ms: float | None = None
    coverage: float | None = None
    excess: float | None = None
    kaggle_ratio: float | None = None
    layout_read: str = ""
    layout_ok: int | None = None
    names_ok: int | None = None
    n_leads: int | None = None
    n_missing: int | None = None
    n_extra: int | None = None
    n_wrong: int | None = None
    seconds: float | None = None


COLUMNS = tuple(field.name for field in fields(PageRow))
TEXT = (
    *("crop_id", "record_id", "kind", "lead", "subset", "layout", "printer", "digitizer", "model"),
    *("status", "message", "found", "rather", "layout_read"),
)


def read_page_rows(path: Path) -> pd.DataFrame:
    """
    Read a rows file of pages; text columns stay text.

    Raises
    ------
    DataError
        If the file is missing or lacks a column.
    """
    return read(path, COLUMNS, TEXT)
