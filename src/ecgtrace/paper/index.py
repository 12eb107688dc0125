"""The index of a reproduction: artefact, command, the paper, ours, holds or not and why."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from ecgtrace.paper.artefact import Artefact
from ecgtrace.paper.runs import Run
from ecgtrace.reporting import pages

INDEX = "index.md"
CLAIMS = "claims.csv"
PROVENANCE = "provenance.json"
COLUMNS = ["artefact", "what", "paper", "ours", "holds", "why", "command"]
_YES_NO = {True: "yes", False: "no", None: ""}
_LARGEST_PUBLISHED_BYTES = 1_500_000
# Of a run: what tells its result and where it comes from. Weights and checkpoints are too large.
_PUBLISHED_OF_RUNS = ("metrics.csv", "metrics.json", "confusion.csv", "provenance.json", "seconds.json")


def write(
    cfg: DictConfig,
    folder: Path,
    artefacts: Sequence[Artefact],
    runs: Mapping[str, Run],
    facts: Mapping[str, Any],
) -> pd.DataFrame:
    """
    Write `index.md`, `claims.csv` and `provenance.json` from the artefacts that are there.

    Returns
    -------
    DataFrame
        One row per claim, columns `COLUMNS`; `holds` is "yes", "no" or "" (nothing to compare). An artefact
        that could not be made is a row with the reason.
    """
    rows = []
    present = []
    for artefact in artefacts:
        path = folder / "artefacts" / artefact.name / "artefact.json"
        if not path.is_file():
            continue
        record = json.loads(path.read_text(encoding="utf-8"))
        present.append(artefact)
        command = _command(cfg, artefact.name)
        rows += [
            {**claim, "holds": _YES_NO[claim["holds"]], "artefact": artefact.name, "command": command}
            for claim in record.get("claims", [])
        ]
        if "failed" in record:
            why = f"could not be made: {record['failed']}"
            rows.append({"artefact": artefact.name, "what": artefact.title, "why": why, "command": command})
    table = pd.DataFrame(rows, columns=COLUMNS).fillna("").astype(str)
    _replace(folder / CLAIMS, table.to_csv(index=False, lineterminator="\n"))
    _replace(folder / PROVENANCE, json.dumps(facts, indent=2, default=str) + "\n")
    _replace(folder / INDEX, to_markdown(cfg, folder, table, present, runs, facts))
    return table


def to_markdown(
    cfg: DictConfig,
    folder: Path,
    table: pd.DataFrame,
    artefacts: Sequence[Artefact],
    runs: Mapping[str, Run],
    facts: Mapping[str, Any],
) -> str:
    """Return the index as a page: how it was made, claims, then each artefact with its files."""
    lines = [
        f"# Reproduction, profile {cfg.profile.name}",
        "",
        f"{str(cfg.profile.note).strip().capitalize()}.",
        "",
        f"`{_command(cfg, 'all')}`, seed {cfg.seed}, commit {str(facts['commit'])[:12]}"
        f"{' with changes' if facts['dirty'] else ''}, {facts['cores']} cores of {facts['cpu']}.",
        "",
        claims_table(table),
        "",
        "## Artefacts",
        "",
    ]
    for artefact in artefacts:
        lines += _section(folder, artefact)
    done = [
        [run.name, _seconds(run), f"`{_without_folders(run.command, cfg)}`"]
        for run in runs.values()
        if run.folder.is_dir()
    ]
    lines += ["## Runs", "", pages.table(["run", "seconds", "command"], done, n_text=3)]
    return "\n".join(lines) + "\n"


def claims_table(table: pd.DataFrame) -> str:
    """Return the claims as a Markdown table."""
    shown = list(COLUMNS[:-1])
    return pages.table(shown, table[shown].to_numpy().tolist(), n_text=len(shown))


def publish(folder: Path, target: Path, runs: Mapping[str, Run]) -> None:
    """
    Copy what is small enough to be committed: index, artefacts, and of each run its numbers.

    What the target held before of the same names is replaced; other files stay. A page `README.md` above
    the target that has the lines `<!-- claims NAME -->` and `<!-- end -->`, NAME the target's, gets the
    table of claims between them.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in (INDEX, CLAIMS, PROVENANCE):
        shutil.copy2(folder / name, target / name)
    for source in sorted((folder / "artefacts").rglob("*")):
        if source.is_file() and source.stat().st_size <= _LARGEST_PUBLISHED_BYTES:
            _copy(source, target / source.relative_to(folder))
    for run in runs.values():
        for name in _PUBLISHED_OF_RUNS:
            source = run.folder / name
            if source.is_file():
                _copy(source, target / "runs" / run.name / name)
    page = target.parent / "README.md"
    if page.is_file():
        table = pd.read_csv(folder / CLAIMS, keep_default_na=False, dtype=str)
        text, mark = page.read_text(encoding="utf-8"), f"claims {target.name}"
        if f"<!-- {mark} -->" in text:
            page.write_text(pages.between_marks(text, mark, claims_table(table)), encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _section(folder: Path, artefact: Artefact) -> list[str]:
    place = folder / "artefacts" / artefact.name
    files = sorted(path for path in place.iterdir() if path.name != "artefact.json")
    lines = [f"### {artefact.title}", ""]
    for path in files:
        if path.suffix == ".png":
            lines += [f"![{artefact.title}](artefacts/{artefact.name}/{path.name})", ""]
    for path in files:
        if path.suffix == ".md":
            lines += [path.read_text(encoding="utf-8").strip(), ""]
    links = ", ".join(f"[{path.name}](artefacts/{artefact.name}/{path.name})" for path in files)
    return [*lines, f"Files: {links}", ""] if files else [*lines, ""]


def _command(cfg: DictConfig, artefact: str) -> str:
    """Return the command that makes an artefact; the folder of the signals is the reader's own."""
    signals = ""
    if HydraConfig.initialized():
        choice = HydraConfig.get().runtime.choices.get("signals", "sample")
        signals = f" signals={choice} signals.root=DIR" if choice != "sample" else ""
    return f"python reproduce.py profile={cfg.profile.name} artefact={artefact}{signals}"


def _without_folders(command: str, cfg: DictConfig) -> str:
    root = OmegaConf.select(cfg, "signals.root")
    return command.replace(f"signals.root={root}", "signals.root=DIR") if root else command


def _seconds(run: Run) -> str:
    path = run.folder / "seconds.json"
    return f"{json.loads(path.read_text())['seconds']:.0f}" if path.is_file() else ""


def _replace(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
