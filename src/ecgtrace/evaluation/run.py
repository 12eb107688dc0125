"""
Run digitizers over crops and leave one row per crop and digitizer.

`evaluate_many` is the work; `main` is what `evaluate.py` calls with its configuration.
"""

import json
import logging
import multiprocessing
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import MissingConfigException
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from ecgtrace.errors import ConfigError, EcgTraceError
from ecgtrace.evaluation import metrics
from ecgtrace.evaluation.align import DEFAULT_ALIGN, AlignOptions
from ecgtrace.evaluation.bootstrap import BootstrapOptions
from ecgtrace.evaluation.rows import DOUBTFUL, FAILED, OK, Row, RowWriter, read_rows, sort_rows
from ecgtrace.evaluation.subsets import ALL, UNKNOWN, keeps, subset_of
from ecgtrace.provenance import fingerprint, provenance
from ecgtrace.types import LeadCrop, LeadSignal

_log = logging.getLogger(__name__)

ROWS = "rows.csv"
METRICS = "metrics.json"
PROVENANCE = "provenance.json"
_MESSAGE_LENGTH = 300


class CropSource(Protocol):
    """
    Where crops come from.

    A source may also have `subset(index) -> str`, which names the subset of a crop without reading it and is
    asked for crops that cannot be read; `name`, where its crops come from; and `fingerprint() -> str`, a hash
    of what they are made from.
    """

    def __len__(self) -> int:
        """Return the number of crops."""

    def __getitem__(self, index: int) -> LeadCrop:
        """Return a crop; raises `DataError` if this one is broken."""

    def crop_id(self, index: int) -> str:
        """Return the crop's unique name without reading it."""


class DigitizerLike(Protocol):
    """
    What is evaluated.

    A digitizer may also have `uses_true_mask = True`: it is then given the crop's mask (the ceiling
    of a method, not a method); `model`, the name of the model that it rests on; and `segmenter.card`, a
    dataclass that says where the model's weights come from.
    """

    @property
    def name(self) -> str:
        """Return what rows and tables call it."""

    def __call__(self, image: NDArray[np.uint8], mask: NDArray[np.uint8] | None = None) -> LeadSignal:
        """Digitize the picture of one lead."""


@dataclass(frozen=True)
class EvaluationOptions:
    """
    What an evaluation needs besides crops and digitizers.

    Attributes
    ----------
    subset : {"all", "overlap", "non_overlap"}
        Crops of the other subset leave no row.
    align : AlignOptions
    resume : bool
        Keep the rows that the file already has.
    workers : int
        Processes. The rows are the same whatever their number, but for `seconds`: each worker computes on
        one thread.
    progress : bool
        Show a progress bar.
    """

    subset: str = ALL
    align: AlignOptions = DEFAULT_ALIGN
    resume: bool = False
    workers: int = 1
    progress: bool = True

    def __post_init__(self) -> None:
        keeps(self.subset, ALL)  # raises for an unknown subset
        if self.workers < 1:
            raise ConfigError(f"workers must be at least 1, got {self.workers}")


DEFAULT_OPTIONS = EvaluationOptions()


def evaluate_many(
    source: CropSource,
    digitizers: Mapping[str, DigitizerLike],
    rows_path: Path,
    options: EvaluationOptions = DEFAULT_OPTIONS,
) -> pd.DataFrame:
    """
    Give every digitizer the same crops, each read once.

    Parameters
    ----------
    source : CropSource
    digitizers : mapping of str to DigitizerLike
        By the name that the rows carry.
    rows_path : Path
        CSV file, written and flushed crop by crop; sorted when all is done.
    options : EvaluationOptions, optional

    Returns
    -------
    DataFrame
        The rows of the file, columns as `Row`, in the order of the source. A crop that cannot be
        read or digitized is a row with `status` failed and a message, whatever the exception.

    Raises
    ------
    DataError
        If the file to resume cannot be read.
    """
    crop_ids = [source.crop_id(index) for index in range(len(source))]
    with RowWriter(rows_path, options.resume) as writer:
        done = _done(rows_path)
        tasks = []
        for index, crop_id in enumerate(crop_ids):
            todo = tuple(name for name in digitizers if (crop_id, name) not in done)
            if todo:
                tasks.append((index, todo))
        with ExitStack() as stack:
            results = _results(stack, source, digitizers, options, tasks)
            for rows in tqdm(results, total=len(tasks), unit="crop", disable=not options.progress):
                writer.write(rows)
    return sort_rows(rows_path, crop_ids, list(digitizers))


