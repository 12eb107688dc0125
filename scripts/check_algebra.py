"""
Check the names that the sums of limb leads tell, on traces planted from records.

    python scripts/check_algebra.py signals=ptbxl signals.root=DIR [+split=val] [+first=0] [+n=100] [+seed=0]

Prints a row for each layout and quality of traces: how many names are right, unknown and wrong. Each record
is shown in each layout, read in one of `READINGS` in turn.

Of all 28 records of the validation and 187 of the training split of the PTB-XL at hand (`+split=val`,
`+split=train +n=187`; seed 0; five minutes), in names:

                        by algebra      by order       unknown   pages with a wrong name, without a doubt
                       right  wrong   right  wrong
    25 dB and better   12261      1   11955    219       19590      31 of 4646                   0
    15 dB               1297      0    2627     14       25351       2 of 3094                   0

The name that algebra told wrongly is of a 4x3 page in random order. All that an order told wrongly is on
pages whose leads are exchanged inside columns (3x4: 31 pages, 6x2: one), for the most part as no sum tells
(III above I, or chest leads): they are called as usual, which is a doubt. Where no name was read, at 25 dB
and better, named are 98 to 100 % of 6x1, 6x2 and 4x3, 96 % of 12x1, 75 % of 3x4, 81 % with a strip of II,
47 % of 3x4 in Cabrera's order; none of six or three chest leads.

Where `by_algebra._FITS` was 0.3 instead of 0.2, six chest leads of one in 8 training records were called limb
leads; where `_CLEAR` was 1.5 instead of 2, one name of a page with a lost lead was wrong.
"""

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from scipy.ndimage import gaussian_filter1d

from ecgtrace.layout.by_algebra import ALGEBRA, NONE, ORDER, Trace, tell_names
from ecgtrace.layout.orders import ORDERS
from ecgtrace.types import FloatArray, Record
from ecgtrace.units import LEADS

CONF = Path(__file__).resolve().parents[1] / "conf"
STANDARD, CABRERA = 0, 1  # places in ORDERS


@dataclass(frozen=True)
class Reading:
    """
    How traces are read: what is planted on them.

    `snr_db` of noise below 20 Hz, where leads have their waves, too; `misfit_s` in time and `gain` as
    standard deviations, of each trace its own; `gaps` is the share of each trace that is missing, in pieces
    of 0.1 s.
    """

    snr_db: float = 60.0
    misfit_s: float = 0.0
    gain: float = 0.0
    gaps: float = 0.0


READINGS = {
    "as drawn": Reading(),
    "25 dB": Reading(25.0, 0.001, 0.01),
    "25 dB, gaps": Reading(25.0, 0.001, 0.01, 0.08),
    "15 dB": Reading(15.0, 0.002, 0.02),
    "15 dB, gaps": Reading(15.0, 0.002, 0.02, 0.08),
}


@dataclass(frozen=True)
class Page:
    """Rows of leads, of which some names were read."""

    rows: tuple[tuple[str, ...], ...]
    read: frozenset[str] = frozenset()


