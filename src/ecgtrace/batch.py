"""
Digitize files: a table of samples and a note for each picture, and a summary of all.

`digitize_files` is the work; `main` is what `digitize.py` calls with its configuration.
"""

import csv
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from importlib import metadata
from pathlib import Path, PurePath
from threading import Lock
from typing import Any

import numpy as np
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from ecgtrace.api import DigitizerLike, check_fs, check_number, digitize_picture, with_scale
from ecgtrace.errors import ConfigError, DataError, EcgTraceError, WeightsError
from ecgtrace.images import SUFFIXES, read_picture
from ecgtrace.provenance import available_cores, fingerprint
from ecgtrace.types import LeadSignal

OK, FAILED = "ok", "failed"
SUMMARY = "summary.csv"
SIGNAL_HEADER = ("time_s", "amplitude_mv", "confidence")
OVERLAY_SUFFIX = ".overlay.png"
EXIT_OK, EXIT_FAILED = 0, 1

# 0.01 microvolt; one pixel of a scan at 600 dpi is 4 microvolt.
_AMPLITUDE_DECIMALS = 5
_CONFIDENCE_DECIMALS = 3
_MESSAGE_LENGTH = 300
_FAILURES_SHOWN = 10
_drawing = Lock()  # matplotlib's caches are not made for threads


@dataclass(frozen=True)
class InputFile:
    """
    A picture to digitize.

    Attributes
    ----------
    source : Path
    name : str
        What its outputs are called: their path in the output folder, without the ending.
    """

    source: Path
    name: str


@dataclass(frozen=True)
class FileResult:
    """
    What became of one picture: a row of the summary.

    Attributes
    ----------
    source, name : str
    status : {"ok", "failed"}
    message : str
        Why it failed; or notes, such as that only the first page was read.
    px_per_mm_x, px_per_mm_y : float or None
    grid_confidence : float or None
    square_assumed : bool or None
    sampling_rate_hz : float or None
    n_samples : int or None
    duration_s : float or None
        From time 0 to the last sample.
    recovered : float or None
        Share of samples that are not NaN.
    mean_confidence : float or None
        Of all samples, 0 where not recovered.
    digitizer, model : str
    seconds : float
        For reading, digitizing and writing.
    """

    source: str
    name: str
    status: str
    message: str
    px_per_mm_x: float | None
    px_per_mm_y: float | None
    grid_confidence: float | None
    square_assumed: bool | None
    sampling_rate_hz: float | None
    n_samples: int | None
    duration_s: float | None
    recovered: float | None
    mean_confidence: float | None
    digitizer: str
    model: str
    seconds: float


COLUMNS = tuple(field.name for field in fields(FileResult))


@dataclass(frozen=True)
class BatchOptions:
    """
    How files are digitized.

    Attributes
    ----------
    overlays : bool
        Write a picture with the trace laid on it and the signal below.
    resume : bool
        Leave out pictures that are done: status ok, neither picture nor settings changed.
    workers : int
        Threads. While one waits for the network or a disk, another reads or looks for the grid.
    progress : bool
        Show a progress bar on stderr.
    settings : str
        Stands for whatever the result depends on besides the picture; `resume` compares it.
    """

    overlays: bool = False
    resume: bool = False
    workers: int = 1
    progress: bool = True
    settings: str = ""

    def __post_init__(self) -> None:
        check_number(self.workers, "workers", 1, 1024)


# Finding inputs -----------------------------------------------------------------------------------


