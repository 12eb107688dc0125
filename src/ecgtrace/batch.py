"""
Digitize files: a table of samples and a note for each picture, and a summary of all.

`digitize_files` is the work; `main` is what `digitize.py` calls with its configuration. What is taken as
input stands in `inputs`, what is written in `outputs`, how a picture is read in `reading`.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from ecgtrace import outputs
from ecgtrace import page_files as pages
from ecgtrace.api import check_fs, check_number, with_scale
from ecgtrace.errors import ConfigError, EcgTraceError, WeightsError, WholePageError
from ecgtrace.inputs import OVERLAY_SUFFIX, SUMMARY, InputFile, find_inputs
from ecgtrace.outputs import COLUMNS, FileResult
from ecgtrace.page_reading.build import page_reader
from ecgtrace.per_file import FileOptions, read_table
from ecgtrace.provenance import available_cores, fingerprint
from ecgtrace.reading import DigitizerLike, digitize_picture
from ecgtrace.types import DOUBTFUL, FAILED, OK, LeadSignal
from ecgtrace.vector.page_choice import NOTHING, PageChoice
from ecgtrace.writers.formats import DEFAULT as DEFAULT_FORMATS
from ecgtrace.writers.formats import check_formats

EXIT_OK, EXIT_FAILED = 0, 1

_MESSAGE_LENGTH = 300
_MESSAGES_SHOWN = 10


@dataclass(frozen=True)
class BatchOptions:
    """
    How files are digitized.

    Attributes
    ----------
    overlays : bool
        Write a picture with the trace laid on it and the signal below.
    resume : bool
        Leave out pictures that are done: status ok or doubtful, neither picture nor settings changed.
    workers : int
        Threads. While one waits for the network or a disk, another reads or looks for the grid.
    progress : bool
        Show a progress bar on stderr.
    content : {"auto", "page", "lead"}
        What inputs are taken for; `auto`: PDFs and DICOM objects for pages, pictures for leads.
    choice : PageChoice
        What overrides what a page says; speed and gain of leads.
    per_file : mapping of InputFile to FileOptions
        Of single inputs, in place of `content` and `choice`.
    formats : tuple of str
        What a page is written in (`writers.formats`).
    settings : str
        Stands for whatever the result depends on besides the picture; `resume` compares it.
    """

    overlays: bool = False
    resume: bool = False
    workers: int = 1
    progress: bool = True
    content: str = "auto"
    choice: PageChoice = NOTHING
    per_file: Mapping[InputFile, FileOptions] = field(default_factory=dict)
    formats: tuple[str, ...] = DEFAULT_FORMATS
    settings: str = ""

    def __post_init__(self) -> None:
        check_number(self.workers, "workers", 1, 1024)

    def of(self, item: InputFile) -> "BatchOptions":
        """Return how one input is digitized."""
        own = self.per_file.get(item)
        if own is None:
            return self
        settings = fingerprint([self.settings, own.own])
        return replace(self, content=own.content, choice=own.choice, settings=settings, per_file={})


def digitize_files(
    inputs: Sequence[InputFile],
    digitizer: DigitizerLike,
    output_dir: Path,
    options: BatchOptions,
) -> list[FileResult]:
    """
    Digitize pictures one by one, whatever becomes of each, and write a summary.

    For each input `NAME.json` (the row of the summary and more), for each that could be digitized
    `NAME.csv` (`outputs.write_signal`) and, if asked for, `NAME.overlay.png`. The JSON is written last: where
    it says ok or doubtful, the rest is complete. An input whose outputs would overwrite files of another
    origin fails, and has a row only.

    Parameters
    ----------
    inputs : sequence of InputFile
    digitizer : callable
        From RGB uint8 (height, width, 3) to a `LeadSignal`; called from several threads at once.
    output_dir : Path
        Made where absent.
    options : BatchOptions

    Returns
    -------
    list of FileResult
        In the order of the inputs.

    Raises
    ------
    ConfigError
        If the output folder cannot be made.
    DataError
        If the summary cannot be written.
    """
    outputs.make_output_dir(output_dir)
    results: list[FileResult] = []
    try:
        with ExitStack() as stack:
            rows = _results(stack, inputs, digitizer, output_dir, options)
            bar = tqdm(rows, total=len(inputs), unit="picture", disable=not options.progress)
            results.extend(bar)
    finally:  # an interrupt, too, leaves a summary of what was done
        outputs.write_summary(results, output_dir / SUMMARY)
    return results


def digitize_file(
    item: InputFile, digitizer: DigitizerLike, output_dir: Path, options: BatchOptions
) -> FileResult:
    """
    Digitize one picture and write its files; whatever goes wrong becomes a result with a message.

    Returns
    -------
    FileResult
    """
    start = time.perf_counter()
    options = options.of(item)
    if options.resume:
        done = outputs.earlier_result(item, output_dir, options.settings, options.overlays)
        if done is not None:
            return done
    taken = False
    is_page = pages.is_page(item, options.content, options.choice)
    try:
        taken = outputs.is_taken(item, output_dir)
        outputs.make_room(item, output_dir, taken)
        try:
            read = _digitize_page if is_page else _digitize_lead
            facts, more = read(item, digitizer, output_dir, options)
        except WholePageError:
            if options.content != pages.AUTO or page_reader(digitizer) is None:
                raise
            is_page = True
            facts, more = _digitize_page(item, digitizer, output_dir, options)
    except Exception as error:  # one bad picture must not stop the others
        facts = {"status": FAILED, "message": describe(error)}
        more = {"doubts": [], "notes": []} if is_page else outputs.note_facts(None)
    facts = {
        "content": "page" if is_page else "lead",
        "digitizer": pages.METHOD if is_page else digitizer.name,
        "model": "" if is_page else str(getattr(digitizer, "model", "")),
    } | facts
    seconds = round(time.perf_counter() - start, 4)
    facts |= {"source": str(item.source), "name": item.name, "seconds": seconds}
    result = FileResult(**dict.fromkeys(COLUMNS) | facts)  # type: ignore[arg-type]
    if taken:
        return result
    more |= {"given": options.choice.given}
    return outputs.write_note(result, item, output_dir, options.settings, more)


def _digitize_page(
    item: InputFile, digitizer: DigitizerLike, output_dir: Path, options: BatchOptions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Digitize a page and write its files; return what the row and the note say of it."""
    return pages.digitize_page(
        item, output_dir, options.choice, options.formats, options.overlays, page_reader(digitizer)
    )