def grid(columns: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Turn columns into rows."""
    return tuple(zip(*columns, strict=True))


def pages(rng: np.random.Generator) -> dict[str, Page]:
    """Return the pages that are tried."""
    found: dict[str, Page] = {}
    for (rows, columns), orders in ORDERS.items():
        for order, what in zip(orders, ("", " Cabrera", " chest", " chest right"), strict=False):
            found[f"{rows}x{columns}{what}"] = Page(grid(order))
    usual, cabrera = grid(ORDERS[3, 4][STANDARD]), grid(ORDERS[3, 4][CABRERA])
    found["3x4+II"] = Page((*usual, ("II",)))
    found["3x4+V1"] = Page((*usual, ("V1",)))
    found["3x4+3"] = Page((*usual, ("V1",), ("II",), ("V5",)))
    found["3x4 Cabrera+II"] = Page((*cabrera, ("II",)))
    six = ("I", "II", "III", "aVR", "aVL", "aVF")
    mixed = list(rng.permutation(LEADS))
    limb, chest = list(rng.permutation(six)), list(rng.permutation(LEADS[6:]))
    found["12x1 shuffled"] = Page(tuple((name,) for name in mixed))
    found["6x1 shuffled"] = Page(tuple((name,) for name in limb))
    found["6x2 shuffled columns"] = Page(tuple(zip(limb, chest, strict=True)))
    found["6x2 shuffled"] = Page(tuple(zip(mixed[:6], mixed[6:], strict=True)))
    found["3x4 shuffled"] = Page(tuple(tuple(mixed[k::3]) for k in range(3)))
    found["3x4+II shuffled"] = Page((*(tuple(mixed[k::3]) for k in range(3)), ("II",)))
    found["4x3 shuffled"] = Page(tuple(tuple(mixed[k::4]) for k in range(4)))
    inside = [list(rng.permutation(column)) for column in ORDERS[3, 4][STANDARD]]
    found["3x4 shuffled inside columns"] = Page(tuple(zip(*inside, strict=True)))
    turned = tuple(tuple(row[c] for c in (2, 3, 0, 1)) for row in usual)
    found["3x4 chest first"] = Page(turned)
    found["3x4+II chest first"] = Page((*turned, ("II",)))
    half = frozenset(rng.permutation(LEADS)[:6].tolist())
    for name in ("3x4", "6x2", "12x1", "12x1 shuffled", "4x3"):
        found[f"{name}, half read"] = Page(found[name].rows, half)
    for name in ("12x1", "6x1"):
        rows = found[name].rows
        lost = int(rng.integers(len(rows)))
        found[f"{name}, one lead lost"] = Page(tuple(row for k, row in enumerate(rows) if k != lost))
    lost_limb = int(rng.integers(6))
    found["12x1, a limb lead lost"] = Page(
        tuple(row for k, row in enumerate(found["12x1"].rows) if k != lost_limb)
    )
    return found


def planted(
    record: Record, page: Page, reading: Reading, rng: np.random.Generator
) -> tuple[list[Trace], list[str]]:
    """Return the traces of a page without those names that were not read, and the true names."""
    n = record.signal.shape[1]
    most = max(len(row) for row in page.rows)
    traces, truth = [], []
    for r, row in enumerate(page.rows):
        strip = len(row) < most or (most == 1 and r >= 12)
        width = n // len(row)
        for c, name in enumerate(row):
            lead = name.removeprefix("-")
            signal = np.asarray(record.signal[record.leads.index(lead)], float)
            is_read = lead in page.read
            sign = -1.0 if name.startswith("-") and not is_read else 1.0
            values = np.full(n, np.nan)
            part = slice(c * width, (c + 1) * width)
            values[part] = sign * _read(signal, record.fs_hz, reading, rng)[part]
            if reading.gaps:
                for _ in range(round(reading.gaps * width / record.fs_hz / 0.1)):
                    at = part.start + int(rng.integers(width))
                    values[at : min(at + round(0.1 * record.fs_hz), part.stop)] = np.nan
            values -= np.nanmedian(values)
            traces.append(Trace(r, c, values, lead if is_read and not strip else "", strip))
            truth.append(name if not is_read else lead)
    return traces, truth


def _read(signal: FloatArray, fs_hz: float, reading: Reading, rng: np.random.Generator) -> FloatArray:
    t = np.arange(len(signal)) / fs_hz
    late = np.interp(t + rng.normal(0, reading.misfit_s), t, signal)
    noise = gaussian_filter1d(rng.normal(size=len(signal)), fs_hz / (2 * np.pi * 20.0))
    noise *= np.std(signal) / np.std(noise) * 10 ** (-reading.snr_db / 20)
    return (1 + rng.normal(0, reading.gain)) * late + noise


def count(traces: list[Trace], truth: list[str], fs_hz: float) -> Counter[str]:
    """Count the names of traces without one, and the pages with a wrong name by what told it."""
    told = tell_names(traces, fs_hz)
    found: Counter[str] = Counter()
    for trace, name, how, true in zip(traces, told.names, told.name_from, truth, strict=True):
        if not trace.name:
            found["unknown" if how == NONE else f"{'right' if name == true else 'wrong'} by {how}"] += 1
    found["pages"] = 1
    found["pages with a wrong name"] = any(found[f"wrong by {how}"] for how in (ALGEBRA, ORDER))
    found["pages with a wrong name and no doubt"] = bool(
        found["pages with a wrong name"] and not told.doubts and all(told.names)
    )
    return found


def main() -> None:
    """Print the table."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", sys.argv[1:])
    records = instantiate(cfg.signals)
    split, first, seed = cfg.get("split", "val"), cfg.get("first", 0), cfg.get("seed", 0)
    ids = records.split_ids(split)[first : first + cfg.get("n", 100)]
    totals: dict[tuple[str, str], Counter[str]] = {}
    for k, record_id in enumerate(ids, first):
        record = records.load(record_id)
        rng = np.random.default_rng([seed, k])
        for number, (layout, page) in enumerate(pages(rng).items()):
            name = list(READINGS)[(k + number) % len(READINGS)]
            own = count(*planted(record, page, READINGS[name], rng), record.fs_hz)
            kind = "15 dB" if name.startswith("15 dB") else "25 dB"
            for key in ((layout, kind), ("all", kind)):
                totals.setdefault(key, Counter()).update(own)
    kinds = [f"{w} by {h}" for h in (ALGEBRA, ORDER) for w in ("right", "wrong")] + ["unknown"]
    wrong = ["pages", "pages with a wrong name", "pages with a wrong name and no doubt"]
    print(
        f"{len(ids)} records of {split} from {first}, seed {seed}. "
        f"Columns: names {', '.join(kinds)}; {', '.join(wrong)}"
    )
    for (layout, kind), total in sorted(totals.items(), key=lambda item: item[0][0] == "all"):
        print(f"{layout:27s} {kind} " + " ".join(f"{total[name]:6d}" for name in (*kinds, *wrong)))


if __name__ == "__main__":
    main()