def find_inputs(path: Path, recursive: bool = False) -> list[InputFile]:
    """
    List the pictures of a folder, or the one file, and name their outputs.

    Outputs are called as the picture without its ending, in the same subfolders. Pictures of one folder that
    differ in the ending alone keep it: `a.png` and `a.jpg` become `a.png.csv` and `a.jpg.csv`.

    Parameters
    ----------
    path : Path
        A file, whatever its name; or a folder, of which files are taken that are called like a picture
        (`images.SUFFIXES`). Hidden files and our own overlays are left out.
    recursive : bool, optional
        Also look into subfolders.

    Returns
    -------
    list of InputFile
        In alphabetical order.

    Raises
    ------
    ConfigError
        If there is no such file or folder, or no picture in the folder.
    """
    if not path.exists():
        raise ConfigError(f"input: there is no file or folder {path}")
    if not path.is_dir():
        return _named([path], path.parent)
    try:
        found = [file for file in path.glob("**/*" if recursive else "*") if _is_picture(file, path)]
    except OSError as error:
        raise ConfigError(f"input: {path} cannot be read ({error.strerror})") from None
    if not found:
        where = "it or its subfolders" if recursive else "it (recursive=true looks into subfolders)"
        raise ConfigError(f"input: {path} holds no pictures; no {_suffixes()} in {where}")
    return _named(sorted(found), path)


def _is_picture(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    name = file.name.lower()
    return name.endswith(SUFFIXES) and not name.endswith(OVERLAY_SUFFIX) and not hidden and not file.is_dir()


def _suffixes() -> str:
    return ", ".join(suffix.removeprefix(".") for suffix in SUFFIXES)


def _named(files: Sequence[Path], folder: Path) -> list[InputFile]:
    """Give each file a name of its own, ignoring case: some file systems do."""
    names = {file: PurePath(file.relative_to(folder)).with_suffix("").as_posix() for file in files}
    while True:
        taken = Counter(name.casefold() for name in names.values())
        taken[PurePath(SUMMARY).stem] += 1
        unclear = [
            file
            for file, name in names.items()
            if taken[name.casefold()] > 1 and name != file.relative_to(folder).as_posix()
        ]
        if not unclear:
            return [InputFile(file, name) for file, name in names.items()]
        for file in unclear:
            names[file] = file.relative_to(folder).as_posix()


# The loop -----------------------------------------------------------------------------------------


def digitize_files(
    inputs: Sequence[InputFile],
    digitizer: DigitizerLike,
    output_dir: Path,
    options: BatchOptions,
) -> list[FileResult]:
    """
    Digitize pictures one by one, whatever becomes of each, and write a summary.

    For each input `NAME.json` (the row of the summary and more), for each that could be digitized
    `NAME.csv` (`write_signal`) and, if asked for, `NAME.overlay.png`. The JSON is written last: where it
    says ok, the rest is complete. An input whose outputs would overwrite files of another origin fails,
    and has a row only.

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
    _make_output_dir(output_dir)
    results: list[FileResult] = []
    try:
        with ExitStack() as stack:
            rows = _results(stack, inputs, digitizer, output_dir, options)
            bar = tqdm(rows, total=len(inputs), unit="picture", disable=not options.progress)
            results.extend(bar)
    finally:  # an interrupt, too, leaves a summary of what was done
        write_summary(results, output_dir / SUMMARY)
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
    json_path = _output(output_dir, item, ".json")
    if options.resume:
        done = _done(json_path, item, options)
        if done is not None:
            return done
    taken = False
    try:
        taken = _is_taken(item, output_dir)
        _make_room(item, output_dir, taken)
        picture = read_picture(item.source)
        signal = digitize_picture(digitizer, picture.rgb)
        write_signal(signal, _output(output_dir, item, ".csv"))
        if options.overlays:
            _draw(picture.rgb, signal, item, _output(output_dir, item, OVERLAY_SUFFIX))
        notes = picture.notes
        facts = {"status": OK, "message": "; ".join(notes), **_facts(signal)}
    except Exception as error:  # one bad picture must not stop the others
        facts = {"status": FAILED, "message": describe(error)}
    result = FileResult(
        **dict.fromkeys(COLUMNS)  # type: ignore[arg-type]
        | facts
        | {
            "source": str(item.source),
            "name": item.name,
            "digitizer": digitizer.name,
            "model": str(getattr(digitizer, "model", "")),
            "seconds": round(time.perf_counter() - start, 4),
        }
    )
    return result if taken else _with_json(result, json_path, item, digitizer, options)


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


# Files --------------------------------------------------------------------------------------------


def write_signal(signal: LeadSignal, path: Path) -> None:
    """
    Write a signal as CSV with the columns `time_s`, `amplitude_mv` and `confidence`.

    Times are exact: they read back as the same numbers. Amplitudes have 5 decimals (0.01 microvolt),
    confidences 3. A sample that was not recovered has no amplitude and confidence 0.
    """
    lines = [",".join(SIGNAL_HEADER)]
    lowest = 10.0**-_CONFIDENCE_DECIMALS  # 0 means not recovered, so rounding must not reach it
    for t, mv, sure in zip(signal.time_s, signal.amplitude_mv, signal.confidence, strict=True):
        if np.isnan(mv):
            lines.append(f"{float(t)!r},,0")
        else:
            shown = round(float(mv), _AMPLITUDE_DECIMALS) + 0.0  # makes -0.0 to 0.0
            lines.append(
                f"{float(t)!r},{shown:.{_AMPLITUDE_DECIMALS}f},{max(sure, lowest):.{_CONFIDENCE_DECIMALS}f}"
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def read_signal(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read back what `write_signal` wrote: an array for each column, NaN for an empty cell."""
    table = np.genfromtxt(path, delimiter=",", skip_header=1, ndmin=2)
    return {name: table[:, index] for index, name in enumerate(SIGNAL_HEADER)}


def write_summary(results: Sequence[FileResult], path: Path) -> None:
    """Write a row for each input; the columns are the attributes of `FileResult`."""
    try:
        # Names of files need not be valid text everywhere; they are written as they are.
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(result) for result in results)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror})") from None


