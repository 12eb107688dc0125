"""Pages in Markdown: tables, templates, and tables between the marks of a page that people write."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from ecgtrace.errors import DataError

_END = "<!-- end -->"


def table(head: Sequence[str], lines: Sequence[Sequence[Any]], n_text: int = 1) -> str:
    """
    Write a table in Markdown.

    Parameters
    ----------
    head : sequence of str
    lines : sequence of sequence
    n_text : int, optional
        So many columns from the left are text; the others stand to the right.

    Examples
    --------
    >>> print(table(["what", "n"], [["a", "12"]]))
    | what   |   n |
    |:-------|----:|
    | a      |  12 |
    """
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    align = ("left",) * n_text + ("right",) * (len(head) - n_text)
    text = pd.DataFrame(cells, columns=list(head)).to_markdown(
        index=False, disable_numparse=True, colalign=align if cells else None
    )
    return str(text)


def cell(line: Mapping[str, Any], key: str, form: str) -> str:
    """
    Write a number of a line of a table with its interval; empty where there is none.

    Examples
    --------
    >>> cell({"r_mean": 0.5, "r_mean_low": 0.25, "r_mean_high": 0.75}, "r_mean", ".2f")
    '0.50 [0.25, 0.75]'
    """
    value = line.get(key, float("nan"))
    if pd.isna(value):
        return ""
    return f"{value:{form}} [{line[f'{key}_low']:{form}}, {line[f'{key}_high']:{form}}]"


def render(template: Path, context: dict[str, Any]) -> str:
    """
    Fill a template in; a name that it uses and the context lacks is an error.

    Raises
    ------
    DataError
        If there is no template, or it names what is not there.
    """
    if not template.is_file():
        raise DataError(f"there is no {template} to make the page from")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    try:
        return environment.from_string(template.read_text(encoding="utf-8")).render(context)
    except jinja2.TemplateError as error:
        raise DataError(f"{template}: {error}") from error


def between_marks(page: str, name: str, text: str) -> str:
    r"""
    Return a page with a text between its lines `<!-- NAME -->` and `<!-- end -->`.

    Raises
    ------
    DataError
        If the page has no such marks.

    Examples
    --------
    >>> between_marks("a\n<!-- table -->\nold\n<!-- end -->\nb\n", "table", "new")
    'a\n<!-- table -->\n\nnew\n\n<!-- end -->\nb\n'
    """
    before, mark, rest = page.partition(f"<!-- {name} -->\n")
    if not mark or _END not in rest:
        raise DataError(f"the page has no lines <!-- {name} --> and {_END} to put a table between")
    return f"{before}{mark}\n{text}\n\n{_END}{rest.partition(_END)[2]}"
