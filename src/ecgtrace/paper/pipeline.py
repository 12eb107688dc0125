"""
The pipeline behind `reproduce.py`: runs, then artefacts, then the index.

Nothing is remembered between calls but files: see `runs` for when a run is done. An artefact is done when
its claims are younger than the runs that it needs, and come from the same configuration and commit.
"""

import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout
from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from ecgtrace.cli import EXIT_FAILED, explain
from ecgtrace.errors import ConfigError
from ecgtrace.paper import index
from ecgtrace.paper.artefact import Artefact, Claim, Sources
from ecgtrace.paper.artefacts import ARTEFACTS
from ecgtrace.paper.runs import (
    Run,
    RunFailedError,
    State,
    execute,
    make_runs,
    move_aside,
    needed,
    progress,
    state,
)
from ecgtrace.provenance import fingerprint, provenance

_log = logging.getLogger(__name__)

ALL = "all"
RECORD = "artefact.json"
_LOCK_WAIT_S = 20.0
# What an artefact does not depend on, or, as `runs`, is looked after by the runs themselves.
_KEYS_WITHOUT_EFFECT = (
    "artefact",
    "dry_run",
    "rebuild",
    "publish",
    "progress",
    "logger",
    "output_dir",
    "runs",
)


def main(cfg: DictConfig, root: Path) -> int:
    """
    Reproduce.

    Parameters
    ----------
    cfg : DictConfig
        As `conf/reproduce.yaml`.
    root : Path
        Folder of the entry points.

    Returns
    -------
    int
        Exit code: 0 if every artefact is there, 1 if some could not be made (the others were).

    Raises
    ------
    ConfigError
        If an artefact is unknown, or another reproduction works in the same folder.
    """
    wanted = [_with_more_needs(artefact, cfg) for artefact in choose(cfg.artefact)]
    folder = Path(cfg.output_dir)
    runs = make_runs(cfg)
    steps = needed([need for artefact in wanted for need in artefact.needs], runs)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=_LOCK_WAIT_S):
            return _main(cfg, root, folder, wanted, runs, steps)
    except Timeout:
        raise ConfigError(
            f"another reproduction works in {folder}; wait for it, or set output_dir=OTHER"
        ) from None


def choose(names: Any) -> list[Artefact]:
    """
    Return artefacts by name: "all", "table1", or a list.

    Raises
    ------
    ConfigError
        If a name is unknown.
    """
    listed = [str(n).strip() for n in (names.split(",") if isinstance(names, str) else names)]
    if listed == [ALL]:
        return list(ARTEFACTS.values())
    unknown = [name for name in listed if name not in ARTEFACTS]
    if unknown or not listed:
        raise ConfigError(
            f"artefact={','.join(unknown) or '?'} is unknown; choose {ALL} or of {', '.join(ARTEFACTS)}"
        )
    return [ARTEFACTS[name] for name in dict.fromkeys(listed)]


def _with_more_needs(artefact: Artefact, cfg: DictConfig) -> Artefact:
    """Add the runs that an artefact has in this profile besides those it always needs."""
    more = cfg.profile.get("also", {}).get(artefact.name, [])
    return replace(artefact, needs=(*artefact.needs, *more))


def _main(
    cfg: DictConfig,
    root: Path,
    folder: Path,
    wanted: Sequence[Artefact],
    runs: Mapping[str, Run],
    steps: Sequence[Run],
) -> int:
    identity = _identity(cfg)
    states = {run.name: state(run, runs) for run in steps}
    # What a run rests on may be made again in this very call.
    for run in steps:
        if any(states[need] is not State.DONE for need in run.needs) and states[run.name] is not State.TO_DO:
            states[run.name] = State.STALE
    todo = [run for run in steps if states[run.name] is not State.DONE]
    stale = [a for a in wanted if cfg.rebuild or not _is_built(a, folder, runs, identity, todo)]
    print(_plan(cfg, steps, states, wanted, stale))
    if cfg.dry_run:
        return 0
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # says ten lines for each font of each PDF
    failed: dict[str, str] = {}
    if todo:
        failed = _do_runs(todo, states, root, cfg.progress)
    failures = _build_all(stale, cfg, runs, folder, identity, failed)
    claims = index.write(cfg, folder, list(ARTEFACTS.values()), runs, identity["facts"])
    if stale:
        instantiate(cfg.logger).log_reproduction(folder, claims, identity["facts"])
    if cfg.publish is not None:
        index.publish(folder, Path(cfg.publish), runs)
        print(f"published: {cfg.publish}")
    print(_summary(folder, claims, wanted, failures))
    return EXIT_FAILED if failures else 0


def _identity(cfg: DictConfig) -> dict[str, Any]:
    """Return what an artefact depends on besides its runs: configuration and code."""
    facts = provenance(cfg)
    config = {k: v for k, v in (facts["config"] or {}).items() if k not in _KEYS_WITHOUT_EFFECT}
    return {"fingerprint": fingerprint([config, facts["commit"]]), "facts": facts}


def _is_built(
    artefact: Artefact,
    folder: Path,
    runs: Mapping[str, Run],
    identity: Mapping[str, Any],
    todo: Sequence[Run],
) -> bool:
    path = folder / "artefacts" / artefact.name / RECORD
    names = {run.name for run in needed(artefact.needs, runs)}
    if not path.is_file() or names & {run.name for run in todo}:
        return False
    record = json.loads(path.read_text(encoding="utf-8"))
    built = path.stat().st_mtime
    young = any((runs[n].folder / ".hydra" / "config.yaml").stat().st_mtime > built for n in names)
    return not young and "failed" not in record and record["fingerprint"] == identity["fingerprint"]