def _output(output_dir: Path, item: InputFile, suffix: str) -> Path:
    return output_dir / (item.name + suffix)


def _make_output_dir(output_dir: Path) -> None:
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"output_dir: {output_dir} cannot be made ({error.strerror})") from None
    summary = output_dir / SUMMARY
    if summary.is_file():
        with summary.open(encoding="utf-8", errors="replace") as file:
            if file.readline().strip() not in ("", ",".join(COLUMNS)):
                raise ConfigError(
                    f"output_dir: {summary} is not of our making; choose another folder, or move it away"
                )


def _is_taken(item: InputFile, output_dir: Path) -> bool:
    """Tell whether files of another origin have the names of our outputs."""
    csv_path, json_path = _output(output_dir, item, ".csv"), _output(output_dir, item, ".json")
    if json_path.exists():
        return not {"source", "status", "digitizer"} <= set(_read_json(json_path))
    if not csv_path.exists():
        return False
    with csv_path.open(encoding="utf-8", errors="replace") as file:  # ours, where a run was cut off
        return file.readline().strip() != ",".join(SIGNAL_HEADER)


def _make_room(item: InputFile, output_dir: Path, taken: bool) -> None:
    """Remove the files of an earlier run, so that a failure leaves no old result; nobody else's files."""
    if taken:
        raise DataError(
            f"{item.name}.csv or .json is there already and not of our making; choose another output_dir"
        )
    _output(output_dir, item, ".csv").parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".json", ".csv", OVERLAY_SUFFIX):
        _output(output_dir, item, suffix).unlink(missing_ok=True)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # absent, or cut off
        return {}
    return content if isinstance(content, dict) else {}


def _done(json_path: Path, item: InputFile, options: BatchOptions) -> FileResult | None:
    """Return the result of an earlier run, if nothing it rests on has changed and its files are there."""
    content = _read_json(json_path)
    if content.get("status") != OK or content.get("settings") != options.settings:
        return None
    expected = [json_path.with_name(json_path.name.removesuffix(".json") + ".csv")]
    if options.overlays:
        expected.append(expected[0].with_name(expected[0].name.removesuffix(".csv") + OVERLAY_SUFFIX))
    if content.get("file") != _file_state(item.source) or not all(path.is_file() for path in expected):
        return None
    try:
        return FileResult(**{name: content[name] for name in COLUMNS})
    except KeyError:  # of another version
        return None


def _file_state(source: Path) -> dict[str, int] | None:
    try:
        stat = source.stat()
    except OSError:
        return None
    return {"bytes": stat.st_size, "modified_ns": stat.st_mtime_ns}


