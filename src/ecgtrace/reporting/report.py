"""
One HTML file that tells what an evaluation found, readable without a network.

It is made from the files of a run folder alone: rows, figures and provenance.
"""

import base64
import html
import json
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from ecgtrace.errors import DataError
from ecgtrace.evaluation.align import AlignOptions
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.rows import FAILED, read_rows
from ecgtrace.reporting import digitized_pages, tables

_ROWS = "rows.csv"
_PROVENANCE = "provenance.json"
_MOST_FAILURES = 50

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ecgtrace: evaluation report</title>
<style>
body { font: 16px/1.55 Georgia, "Times New Roman", serif; color: #1a1a1a; background: #fff;
       max-width: 62rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1, h2, h3, caption, th, td, dt, summary { font-family: "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.8rem; line-height: 1.2; margin-bottom: .3rem; }
h3 { font-size: 1rem; margin: 1.8rem 0 .4rem; }
h2 { font-size: 1.2rem; margin-top: 2.6rem; border-bottom: 1px solid #bbb; padding-bottom: .2rem; }
p, li { max-width: 44rem; }
.lead { font-size: 1.05rem; color: #444; }
figure { margin: 1.4rem 0; overflow-x: auto; }
figcaption { font-size: .85rem; color: #555; max-width: 44rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: bold; padding-bottom: .5rem; font-size: .95rem; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; vertical-align: top;
         border-bottom: 1px solid #e4e4e4; }
th[scope=row], td.text { text-align: left; font-weight: normal; }
thead th { border-bottom: 1.5px solid #333; }
.interval { color: #666; white-space: nowrap; display: inline-block; }
img { max-width: 100%; height: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; font-size: .9rem; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
pre { font-size: .8rem; background: #f6f6f6; padding: .8rem; overflow-x: auto; }
@media print { body { margin: 0; max-width: none; } figure { break-inside: avoid; } }
</style>
</head>
<body>
<h1>How well ECG pictures became signals</h1>
<p class="lead">$lead</p>
$pages

<h2>What was done</h2>
<p>Each picture shows one lead of an electrocardiogram on grid paper, sometimes with the traces of
neighbouring leads running into it. Each program below (a column of the tables) turned every picture into
amplitude in millivolt over time, without knowing the true signal. Its result was then compared with the
signal that the picture was drawn from.</p>
<ul>
<li><b>r</b>, the correlation, tells whether the shape is right: 1 is the true shape, 0 has nothing in common
with it.</li>
<li><b>MSE</b>, the mean squared error, tells how far off the amplitude is. Its square root is in millivolt:
0.0010 mV² is an error of about 0.03 mV, a third of a small square.</li>
<li><b>SNR</b>, signal over error, tells the same relative to the size of the signal; 20 dB is an error of a
tenth.</li>
</ul>
<p>Before the comparison the signal is shifted in time by $max_lag at most, and its median is set to that
of the truth: a cut-out picture tells neither when the recording began nor where 0 mV is. A picture that a
program could not read stays in the table: it counts as r = 0 and as the error of a flat line.</p>
$programs

<h2>Results</h2>
$tables
$comparisons
$failures

<h2>Pictures</h2>
$figures

<h2>What this does not show</h2>
<ul>
<li>Nothing here says that a digitized signal is fit for a diagnosis. Correlation and mean error say little
about single intervals or about small waves.</li>
<li>The paper's columns are what the paper reports on its own crops. Unless this run read those very crops,
the two are comparable in kind, not crop by crop.</li>
<li>Drawn pictures are cleaner than photographs and scans of paper; expect worse results there.</li>
<li>The intervals tell how much the numbers would move with other records of the same kind. They do not cover
other hospitals, printers or layouts.</li>
</ul>

<h2>Where the numbers come from</h2>
$provenance
</body>
</html>
""")

_PROGRAMS = {
    "baseline": "the algorithm of the program paper-ecg, on the picture itself; it cannot tell one trace "
    "from another",
    "proposed": "the paper's method: a neural network marks the ink of the wanted trace, then the ink is "
    "followed",
    "ceiling": "the proposed method given the true marking in place of the network's: the most that its "
    "other steps allow, not a method one could use",
    "refined": "this project's own method",
}


def write_report(folder: Path, pages: Path | None = None) -> Path:
    """
    Make `report.html` in a run folder.

    Parameters
    ----------
    folder : Path
        With `rows.csv`, or with run folders of a sweep below it whose rows are then taken together. Figures
        (`figures/*.png`) and `provenance.json` are used where they are.
    pages : Path, optional
        What `digitize.py` wrote of whole pages: they get a section of their own.

    Returns
    -------
    Path
        The report; one file, pictures included.

    Raises
    ------
    DataError
        If there are no rows, if two runs of a sweep hold the same crop and digitizer, or if the files of a
        page are broken.
    ConfigError
        If `pages` holds no page.
    """
    folder = Path(folder)
    runs = _run_folders(folder)
    rows = pd.concat([read_rows(run / _ROWS) for run in runs], ignore_index=True)
    if rows.empty:
        raise DataError(f"the rows in {folder} are empty; nothing was evaluated")
    if rows.duplicated(["crop_id", "digitizer"]).any():
        raise DataError(
            f"runs below {folder} hold the same crop and digitizer twice; report one run at a time"
        )
    facts = [_provenance_of(run) for run in runs]
    results = tables.results(rows, _bootstrap_options(facts[0]))
    page = _PAGE.substitute(
        lead=html.escape(_lead(rows)),
        pages=digitized_pages.section(pages) if pages else "",
        max_lag=_max_lag(facts[0]),
        programs=_programs(rows),
        tables="\n".join(tables.to_html(table) for table in results),
        comparisons=_comparisons(results),
        failures=_failures(rows),
        figures=_figures(runs),
        provenance="\n".join(_provenance_html(entry) for entry in facts),
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _run_folders(folder: Path) -> list[Path]:
    if (folder / _ROWS).is_file():
        return [folder]
    runs = sorted(path.parent for path in folder.glob(f"*/{_ROWS}"))
    if not runs:
        raise DataError(f"there is no {_ROWS} in {folder}; python evaluate.py writes one into its run folder")
    return runs


def _provenance_of(run: Path) -> dict[str, Any]:
    path = run / _PROVENANCE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _bootstrap_options(facts: dict[str, Any]) -> BootstrapOptions:
    """Take the options of the run, so that report and metrics.json hold the same intervals."""
    stated = (facts.get("config") or {}).get("bootstrap") or {}
    return BootstrapOptions(**{key: value for key, value in stated.items() if not key.startswith("_")})


def _max_lag(facts: dict[str, Any]) -> str:
    stated = ((facts.get("config") or {}).get("align") or {}).get("max_lag_s", AlignOptions().max_lag_s)
    return f"{stated:g} s"


def _lead(rows: pd.DataFrame) -> str:
    crops = rows.drop_duplicates("crop_id")
    parts = [
        f"{count} {name.replace('_', ' ')}"
        for name, count in crops["subset"].value_counts(sort=False).items()
    ]
    names = ", ".join(tables.in_table_order(rows["digitizer"]))
    return (
        f"{len(crops)} crops ({', '.join(parts)}) of {crops['record_id'].nunique()} recordings, "
        f"digitized by: {names}."
    )


def _programs(rows: pd.DataFrame) -> str:
    items = [
        f"<li><b>{html.escape(name)}</b>: {html.escape(_PROGRAMS[name])}.</li>"
        for name in tables.in_table_order(rows["digitizer"])
        if name in _PROGRAMS
    ]
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _comparisons(results: list[tables.SubsetResult]) -> str:
    items = [
        f"<li>{html.escape(tables.title(table))}: {html.escape(tables.sentence(entry))}</li>"
        for table in results
        for entry in table.comparisons
    ]
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _failures(rows: pd.DataFrame) -> str:
    failed = rows[rows["status"] == FAILED]
    if failed.empty:
        return "<p>No crop failed.</p>"
    lines = "".join(
        "<tr>"
        + "".join(
            f'<td class="text">{html.escape(str(row[name]))}</td>'
            for name in ("crop_id", "digitizer", "message")
        )
        + "</tr>"
        for _, row in failed.head(_MOST_FAILURES).iterrows()
    )
    more = (
        f"<p>And {len(failed) - _MOST_FAILURES} more in rows.csv.</p>" if len(failed) > _MOST_FAILURES else ""
    )
    return (
        f"<figure><table><caption>{len(failed)} failures</caption>"
        '<thead><tr><td class="text">crop</td><td class="text">digitizer</td>'
        f'<td class="text">message</td></tr></thead><tbody>{lines}</tbody></table></figure>{more}'
    )


def _figures(runs: Iterable[Path]) -> str:
    pictures = [path for run in runs for path in sorted((run / "figures").glob("*.png"), key=_figure_order)]
    if not pictures:
        return "<p>This run drew no figures.</p>"
    return "\n".join(
        f'<figure><img alt="{html.escape(_caption(path.stem))}" src="data:image/png;base64,'
        f'{base64.b64encode(path.read_bytes()).decode()}"><figcaption>{html.escape(_caption(path.stem))}</figcaption></figure>'
        for path in pictures
    )


def _figure_order(path: Path) -> tuple[int, str]:
    """Distributions first, then overlays, then the grid."""
    kinds = ("distribution", "overlay", "grid")
    kind = path.stem.split("_")[0]
    return (kinds.index(kind) if kind in kinds else len(kinds), path.stem)


def _caption(stem: str) -> str:
    if stem.startswith("distribution"):
        return (
            "How r is distributed: the height of a curve is the share of crops with at most the r below it. "
            "A better program's curve stays low for longer and rises close to 1."
        )
    if stem.startswith("grid"):
        return "Dashed, in blue: the grid lines that the scale of a crop rests on, as found; its first 50 mm."
    if stem.startswith("overlay"):
        return (
            f"{stem.removeprefix('overlay_').replace('_', ' ')}: above, the picture with the digitized trace "
            "in orange; below, the true signal (black) and the digitized one (dashed) on one time axis."
        )
    return stem.replace("_", " ")


def _provenance_html(facts: dict[str, Any]) -> str:
    if not facts:
        return "<p>This folder has no provenance.json.</p>"
    commit = facts.get("commit")
    state = " with uncommitted changes" if facts.get("dirty") else ""
    listed = {
        "date (UTC)": facts.get("date_utc"),
        "command": facts.get("command"),
        "commit": f"{commit}{state}" if commit else "not run from a git work tree",
        "seed": facts.get("seed"),
        "data": facts.get("data"),
        "crops": facts.get("n_crops"),
        "data fingerprint": facts.get("data_fingerprint"),
        **{f"model of {name}": _plain(model) for name, model in facts.get("models", {}).items()},
        "machine": f"{facts.get('cpu')}, {facts.get('cores')} cores, {facts.get('platform')}",
        "Python": facts.get("python"),
        "versions": _plain(facts.get("versions", {})),
    }
    items = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>" for name, value in listed.items()
    )
    config = html.escape(json.dumps(facts.get("config"), indent=2))
    return f"<dl>{items}</dl><details><summary>Configuration</summary><pre>{config}</pre></details>"


def _plain(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value not in ("", None)) or "none"
