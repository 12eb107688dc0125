"""What studies share: one network for all digitizers, what rows rest on, results beside their page."""

import csv
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation import bootstrap
from ecgtrace.evaluation.bootstrap import BootstrapOptions, Counts
from ecgtrace.evaluation.rows import FAILED
from ecgtrace.evaluation.run import CropSource, DigitizerLike
from ecgtrace.evaluation.subsets import NON_OVERLAP, OVERLAP
from ecgtrace.provenance import fingerprint, provenance
from ecgtrace.types import FloatArray

ROWS = "rows.csv"
SUMMARY = "summary.csv"
PROVENANCE = "provenance.json"
PAGE = "README.md"
SUBSETS = {NON_OVERLAP: "without overlap", OVERLAP: "with overlap"}
_BEGIN, _END = "<!-- table -->", "<!-- end -->"
_SUMMARISED = (
    ("mse_mean", "mse_mv2", "mean"),
    ("r_mean", "r", "mean"),
    ("snr_mean", "snr_db", "mean"),
    ("snr_median", "snr_db", "median"),
)
_RESAMPLED = {"mean": bootstrap.mean, "median": bootstrap.median}


class SharedNetwork:
    """
    A segmenter that remembers the last picture, for digitizers that are given the same one by turns.

    The first of them takes the network's time, as `seconds` of its row says; the others take none of it.

    Parameters
    ----------
    segmenter : object
        As `ecgtrace.segmentation.segmenter.NetworkSegmenter`.
    """

    def __init__(self, segmenter: Any) -> None:
        self.segmenter = segmenter
        self._last: tuple[NDArray[np.uint8], float | None, NDArray[np.float32]] | None = None

    @property
    def model(self) -> str:
        """Name of the network and hash of its weights."""
        return str(self.segmenter.model)

    @property
    def card(self) -> Any:
        """The card of the weights."""
        return self.segmenter.card

    def __call__(self, image: NDArray[np.uint8], duration_s: float | None = None) -> NDArray[np.float32]:
        """Return the target's channel of `channels`."""
        return self.channels(image, duration_s)[0]

    def channels(self, image: NDArray[np.uint8], duration_s: float | None = None) -> NDArray[np.float32]:
        """Return what the segmenter says of a picture, shape (n_channels, height, width)."""
        last = self._last
        if last is None or last[1] != duration_s or not np.array_equal(last[0], image):
            last = (image.copy(), duration_s, self.segmenter.channels(image, duration_s))
            self._last = last
        return last[2].copy()  # whoever writes into it does not change what the next one sees


def build(config: DictConfig, network: SharedNetwork | None) -> DigitizerLike:
    """
    Build a digitizer; where its configuration names a network, it gets the shared one.

    Parameters
    ----------
    config : DictConfig
        With `_target_`, a frozen dataclass.
    network : SharedNetwork or None
        None leaves the digitizer its own.

    Returns
    -------
    DigitizerLike
    """
    if network is None or config.get("segmenter") is None:
        return instantiate(config)  # type: ignore[no-any-return]
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    digitizer: Any = instantiate(OmegaConf.create(plain | {"segmenter": None}))
    return replace(digitizer, segmenter=network)  # type: ignore[no-any-return]