def _plan(
    cfg: DictConfig,
    steps: Sequence[Run],
    states: Mapping[str, State],
    wanted: Sequence[Artefact],
    stale: Sequence[Artefact],
) -> str:
    todo = [run for run in steps if states[run.name] is not State.DONE]
    if not todo and not stale:
        return f"profile {cfg.profile.name}: nothing to do, all {len(wanted)} artefacts are there"
    lines = [f"profile {cfg.profile.name}: {cfg.profile.note}"]
    for run in steps:
        more = f" ({progress(run)})" if states[run.name] is State.BEGUN else ""
        lines.append(f"  {run.name:<38}{states[run.name].value}{more}")
    names = ", ".join(artefact.name for artefact in stale) or "none"
    lines.append(f"artefacts to draw: {names}")
    lines.append(f"expected: {_duration(sum(r.minutes for r in todo) + 0.1 * len(stale))} at the most")
    return "\n".join(lines)


def _duration(minutes: float) -> str:
    """
    Say a duration.

    Examples
    --------
    >>> _duration(0.4), _duration(12.2), _duration(130)
    ('1 min', '13 min', '2 h 10 min')
    """
    whole = max(1, -int(-minutes // 1))
    return f"{whole // 60} h {whole % 60:02d} min" if whole >= 60 else f"{whole} min"


def _do_runs(todo: Sequence[Run], states: Mapping[str, State], root: Path, show: bool) -> dict[str, str]:
    """Do runs one after the other; return why some failed, those that needed a failed one among them."""
    failed: dict[str, str] = {}
    with tqdm(todo, unit="run", disable=not show) as bar:
        for run in bar:
            broken = [need for need in run.needs if need in failed]
            if broken:
                failed[run.name] = f"needs {broken[0]}, which failed"
                continue
            if states[run.name] is State.STALE and run.folder.exists():
                _log.warning("%s: old results are kept in %s", run.name, move_aside(run.folder))
            bar.set_description(run.name)
            try:
                seconds = execute(run, root, lambda text: bar.set_postfix_str(text))
            except RunFailedError as error:
                failed[run.name] = str(error)
                tqdm.write(f"{run.name} failed: {error}")
            else:
                _note_seconds(run, seconds)
    return failed


def _note_seconds(run: Run, seconds: float) -> None:
    """Add up how long a run took over all its interruptions; what was killed is not counted."""
    path = run.folder / "seconds.json"
    before = json.loads(path.read_text())["seconds"] if path.is_file() else 0.0
    path.write_text(json.dumps({"seconds": round(before + seconds, 1), "command": run.command}) + "\n")


def _build_all(
    stale: Sequence[Artefact],
    cfg: DictConfig,
    runs: Mapping[str, Run],
    folder: Path,
    identity: Mapping[str, Any],
    failed_runs: Mapping[str, str],
) -> dict[str, str]:
    failures = {}
    for artefact in stale:
        target = folder / "artefacts" / artefact.name
        broken = [need for need in artefact.needs if need in failed_runs]
        record: dict[str, Any] = {"fingerprint": identity["fingerprint"], "title": artefact.title}
        if broken:
            failures[artefact.name] = f"{broken[0]}: {failed_runs[broken[0]]}"
        else:
            # Its own runs alone: a run that this profile leaves out may lie there from another call.
            sources = Sources(cfg, {name: runs[name].folder for name in artefact.needs})
            claims = _guarded(lambda: _build(artefact, sources, target))  # noqa: B023
            if isinstance(claims, str):
                failures[artefact.name] = claims
            else:
                record["claims"] = [asdict(claim) for claim in claims]
        if artefact.name in failures:
            record["failed"] = failures[artefact.name]
        target.mkdir(parents=True, exist_ok=True)
        (target / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return failures


def _build(artefact: Artefact, sources: Sources, target: Path) -> list[Claim]:
    if target.exists():  # drawn anew: it holds nothing that cannot be made from the runs
        shutil.rmtree(target)
    target.mkdir(parents=True)
    began = time.perf_counter()
    claims = artefact.build(sources, target)
    _log.info("%s: %.1f s", artefact.name, time.perf_counter() - began)
    return claims


def _guarded(build: Callable[[], list[Claim]]) -> list[Claim] | str:
    """Return claims, or one line on why there are none: the other artefacts are still made."""
    try:
        return build()
    except Exception as error:
        explained = explain(error)
        if explained is not None:
            return explained[0]
        _log.exception("an artefact could not be made")
        return f"{type(error).__name__}: {error}"


def _summary(
    folder: Path, claims: pd.DataFrame, wanted: Sequence[Artefact], failures: Mapping[str, str]
) -> str:
    lines = [f"failed: {name}: {message}" for name, message in failures.items()]
    counts = claims["holds"].value_counts()
    lines.append(
        f"{len(wanted) - len(failures)} of {len(wanted)} artefacts are there; claims: "
        f"{counts.get('yes', 0)} hold, {counts.get('no', 0)} do not, "
        f"{counts.get('', 0)} have nothing to compare"
    )
    lines.append(f"index: {folder / index.INDEX}")
    return "\n".join(lines)
