"""
Does it matter to a cardiologist? The study: rows, table, figure; `main` is what experiments/clinical/run.py
calls.

Rows are kept crop by crop; a crop that has the rows of a digitizer is not done again.
"""

import csv
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import MissingConfigException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.run import CropSource, DigitizerLike, describe_error, digitize_crop
from ecgtrace.evaluation.subsets import UNKNOWN, subset_of
from ecgtrace.provenance import fingerprint, provenance
from ecgtrace.studies import bland_altman, clinical
from ecgtrace.studies.clinical import DEFAULT_MEASURE, MEASURES, MeasureOptions
from ecgtrace.types import LeadCrop

_log = logging.getLogger(__name__)

ROWS = "rows.csv"
SUMMARY = "summary.csv"
FIGURE = "bland_altman"
PROVENANCE = "provenance.json"
PUBLISHED = (ROWS, SUMMARY, PROVENANCE, f"{FIGURE}.png", f"{FIGURE}.pdf")
PAGE = "README.md"
CONTROL = "control"
UNREAD = "unread"
_BEGIN, _END = "<!-- table -->", "<!-- end -->"

_TEXT = ("crop_id", "record_id", "lead", "subset", "digitizer", "measure", "status", "message")
_NUMBERS = ("truth", "digitized", "difference", "n_beats", "n_missed")
COLUMNS = (
    "crop_id",
    "record_id",
    "lead",
    "subset",
    "digitizer",
    "measure",
    "truth",
    "digitized",
    "difference",
    "n_beats",
    "n_missed",
    "status",
    "message",
)


@dataclass(frozen=True)
class StudyOptions:
    """
    What the study needs besides crops and digitizers.

    Attributes
    ----------
    align : AlignOptions
    measure : MeasureOptions
    control_noise_mv : float or None
        Standard deviation of the white noise of the control, in mV: the truth itself with noise on its
        samples, measured as a digitizer is. What it shows is how much of a difference is the measuring's own.
        None: no control.
    seed : int
        Of the noise.
    progress : bool
        Show a progress bar.
    """

    align: AlignOptions = DEFAULT_ALIGN
    measure: MeasureOptions = DEFAULT_MEASURE
    control_noise_mv: float | None = None
    seed: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        if self.control_noise_mv is not None and self.control_noise_mv < 0:
            raise ConfigError(f"control_noise_mv must not be negative, got {self.control_noise_mv}")


DEFAULT_STUDY = StudyOptions()


def measure_all(
    source: CropSource,
    digitizers: Mapping[str, DigitizerLike],
    rows_path: Path,
    options: StudyOptions = DEFAULT_STUDY,
) -> pd.DataFrame:
    """
    Measure every crop with every digitizer, and with the control; rows that are there are kept.

    Parameters
    ----------
    source : CropSource
    digitizers : mapping of str to DigitizerLike
        By the name that the rows carry.
    rows_path : Path
        CSV file, written crop by crop.
    options : StudyOptions, optional

    Returns
    -------
    DataFrame
        The rows, columns as `COLUMNS`, in the order of the source. A crop that cannot be read has a row of
        status `unread` for each measure and digitizer.
    """
    clinical.load_neurokit()
    names = _names(digitizers, options)
    crop_ids = [source.crop_id(index) for index in range(len(source))]
    _start_rows(rows_path)
    tasks = todo(rows_path, crop_ids, names)
    with rows_path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        for index, missing in tqdm(tasks, unit="crop", disable=not options.progress):
            for rows in _measure_crop(source, index, missing, digitizers, options):
                writer.writerows(rows)
            file.flush()
    rows = read_rows(rows_path)
    place = {crop_id: n for n, crop_id in enumerate(crop_ids)}
    order = pd.DataFrame(
        {
            "crop": rows["crop_id"].map(place),
            "digitizer": rows["digitizer"].map({name: n for n, name in enumerate(names)}),
        }
    )
    rows = rows.iloc[order.dropna().sort_values(["crop", "digitizer"], kind="stable").index]
    return rows.reset_index(drop=True)