def begin(
    cfg: DictConfig,
    folder: Path,
    study: str,
    source: CropSource,
    configs: Mapping[str, DictConfig],
    digitizers: Mapping[str, DigitizerLike],
    keys: Sequence[str] = ("data", "align"),
) -> None:
    """
    Write what the rows rest on, after making sure that rows to be kept rest on the same.

    Where no row is missing, what was written stays.

    Parameters
    ----------
    cfg : DictConfig
        With `restart`: whether to forget the rows that are there.
    folder : Path
        Holds or gets `rows.csv` (with columns `crop_id` and `digitizer`) and `provenance.json`.
    study : str
        Name of its folder in experiments.
    source : CropSource
    configs : mapping of str to DictConfig
        Of the digitizers, by the name that the rows carry.
    digitizers : mapping of str to DigitizerLike
        Themselves, for the models that they rest on.
    keys : sequence of str, optional
        Parts of the configuration that all rows rest on.

    Raises
    ------
    ConfigError
        If the folder holds rows of another configuration.
    """
    crop_ids = [source.crop_id(index) for index in range(len(source))]
    content = source.fingerprint() if hasattr(source, "fingerprint") else None
    plain = [OmegaConf.to_container(cfg[key], resolve=True) for key in keys]
    facts = provenance(cfg)
    facts["command"] = facts["command"].replace(" run.py", f" experiments/{study}/run.py", 1)
    facts["n_crops"] = len(source)
    facts["data_fingerprint"] = fingerprint([content, crop_ids, *plain])
    models = {name: str(getattr(digitizer, "model", "")) for name, digitizer in digitizers.items()}
    facts["models"] = models
    facts["digitizer_fingerprints"] = {
        name: fingerprint([models[name], OmegaConf.to_container(config, resolve=True)])
        for name, config in configs.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PROVENANCE
    if cfg.restart:
        (folder / ROWS).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    if path.is_file() and (folder / ROWS).is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        known = before["digitizer_fingerprints"]
        changed = [k for k, v in facts["digitizer_fingerprints"].items() if known.setdefault(k, v) != v]
        if before["data_fingerprint"] != facts["data_fingerprint"]:
            changed.append(" or ".join(keys))
        if changed:
            raise ConfigError(
                f"{folder} holds rows of another configuration ({', '.join(changed)} changed); "
                "restart=true forgets them, output_dir=... leaves them alone"
            )
        if {(crop_id, name) for crop_id in crop_ids for name in configs} <= _done(folder / ROWS):
            return
        call = {key: before[key] for key in ("date_utc", "command", "commit", "dirty")}
        facts["earlier_calls"] = [*before.get("earlier_calls", []), call]
        facts["digitizer_fingerprints"] = known
        facts["models"] = before["models"] | models
    path.write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")


def _done(path: Path) -> set[tuple[str, str]]:
    """Return the crops and digitizers that have a whole row."""
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    return {(row["crop_id"], row["digitizer"]) for row in csv.DictReader(io.StringIO(whole))}


def subsets_of(rows: pd.DataFrame) -> list[str]:
    """Return the subsets that a table has crops of, in the order of the tables."""
    present = set(rows["subset"])
    return [name for name in SUBSETS if name in present]


def resamples(part: pd.DataFrame, options: BootstrapOptions) -> tuple[list[str], Counts]:
    """Return the crops of a table in order, and how often each is drawn; the same for all digitizers."""
    crops = part.drop_duplicates("crop_id").sort_values("crop_id")
    ids = list(crops["crop_id"])
    return ids, bootstrap.draw_resamples(ids, list(crops["record_id"]), options)


def with_interval(
    key: str, values: FloatArray, how: str, counts: Counts, options: BootstrapOptions
) -> dict[str, float]:
    """
    Return a mean or median with its interval, as `key`, `key_low` and `key_high`.

    Parameters
    ----------
    key : str
    values : ndarray of float, shape (n_crops,)
        NaN is left out.
    how : {"mean", "median"}
    counts : ndarray of int, shape (n_resamples, n_crops)
    options : BootstrapOptions

    Returns
    -------
    dict of str to float
    """
    known = values[np.isfinite(values)]
    value = float(getattr(np, how)(known)) if known.size else float("nan")
    low, high = bootstrap.percentile_interval(_RESAMPLED[how](values, counts), options.level)
    return {key: value, f"{key}_low": low, f"{key}_high": high}


def summarize(rows: pd.DataFrame, names: Sequence[str], options: BootstrapOptions) -> pd.DataFrame:
    """
    Summarise each digitizer on each subset.

    Parameters
    ----------
    rows : DataFrame
        As `ecgtrace.evaluation.rows.read_rows` gives them. What failed counts as its row says: r 0, SNR
        0 dB, as MSE the variance of the truth.
    names : sequence of str
    options : BootstrapOptions

    Returns
    -------
    DataFrame
        `subset`, `digitizer`, `n`, `n_failed`; mean of MSE (mV²), r and SNR (dB), and median of SNR, each
        with the ends of its interval.
    """
    lines = []
    for subset in subsets_of(rows):
        part = rows[rows["subset"] == subset]
        crop_ids, counts = resamples(part, options)
        for name in names:
            mine = part[part["digitizer"] == name].set_index("crop_id").reindex(crop_ids)
            line: dict[str, Any] = {
                "subset": subset,
                "digitizer": name,
                "n": int(mine["status"].notna().sum()),
                "n_failed": int((mine["status"] == FAILED).sum()),
            }
            for key, column, how in _SUMMARISED:
                line |= with_interval(key, mine[column].to_numpy(float), how, counts, options)
            lines.append(line)
    return pd.DataFrame(lines)


def cell(line: Mapping[str, Any], key: str, form: str) -> str:
    """
    Write a number of a line with its interval; empty where there is none.

    Examples
    --------
    >>> cell({"r_mean": 0.5, "r_mean_low": 0.25, "r_mean_high": 0.75}, "r_mean", ".2f")
    '0.50 [0.25, 0.75]'
    """
    value = line.get(key, float("nan"))
    if pd.isna(value):
        return ""
    return f"{value:{form}} [{line[f'{key}_low']:{form}}, {line[f'{key}_high']:{form}}]"


def table(head: Sequence[str], lines: Sequence[Sequence[str]], n_text: int = 1) -> str:
    """
    Write a table in Markdown.

    Parameters
    ----------
    head : sequence of str
    lines : sequence of sequence of str
    n_text : int, optional
        So many columns from the left are text; the others stand to the right.

    Returns
    -------
    str

    Examples
    --------
    >>> print(table(["what", "n"], [["a", "1"]]))
    | what | n |
    | --- | ---: |
    | a | 1 |
    """
    marks = ["---"] * n_text + ["---:"] * (len(head) - n_text)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, marks, *lines))


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV with six digits."""
    frame.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")


def publish(folder: Path, names: Sequence[str], text: str, page_folder: Path) -> None:
    """
    Copy results beside the README that tells of them, and put a text between its marks.

    Parameters
    ----------
    folder : Path
        With the files of `names`.
    names : sequence of str
    text : str
    page_folder : Path
        With README.md.

    Raises
    ------
    DataError
        If there is no README, or it has no marks; then nothing is copied.
    """
    page = page_folder / PAGE
    if not page.is_file():
        raise DataError(f"there is no {page} to put the tables into")
    told = with_text(page.read_text(encoding="utf-8"), text)
    for name in names:
        shutil.copyfile(folder / name, page_folder / name)
    page.write_text(told, encoding="utf-8")


def with_text(page: str, text: str) -> str:
    r"""
    Return a page with a text between its marks.

    Raises
    ------
    DataError
        If the page has no such marks.

    Examples
    --------
    >>> with_text("a\n<!-- table -->\nold\n<!-- end -->\nb\n", "new")
    'a\n<!-- table -->\nnew\n<!-- end -->\nb\n'
    """
    before, mark, rest = page.partition(f"{_BEGIN}\n")
    if not mark or _END not in rest:
        raise DataError(f"the page has no lines {_BEGIN} and {_END} for the tables")
    return f"{before}{mark}{text}\n{_END}{rest.partition(_END)[2]}"