def _facts(signal: LeadSignal) -> dict[str, Any]:
    known = np.isfinite(signal.amplitude_mv)
    return {
        "px_per_mm_x": round(float(signal.scale.px_per_mm_x), 5),
        "px_per_mm_y": round(float(signal.scale.px_per_mm_y), 5),
        "grid_confidence": round(float(signal.scale.confidence), 4),
        "square_assumed": bool(signal.scale.square_assumed),
        "sampling_rate_hz": float(signal.fs_hz),
        "n_samples": len(known),
        "duration_s": float(signal.time_s[-1]),
        "recovered": round(float(known.mean()), 4),
        "mean_confidence": round(float(signal.confidence.mean()), 4),
    }


def _with_json(
    result: FileResult, path: Path, item: InputFile, digitizer: DigitizerLike, options: BatchOptions
) -> FileResult:
    """Write the JSON of a result, whole or not at all."""
    card = getattr(getattr(digitizer, "segmenter", None), "card", None)
    content = asdict(result) | {
        "started_from": getattr(card, "started_from", None),
        "version": metadata.version("ecgtrace"),
        "file": _file_state(item.source),
        "settings": options.settings,
    }
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        message = result.message or f"{path.name} cannot be written ({error.strerror})"
        return FileResult(**asdict(result) | {"status": FAILED, "message": message})
    return result


def _draw(rgb: NDArray[np.uint8], signal: LeadSignal, item: InputFile, path: Path) -> None:
    from ecgtrace.overlay import draw_overlay  # matplotlib is slow to import

    with _drawing:
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
    digitizer = build_digitizer(cfg)
    options = BatchOptions(
        overlays=cfg.overlays,
        resume=cfg.resume,
        workers=int(workers),
        progress=cfg.progress,
        settings=_settings(cfg, digitizer),
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
    if cfg.digitizer.get("uses_true_mask"):
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


def _settings(cfg: DictConfig, digitizer: DigitizerLike) -> str:
    """Hash what the signals depend on besides the pictures; weights count by content, not by name."""
    chosen = OmegaConf.to_container(cfg.digitizer, resolve=True)
    return fingerprint([chosen, cfg.px_per_mm, getattr(digitizer, "model", ""), metadata.version("ecgtrace")])


def _new_run_dir() -> Path:
    """Make a folder named by the time, as the other commands do."""
    base = Path("runs") / "digitize" / datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    path, number = base, 1
    while path.exists():  # a second run within the same second
        number += 1
        path = base.with_name(f"{base.name}_{number}")
    return path


def _report(results: Sequence[FileResult], output_dir: Path) -> int:
    failed = [result for result in results if result.status == FAILED]
    for result in failed[:_FAILURES_SHOWN]:
        print(f"failed: {result.source}: {result.message}".encode(errors="replace").decode(), file=sys.stderr)
    if len(failed) > _FAILURES_SHOWN:
        print(f"and {len(failed) - _FAILURES_SHOWN} more; see the summary", file=sys.stderr)
    print(f"{len(results) - len(failed)} ok, {len(failed)} failed")
    print(f"summary: {os.fspath(output_dir / SUMMARY)}")
    return EXIT_FAILED if failed else EXIT_OK


def quoted_paths(arguments: Sequence[str]) -> list[str]:
    """
    Quote paths on a command line, so that names like `lead (1).png` need no second pair of quotes.

    Hydra's grammar gives commas, brackets and the like a meaning. In sweeps (`-m`), where a comma parts
    values, and where the value has quotes or an interpolation, the argument is left as it is.

    Examples
    --------
    >>> quoted_paths(["input=lead (1).png", "workers=2"])
    ["input='lead (1).png'", 'workers=2']
    """
    if {"-m", "--multirun"} & set(arguments):
        return list(arguments)
    quoted = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        plain = value and not value.startswith(("'", '"')) and "${" not in value and value != "null"
        if equals and key in ("input", "output_dir", "weights") and plain:
            value = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        quoted.append(f"{key}{equals}{value}")
    return quoted