def todo(rows_path: Path, crop_ids: Sequence[str], names: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Return the crops that lack rows, each with the digitizers whose rows it lacks."""
    done: set[tuple[str, str]] = set()
    if rows_path.is_file():
        rows = read_rows(rows_path)
        done = set(zip(rows["crop_id"], rows["digitizer"], strict=True))
    tasks = [
        (index, [name for name in names if (crop_id, name) not in done])
        for index, crop_id in enumerate(crop_ids)
    ]
    return [(index, missing) for index, missing in tasks if missing]


def read_rows(path: Path) -> pd.DataFrame:
    """
    Read the rows of the study; text columns stay text.

    Raises
    ------
    DataError
        If the file is no such table.
    """
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as rows: {error}") from error
    if tuple(rows.columns) != COLUMNS:
        raise DataError(
            f"{path} has other columns than this study writes; delete it or choose another output_dir"
        )
    for name in _NUMBERS:
        rows[name] = [float(text) if text else float("nan") for text in rows[name]]
    return rows


def main(cfg: DictConfig, page_folder: Path) -> pd.DataFrame:
    """
    Do the study as configured.

    Parameters
    ----------
    cfg : DictConfig
        As conf/clinical.yaml. Everything is written into `cfg.output_dir`.
    page_folder : Path
        Where `publish=true` puts the results, and whose README.md gets the table.

    Returns
    -------
    DataFrame
        What summary.csv holds.
    """
    folder = Path(cfg.output_dir)
    options = StudyOptions(
        align=instantiate(cfg.align),
        measure=instantiate(cfg.measure),
        control_noise_mv=cfg.control_noise_mv,
        seed=cfg.seed,
        progress=cfg.progress,
    )
    resampling: BootstrapOptions = instantiate(cfg.bootstrap)
    configs = {name: _compose_digitizer(name) for name in cfg.digitizers}
    digitizers = {name: instantiate(config) for name, config in configs.items()}
    if not digitizers or len(digitizers) != len(cfg.digitizers):
        raise ConfigError(
            f"digitizers must name each of conf/digitizer at most once, got {list(cfg.digitizers)}"
        )
    clinical.load_neurokit()  # before anything is begun
    source: CropSource = instantiate(cfg.data, _convert_="object")
    _start(cfg, folder, source, configs, options)

    rows = measure_all(source, digitizers, folder / ROWS, options)
    summary = bland_altman.summarize(rows, resampling)
    summary.to_csv(folder / SUMMARY, index=False, lineterminator="\n", float_format="%.6g")
    # Imported here: it pulls in what measuring does not need.
    from ecgtrace.reporting.figures import save

    names = _names(digitizers, options)
    picture = save(bland_altman.plot(rows, summary, names), folder / FIGURE)
    table = bland_altman.to_markdown(summary)
    print(table)
    print(f"rows: {folder / ROWS}\nfigure: {picture}")
    if cfg.publish:
        publish(folder, rows, table, page_folder)
    return summary


def publish(folder: Path, rows: pd.DataFrame, table: str, page_folder: Path) -> None:
    """Copy the results beside the README that tells of them, and put the table between its marks."""
    page = page_folder / PAGE
    if not page.is_file():
        raise DataError(f"there is no {page} to put the table into")
    for name in PUBLISHED:
        shutil.copyfile(folder / name, page_folder / name)
    # Those of the configured crops and digitizers alone, in order.
    rows.to_csv(page_folder / ROWS, index=False, lineterminator="\n", float_format="%.6g")
    page.write_text(with_table(page.read_text(encoding="utf-8"), table), encoding="utf-8")


def with_table(page: str, table: str) -> str:
    r"""
    Return a page with the table between its marks.

    Raises
    ------
    DataError
        If the page has no such marks.

    Examples
    --------
    >>> with_table("a\n<!-- table -->\nold\n<!-- end -->\nb\n", "new")
    'a\n<!-- table -->\nnew\n<!-- end -->\nb\n'
    """
    before, mark, rest = page.partition(f"{_BEGIN}\n")
    if not mark or _END not in rest:
        raise DataError(f"the page has no lines {_BEGIN} and {_END} for the table")
    return f"{before}{mark}{table}\n{_END}{rest.partition(_END)[2]}"


def _names(digitizers: Mapping[str, DigitizerLike], options: StudyOptions) -> list[str]:
    return [*digitizers, *([] if options.control_noise_mv is None else [CONTROL])]


def _measure_crop(
    source: CropSource,
    index: int,
    names: Sequence[str],
    digitizers: Mapping[str, DigitizerLike],
    options: StudyOptions,
) -> list[list[dict[str, Any]]]:
    """Return the rows of one crop, a list for each name."""
    try:
        crop = source[index]
    except Exception as error:  # any broken item is a row
        subset = source.subset(index) if hasattr(source, "subset") else UNKNOWN
        what = dict.fromkeys(COLUMNS, "") | {"crop_id": source.crop_id(index), "subset": subset}
        what |= {"n_beats": 0, "n_missed": 0, "status": UNREAD, "message": describe_error(error)}
        return [[{**what, "digitizer": name, "measure": m.name} for m in MEASURES] for name in names]
    found = []
    for name in names:
        if name == CONTROL:
            noise = np.random.default_rng([options.seed, index]).normal(size=len(crop.signal))
            noisy = crop.signal + (options.control_noise_mv or 0.0) * noise
            found.append(
                clinical.compare(crop.signal, crop.fs_hz, noisy, crop.fs_hz, options.align, options.measure)
            )
        else:
            found.append(_compare(crop, digitizers[name], options))
    what = {"crop_id": source.crop_id(index), "record_id": crop.record_id, "lead": crop.lead}
    what["subset"] = subset_of(crop)
    return [
        [{**what, "digitizer": name, **asdict(one)} for one in comparisons]
        for name, comparisons in zip(names, found, strict=True)
    ]


def _compare(crop: LeadCrop, digitizer: DigitizerLike, options: StudyOptions) -> list[clinical.Comparison]:
    try:
        digitized = digitize_crop(digitizer, crop)
    except Exception as error:  # a lead that could not be digitized is a row
        return clinical.compare_failed(crop.signal, crop.fs_hz, describe_error(error), options.measure)
    return clinical.compare(
        crop.signal, crop.fs_hz, digitized.amplitude_mv, digitized.fs_hz, options.align, options.measure
    )


def _start_rows(path: Path) -> None:
    """Begin the file, or cut off the last line of one that was cut short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = path.read_bytes() if path.is_file() else b""
    kept = content[: content.rfind(b"\n") + 1] or (",".join(COLUMNS) + "\n").encode()
    if kept != content:
        path.write_bytes(kept)
    rows = read_rows(path)
    sizes = rows.groupby(["crop_id", "digitizer"])["measure"].transform("size")
    if (sizes != len(MEASURES)).any():  # a crop that was cut short is done again as a whole
        rows[sizes == len(MEASURES)].to_csv(path, index=False, lineterminator="\n")


def _compose_digitizer(name: str) -> DictConfig:
    """Compose `conf/digitizer/NAME.yaml` with the other options of the command line."""
    overrides: list[str] = []
    if HydraConfig.initialized():
        overrides = list(HydraConfig.get().overrides.task)
    if any(text.lstrip("+~").startswith("digitizer=") for text in overrides):
        raise ConfigError("name the digitizers as digitizers=[NAME,NAME]")
    try:
        return compose("clinical", [*overrides, f"digitizer={name}"]).digitizer
    except MissingConfigException as error:
        raise ConfigError(f"digitizers: {' '.join(str(error).split())}") from error


def _start(
    cfg: DictConfig,
    folder: Path,
    source: CropSource,
    configs: Mapping[str, DictConfig],
    options: StudyOptions,
) -> None:
    """Write what the rows rest on, after making sure that rows to be kept rest on the same."""
    crop_ids = [source.crop_id(index) for index in range(len(source))]
    content = source.fingerprint() if hasattr(source, "fingerprint") else None  # type: ignore[attr-defined]
    plain = [OmegaConf.to_container(cfg[key], resolve=True) for key in ("data", "align", "measure")]
    facts = provenance(cfg)
    facts["command"] = facts["command"].replace(" run.py", " experiments/clinical/run.py", 1)
    facts["versions"]["neurokit2"] = metadata.version("neurokit2")
    facts["n_crops"] = len(source)
    facts["data_fingerprint"] = fingerprint([content, crop_ids, *plain, facts["versions"]["neurokit2"]])
    facts["digitizer_fingerprints"] = {
        name: fingerprint(OmegaConf.to_container(config, resolve=True)) for name, config in configs.items()
    }
    if options.control_noise_mv is not None:
        facts["digitizer_fingerprints"][CONTROL] = fingerprint([options.control_noise_mv, options.seed])
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
            changed.append("crops or measuring")
        if changed:
            raise ConfigError(
                f"{folder} holds rows of another configuration ({', '.join(changed)} changed); "
                "restart=true forgets them, output_dir=... leaves them alone"
            )
        _start_rows(folder / ROWS)
        if not todo(folder / ROWS, crop_ids, list(facts["digitizer_fingerprints"])):
            _log.info("all crops have their rows")
            return
        call = {key: before[key] for key in ("date_utc", "command", "commit", "dirty")}
        facts["earlier_calls"] = [*before.get("earlier_calls", []), call]
        facts["digitizer_fingerprints"] = {**known}
    path.write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")