def evaluate_crop(
    source: CropSource,
    index: int,
    digitizers: Mapping[str, DigitizerLike],
    options: EvaluationOptions = DEFAULT_OPTIONS,
) -> list[Row]:
    """
    Read one crop and score every digitizer on it.

    Returns
    -------
    list of Row
        One per digitizer; empty where the crop belongs to another subset.
    """
    try:
        crop = source[index]
    except Exception as error:  # any broken item is a row
        return [_unread_row(source, index, name, digitizer, error) for name, digitizer in digitizers.items()]
    if not keeps(options.subset, subset_of(crop)):
        return []
    crop_id = source.crop_id(index)
    return [
        _score_row(crop, crop_id, name, digitizer, options.align) for name, digitizer in digitizers.items()
    ]


def digitize_crop(digitizer: DigitizerLike, crop: LeadCrop) -> LeadSignal:
    """Call a digitizer with the picture alone, or with the true mask if that is what it is for."""
    if getattr(digitizer, "uses_true_mask", False):
        return digitizer(crop.image, mask=crop.mask)
    return digitizer(crop.image)


def describe_error(error: Exception) -> str:
    """Return one line; the type is named unless the error was raised on purpose for the user."""
    text = " ".join(str(error).split())
    if not isinstance(error, EcgTraceError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return (text or type(error).__name__)[:_MESSAGE_LENGTH]


def main(cfg: DictConfig) -> dict[str, Any]:
    """
    Evaluate as configured: rows, tables, figures, report, log.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/evaluate.yaml`. Everything is written into `cfg.output_dir`.

    Returns
    -------
    dict
        What `metrics.json` holds.

    Raises
    ------
    ConfigError
        If a value is out of range, or if `resume` meets rows of another configuration.
    """
    # Imported here: figures pull in matplotlib, which workers do not need.
    from ecgtrace.reporting import figures, report, tables

    folder = Path(cfg.output_dir)
    options = EvaluationOptions(
        subset=cfg.subset.name,
        align=instantiate(cfg.align),
        resume=cfg.resume,
        workers=cfg.workers,
        progress=cfg.progress,
    )
    bootstrap: BootstrapOptions = instantiate(cfg.bootstrap)
    digitizer_configs = [cfg.digitizer, *(_compose_digitizer(name) for name in cfg.compare)]
    digitizers = _build(digitizer_configs)
    tracker = instantiate(cfg.logger)
    # "object": nodes that are dataclasses reach the source as such, not as configurations of them.
    source: CropSource = instantiate(cfg.data, _convert_="object")
    if len(source) == 0:
        raise ConfigError("there is no crop to evaluate; look at data and subset")
    facts = provenance(cfg)
    facts |= _fingerprints(cfg, source, dict(zip(digitizers, digitizer_configs, strict=True)))
    facts["models"] = {name: _model_facts(digitizer) for name, digitizer in digitizers.items()}
    _start_or_resume(folder, facts, options.resume)

    rows = evaluate_many(source, digitizers, folder / ROWS, options)
    results = tables.results(rows, bootstrap)
    (folder / METRICS).write_text(json.dumps(tables.as_metrics(results), indent=2) + "\n", encoding="utf-8")
    tables.write_tables(results, folder / "tables")
    if cfg.figures:
        figures.write_figures(rows, source, digitizers, folder / "figures", options.align)
    report_path = report.write_report(folder)
    tracker.log_evaluation(results, facts, folder)
    print(tables.to_text(results))
    print(f"rows: {folder / ROWS}\nreport: {report_path}")
    return tables.as_metrics(results)


def _score_row(crop: LeadCrop, crop_id: str, name: str, digitizer: DigitizerLike, align: AlignOptions) -> Row:
    began = time.perf_counter()
    seconds = None
    scores = None
    message = doubts = ""
    try:
        digitized = digitize_crop(digitizer, crop)
        seconds = time.perf_counter() - began
        scores = metrics.score(crop, digitized, align)
        doubts = " ".join("; ".join(digitized.doubts).split())
    except Exception as error:  # any failure is a row
        seconds = time.perf_counter() - began if seconds is None else seconds
        message = describe_error(error)
    return Row(
        crop_id=crop_id,
        record_id=crop.record_id,
        lead=crop.lead,
        layout=crop.layout,
        subset=subset_of(crop),
        overlap_px=int(crop.overlap_px),
        crossings=int(crop.crossings),
        digitizer=name,
        model=_model_name(digitizer),
        status=FAILED if scores is None else DOUBTFUL if doubts else OK,
        message=message,
        doubts=doubts,
        mse_mv2=scores.mse_mv2 if scores else metrics.failed_mse_mv2(crop.signal),
        r=scores.r if scores else metrics.FAILED_R,
        snr_db=scores.snr_db if scores else metrics.FAILED_SNR_DB,
        lag_ms=1000 * scores.lag_s if scores else None,
        time0_error_ms=scores.time0_error_ms if scores else None,
        coverage=scores.coverage if scores else 0.0,
        grid_error_x=scores.grid_error_x if scores else None,
        grid_error_y=scores.grid_error_y if scores else None,
        n_samples=len(crop.signal),
        fs_hz=float(crop.fs_hz),
        seconds=seconds,
    )


def _unread_row(source: CropSource, index: int, name: str, digitizer: DigitizerLike, error: Exception) -> Row:
    subset = source.subset(index) if hasattr(source, "subset") else UNKNOWN
    return Row(
        crop_id=source.crop_id(index),
        record_id="",
        lead="",
        layout="",
        subset=subset,
        overlap_px=None,
        crossings=None,
        digitizer=name,
        model=_model_name(digitizer),
        status=FAILED,
        message=describe_error(error),
        doubts="",
        mse_mv2=None,
        r=metrics.FAILED_R,
        snr_db=metrics.FAILED_SNR_DB,
        lag_ms=None,
        time0_error_ms=None,
        coverage=0.0,
        grid_error_x=None,
        grid_error_y=None,
        n_samples=None,
        fs_hz=None,
        seconds=None,
    )


def _done(rows_path: Path) -> set[tuple[str, str]]:
    rows = read_rows(rows_path)
    return set(zip(rows["crop_id"], rows["digitizer"], strict=True))


def _results(
    stack: ExitStack,
    source: CropSource,
    digitizers: Mapping[str, DigitizerLike],
    options: EvaluationOptions,
    tasks: list[tuple[int, tuple[str, ...]]],
) -> Iterator[list[Row]]:
    """Rows of each task, in order, from this process or from workers."""
    if options.workers == 1:
        return (_do(source, digitizers, options, task) for task in tasks)
    # Spawned, not forked: torch's threads do not survive a fork.
    pool = stack.enter_context(
        ProcessPoolExecutor(
            min(options.workers, max(len(tasks), 1)),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_Worker.start,
            initargs=(source, dict(digitizers), options),
        )
    )
    # Without this an interrupt would wait for every task that is queued.
    stack.callback(pool.shutdown, wait=True, cancel_futures=True)
    return pool.map(_Worker.do, tasks)


def _do(
    source: CropSource,
    digitizers: Mapping[str, DigitizerLike],
    options: EvaluationOptions,
    task: tuple[int, tuple[str, ...]],
) -> list[Row]:
    index, names = task
    return evaluate_crop(source, index, {name: digitizers[name] for name in names}, options)


class _Worker:
    """What a worker process keeps between crops: source and models travel to it once."""

    _state: tuple[CropSource, Mapping[str, DigitizerLike], EvaluationOptions]

    @classmethod
    def start(
        cls, source: CropSource, digitizers: Mapping[str, DigitizerLike], options: EvaluationOptions
    ) -> None:
        # What the digitizers need is imported by now; others need not wait for torch.
        for name, set_threads in (("cv2", "setNumThreads"), ("torch", "set_num_threads")):
            if name in sys.modules:
                getattr(sys.modules[name], set_threads)(1)
        cls._state = (source, digitizers, options)

    @staticmethod
    def do(task: tuple[int, tuple[str, ...]]) -> list[Row]:
        return _do(*_Worker._state, task)


def _compose_digitizer(name: str) -> DictConfig:
    """Compose `conf/digitizer/NAME.yaml` as if it had been chosen on the command line."""
    overrides = []
    if HydraConfig.initialized():
        overrides = [
            text
            for text in HydraConfig.get().overrides.task
            if not text.lstrip("+~").startswith(("digitizer=", "digitizer.", "compare="))
        ]
    try:
        return compose("evaluate", [*overrides, f"digitizer={name}"]).digitizer
    except MissingConfigException as error:
        raise ConfigError(f"compare: {' '.join(str(error).split())}") from error


def _build(configs: list[DictConfig]) -> dict[str, DigitizerLike]:
    digitizers: dict[str, DigitizerLike] = {}
    for config in configs:
        digitizer: DigitizerLike = instantiate(config)
        if digitizer.name in digitizers:
            raise ConfigError(
                f"two digitizers are named '{digitizer.name}'; name each once in digitizer and compare"
            )
        digitizers[digitizer.name] = digitizer
    return digitizers


def _model_name(digitizer: DigitizerLike) -> str:
    model = getattr(digitizer, "model", "")
    return model if isinstance(model, str) else str(getattr(model, "name", ""))


def _model_facts(digitizer: DigitizerLike) -> dict[str, Any]:
    """Name of the model, and the card of its weights: what they were started from and trained on."""
    card = getattr(getattr(digitizer, "segmenter", None), "card", None)
    facts = asdict(card) if is_dataclass(card) and not isinstance(card, type) else {}
    return {"model": _model_name(digitizer), **facts}


def _fingerprints(
    cfg: DictConfig, source: CropSource, digitizers: Mapping[str, DictConfig]
) -> dict[str, Any]:
    """Hash what the rows depend on: the crops (by configuration and names) and each digitizer."""

    def plain(key: str) -> Any:
        return OmegaConf.to_container(cfg[key], resolve=True)

    crop_ids = [source.crop_id(index) for index in range(len(source))]
    content = source.fingerprint() if hasattr(source, "fingerprint") else None
    return {
        "data": getattr(source, "name", cfg.data.get("_target_")),
        "n_crops": len(source),
        "data_fingerprint": fingerprint([content, crop_ids, plain("data"), plain("subset"), plain("align")]),
        "digitizer_fingerprints": {
            name: fingerprint(OmegaConf.to_container(config, resolve=True))
            for name, config in digitizers.items()
        },
    }


def _start_or_resume(folder: Path, facts: dict[str, Any], resume: bool) -> None:
    """Write the provenance, after making sure that rows to be kept come from the same configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PROVENANCE
    if resume and not (folder / ROWS).is_file():
        # A folder that was named may be begun with this very call; one that Hydra named by the time, not.
        named = HydraConfig.initialized() and any(
            text.startswith("hydra.run.dir=") for text in HydraConfig.get().overrides.hydra
        )
        (_log.info if named else _log.warning)(
            "resume: %s has no rows yet; name the earlier folder with hydra.run.dir=FOLDER", folder
        )
    elif resume and path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        known = before.get("digitizer_fingerprints", {})
        changed = [
            name
            for name, value in facts["digitizer_fingerprints"].items()
            if known.setdefault(name, value) != value
        ]
        if before.get("data_fingerprint") != facts["data_fingerprint"]:
            changed.append("data")
        if changed:
            raise ConfigError(
                f"resume: {', '.join(changed)} changed since {folder} was begun; start a new folder"
            )
        facts["digitizer_fingerprints"] = known
        facts["models"] = {**before.get("models", {}), **facts["models"]}
    path.write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")