def _digitize_lead(
    item: InputFile, digitizer: DigitizerLike, output_dir: Path, options: BatchOptions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Digitize the picture of one lead and write its files; return what the row and the note say of it."""
    picture = pages.lead_picture(item)
    own = with_scale(digitizer, options.choice.px_per_mm)
    read = digitize_picture(own, picture.rgb, options.choice.or_standard)
    read = replace(read, notes=(*picture.notes, *read.notes))
    table = outputs.output_path(output_dir, item, ".csv")
    outputs.write_signal(read, table)
    if options.overlays:
        _draw(picture.rgb, read, item, outputs.output_path(output_dir, item, OVERLAY_SUFFIX))
    card = getattr(getattr(digitizer, "segmenter", None), "card", None)
    more = {"started_from": getattr(card, "started_from", None), "files": [table.name]}
    return outputs.row_facts(read), outputs.note_facts(read) | more


def describe(error: Exception) -> str:
    """Return an error as one line; its type is named unless it was raised on purpose for the user."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        text = "not enough memory; crop one lead, scale the picture down, or set workers=1"
    elif not isinstance(error, EcgTraceError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return (text or type(error).__name__)[:_MESSAGE_LENGTH]


def _results(
    stack: ExitStack,
    inputs: Sequence[InputFile],
    digitizer: DigitizerLike,
    output_dir: Path,
    options: BatchOptions,
) -> Iterator[FileResult]:
    def do(item: InputFile) -> FileResult:
        return digitize_file(item, digitizer, output_dir, options)

    if options.workers == 1 or len(inputs) == 1:
        return map(do, inputs)
    threads = max(1, available_cores() // options.workers)
    stack.enter_context(_network_threads(threads))
    pool = stack.enter_context(
        ThreadPoolExecutor(options.workers, initializer=_set_network_threads, initargs=(threads,))
    )
    # Without this an interrupt would wait for every picture that is queued.
    stack.callback(pool.shutdown, wait=True, cancel_futures=True)
    return pool.map(do, inputs)


@contextmanager
def _network_threads(count: int) -> Iterator[None]:
    """Share the cores among the workers: each network call on all cores would have them wait in turns."""
    torch = sys.modules.get("torch")
    if torch is None:  # this digitizer has no network
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _set_network_threads(count: int) -> None:
    """Say it in each thread as well: OpenMP keeps the number per thread."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)


def _draw(rgb: NDArray[np.uint8], signal: LeadSignal, item: InputFile, path: Path) -> None:
    from ecgtrace.overlay import draw_overlay  # matplotlib is slow to import

    with pages.drawing:
        draw_overlay(rgb, signal, item.source.name, path)


# The command --------------------------------------------------------------------------------------


def main(cfg: DictConfig) -> int:
    """
    Digitize as configured, and say what became of it.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/digitize.yaml`.

    Returns
    -------
    int
        Exit code: 0 if all went well, 1 if some input failed. In both cases there is a summary.

    Raises
    ------
    ConfigError
        If a value is wrong, the input is missing, or the weights cannot be used: then nothing is written.
    """
    for name in ("recursive", "overlays", "resume", "progress"):
        if not isinstance(cfg[name], bool):
            raise ConfigError(f"{name} must be true or false, got {cfg[name]}")
    workers = available_cores() if cfg.workers is None else cfg.workers
    check_number(workers, "workers", 1, 1024)
    inputs = find_inputs(Path(str(cfg.input)), cfg.recursive)
    choice = PageChoice.of(cfg.speed, cfg.gain, cfg.layout, cfg.leads, cfg.px_per_mm)
    run = FileOptions(cfg.content, choice)
    digitizer = build_digitizer(cfg)
    choice.or_standard.ready(digitizer)  # raises where it cannot take the speed
    table = None if cfg.per_file is None else Path(str(cfg.per_file))
    options = BatchOptions(
        overlays=cfg.overlays,
        resume=cfg.resume,
        workers=int(workers),
        progress=cfg.progress,
        content=cfg.content,
        choice=choice,
        per_file=read_table(table, inputs, Path(str(cfg.input)), run, digitizer) if table else {},
        formats=check_formats(cfg.formats),
        settings=_settings(cfg, digitizer, choice),
    )
    output_dir = _new_run_dir() if cfg.output_dir is None else Path(str(cfg.output_dir))
    results = digitize_files(inputs, digitizer, output_dir, options)
    return _report(results, output_dir)


def build_digitizer(cfg: DictConfig) -> DigitizerLike:
    """
    Build the digitizer of a configuration, its weights read.

    Raises
    ------
    ConfigError
        If an option is out of its range or does not fit the digitizer, or the weights cannot be used.
    """
    if "fs_hz" in cfg.digitizer:
        check_fs(cfg.digitizer.fs_hz, "digitizer.fs_hz")
    if cfg.px_per_mm is not None:
        check_number(cfg.px_per_mm, "px_per_mm", 0.1, 1000.0)
    if str(OmegaConf.select(cfg.digitizer, "segmenter._target_")).endswith(".TrueMask"):
        raise ConfigError(
            f"digitizer {cfg.digitizer.get('name')} reads the true mask, which a picture does not have; "
            "use another"
        )
    own = cfg.digitizer.copy()
    if cfg.weights is not None:
        if OmegaConf.select(own, "segmenter.weights") is None:
            name = instantiate(own).name
            raise ConfigError(f"digitizer {name} has no network; leave weights out")
        own.segmenter.weights = str(cfg.weights)
    try:
        digitizer = with_scale(instantiate(own), cfg.px_per_mm)
        _ = getattr(digitizer, "model", "")  # reads the weights: all inputs would fail without
    except WeightsError as error:
        raise ConfigError(str(error)) from None
    return digitizer


def _settings(cfg: DictConfig, digitizer: DigitizerLike, choice: PageChoice) -> str:
    """Hash what the signals depend on besides the pictures; weights count by content, not by name."""
    chosen = OmegaConf.to_container(cfg.digitizer, resolve=True)
    given = [choice.given, cfg.content, list(check_formats(cfg.formats))]
    models = [getattr(one, "model", "") for one in (digitizer, page_reader(digitizer))]
    return fingerprint([chosen, *given, *models, metadata.version("ecgtrace")])


def _new_run_dir() -> Path:
    """Make a folder named by the time, as the other commands do."""
    base = Path("runs") / "digitize" / datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    path, number = base, 1
    while path.exists():  # a second run within the same second
        number += 1
        path = base.with_name(f"{base.name}_{number}")
    return path


def _report(results: Sequence[FileResult], output_dir: Path) -> int:
    """Name what failed and what is doubtful, the failures first; count all three; return the exit code."""
    for status in (FAILED, DOUBTFUL):
        those = [result for result in results if result.status == status]
        for result in those[:_MESSAGES_SHOWN]:
            line = f"{status}: {result.source}: {result.message}"
            print(line.encode(errors="replace").decode(), file=sys.stderr)
        if len(those) > _MESSAGES_SHOWN:
            print(f"and {len(those) - _MESSAGES_SHOWN} more {status}; see the summary", file=sys.stderr)
    counts = Counter(result.status for result in results)
    print(", ".join(f"{counts[status]} {status}" for status in (OK, DOUBTFUL, FAILED)))
    print(f"summary: {os.fspath(output_dir / SUMMARY)}")
    return EXIT_FAILED if counts[FAILED] else EXIT_OK
