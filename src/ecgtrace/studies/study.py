"""
What every study is: arms, a score, and a report of the rows; here is what runs one and writes its page.

`run` is what experiments/NAME/run.py calls. It leaves rows, summary, figure, provenance and the page,
README.md, in the run's folder; `publish=true` copies them beside the study. The page is made whole from rows,
provenance and the template page.md.j2 beside it, so that no number and no size on it is typed; `rewrite`
makes it again from what was published.
"""

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from ecgtrace.errors import ConfigError, DataError
from ecgtrace.evaluation import arms as arms_module
from ecgtrace.evaluation import row_file, runner
from ecgtrace.evaluation.run import Evaluation
from ecgtrace.evaluation.runner import PROVENANCE, ROWS, CropSource, RunOptions, Score
from ecgtrace.provenance import provenance
from ecgtrace.reporting import pages
from ecgtrace.studies import common

SUMMARY = "summary.csv"
PAGE = "README.md"
TEMPLATE = "page.md.j2"
_PARTS = "parts"
_ARM_KEYS = {"name", "what", "digitizer", "overrides"}
# What the summaries read of an evaluation's rows.
EVALUATED = ("crop_id", "record_id", "subset", "digitizer", "status", "mse_mv2", "r", "snr_db", "seconds")

# Of rows that were made before their study had intervals.
_BOOTSTRAP = {"_target_": "ecgtrace.evaluation.bootstrap.BootstrapOptions"}

Arms = tuple[Mapping[str, DictConfig], Mapping[str, Any]]


@dataclass(frozen=True)
class Report:
    """
    What a study makes of its rows.

    Attributes
    ----------
    summary : DataFrame
    context : dict
        What the template of its page names, besides what `run` adds.
    draw : callable or None
        Saves the figure into a folder, as PNG and PDF.
    """

    summary: pd.DataFrame
    context: dict[str, Any]
    draw: Callable[[Path], Any] | None = None


def one_source(cfg: DictConfig) -> dict[str, CropSource]:
    """Return the configured crops as the only part."""
    return {"": instantiate(cfg.data, _convert_="object")}


def evaluated(cfg: DictConfig) -> Score:
    """Return the score of an evaluation."""
    return Evaluation(instantiate(cfg.align))


def listed_arms(cfg: DictConfig, key: str = "arms") -> Arms:
    """Compose the arms that the configuration lists, and build them on one network."""
    _, configs = arms_of(cfg, key)
    return configs, arms_module.build(configs, cfg.segmenter)


@dataclass(frozen=True)
class Study:
    """
    A study.

    Attributes
    ----------
    name : str
        Of its folder in experiments.
    report : callable
        From rows, configuration and the folder of the page to a `Report`.
    arms : callable
        From the configuration to the arms' own configurations, and to the arms.
    score, sources : callable
        From the configuration.
    part : str
        Where there are several sources, the column that names them.
    keys : sequence of str
        Parts of the configuration that all rows rest on.
    columns, text : sequence of str
        Those of the rows that the report needs.
    facts : dict of str to str
        Further versions for the provenance.
    """

    name: str
    report: Callable[[pd.DataFrame, DictConfig, Path], Report]
    arms: Callable[[DictConfig], Arms] = listed_arms
    score: Callable[[DictConfig], Score] = evaluated
    sources: Callable[[DictConfig], Mapping[str, CropSource]] = one_source
    part: str = ""
    keys: Sequence[str] = ("data", "align")
    columns: Sequence[str] = EVALUATED
    text: Sequence[str] = ("crop_id", "record_id", "subset", "digitizer", "status")
    versions: Mapping[str, str] = field(default_factory=dict)


def run(study: Study, cfg: DictConfig, page_folder: Path) -> pd.DataFrame:
    """
    Do a study as configured.

    Parameters
    ----------
    study : Study
    cfg : DictConfig
        Everything is written into `cfg.output_dir`; crops that have their rows there are not done again, but
        with `cfg.restart`.
    page_folder : Path
        Holds the template of the page; `publish=true` copies the results there.

    Returns
    -------
    DataFrame
        What summary.csv holds.

    Raises
    ------
    ConfigError
        Before anything is done, if a value is out of range or the folder holds rows of something else.
    DataError
        If there is no template.
    """
    folder = Path(cfg.output_dir)
    template = page_folder / TEMPLATE
    if not template.is_file():  # told before hours of work
        raise DataError(f"there is no {template} to make the page from")
    options = RunOptions(resume=True, workers=cfg.workers, progress=cfg.progress)
    score, sources = study.score(cfg), study.sources(cfg)
    configs, arms = study.arms(cfg)
    paths = {name: folder / _PARTS / f"{name}.csv" if name else folder / ROWS for name in sources}
    if cfg.restart:
        for old in (folder / ROWS, folder / PROVENANCE, *(folder / _PARTS).glob("*.csv")):
            old.unlink(missing_ok=True)
    facts = _facts(study, cfg, sources) | runner.arm_facts(configs, arms)
    complete = all(runner.is_done(source, arms, score, paths[name]) for name, source in sources.items())
    keep = any(path.is_file() for path in paths.values()) or (folder / _PARTS).is_dir()
    hint = "restart=true forgets them, output_dir=... leaves them alone"
    runner.begin(folder, facts, keep, complete, hint)

    parts = []
    for number, (name, source) in enumerate(sources.items(), 1):
        if len(sources) > 1 and cfg.progress:
            print(f"{name}, {number} of {len(sources)}")
        rows = runner.run(source, arms, score, paths[name], options)
        parts.append(rows[rows["digitizer"].isin(list(arms))])
        if study.part:
            parts[-1].insert(0, study.part, name)
    rows = pd.concat(parts, ignore_index=True)
    if study.part:
        _join(study.part, paths, list(arms), folder / ROWS)
    report, text = _write(study, rows, cfg, folder, template)
    print(text)
    print(f"rows: {folder / ROWS}\npage: {folder / PAGE}")
    if cfg.publish:
        for path in folder.iterdir():
            if path.name in (ROWS, SUMMARY, PROVENANCE, PAGE) or path.suffix in (".png", ".pdf"):
                shutil.copyfile(path, page_folder / path.name)
    return report.summary


def _join(part: str, paths: Mapping[str, Path], arms: Sequence[str], path: Path) -> None:
    """Write the rows of all parts into one file, digit for digit."""
    parts = []
    for name, one in paths.items():
        rows = pd.read_csv(one, dtype=str, keep_default_na=False)
        rows.insert(0, part, name)
        parts.append(rows[rows["digitizer"].isin(arms)])
    pd.concat(parts).to_csv(path, index=False, lineterminator="\n")


def rewrite(study: Study, page_folder: Path) -> None:
    """Make summary, figure and page again from the rows and the provenance that were published."""
    cfg = OmegaConf.create({"bootstrap": _BOOTSTRAP} | _read_provenance(page_folder)["config"])
    assert isinstance(cfg, DictConfig)
    rows = row_file.read(page_folder / ROWS, study.columns, study.text)
    _write(study, rows, cfg, page_folder, page_folder / TEMPLATE)


def arms_of(cfg: DictConfig, key: str = "arms") -> tuple[dict[str, str], dict[str, DictConfig]]:
    """
    Return what each arm is and its configuration, by name, in the order of the table.

    An arm has `name`, `what` and `digitizer`: a configuration, or the name of one in `cfg.digitizers` (by
    default `refined`), of which `overrides` replace options.

    Raises
    ------
    ConfigError
        If there are not two, two have one name, or one is not written as it should be.
    """
    what: dict[str, str] = {}
    configs: dict[str, DictConfig] = {}
    for arm in cfg[key]:
        if not {"name", "what"} <= set(arm) <= _ARM_KEYS:
            raise ConfigError(f"{key}: each has name, what, and may have digitizer and overrides, got {arm}")
        if arm.name in what:
            raise ConfigError(f"{key}: {arm.name} is there twice")
        of = arm.get("digitizer", "refined")
        if isinstance(of, str):
            if of not in cfg.digitizers:
                raise ConfigError(f"{key}: {arm.name} is of {of}; choose of {', '.join(cfg.digitizers)}")
            of = cfg.digitizers[of]
        base: Any = OmegaConf.to_container(of, resolve=True)
        overrides: Any = OmegaConf.to_container(arm.get("overrides") or OmegaConf.create(), resolve=True)
        what[arm.name] = arm.what
        configs[arm.name] = OmegaConf.create(_replaced(base, {**overrides, "name": arm.name}))
    if len(what) < 2:
        raise ConfigError(f"{key}: name the first and at least one to hold against it")
    return what, configs


def _replaced(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Replace options, in parts of parts, too; a part with a `_target_` of its own is another part."""
    result = dict(base)
    for key, value in overrides.items():
        part = isinstance(value, dict) and "_target_" not in value and isinstance(result.get(key), dict)
        result[key] = _replaced(result[key], value) if part else value
    return result


def printed_command(facts: Mapping[str, Any]) -> str:
    """
    Return the command of a provenance as a page prints it: with the reader's folders, less what is local.

    Examples
    --------
    >>> printed_command({"command": "python run.py signals=ptbxl signals.root=/data/x progress=false seed=1"})
    'python run.py signals=ptbxl signals.root=DIR seed=1'
    """
    command = re.sub(r"(\S+\.root)=\S+", r"\1=DIR", facts["command"])
    return re.sub(r" (progress|workers|output_dir|restart|hydra\.run\.dir)=\S+", "", command)


def sizes(rows: pd.DataFrame, subsets: Mapping[str, str] = common.SUBSETS) -> str:
    """
    Say how many crops rows are of.

    Examples
    --------
    >>> sizes(pd.DataFrame({"crop_id": ["a", "a", "b"], "record_id": ["1", "1", "1"], "subset": "overlap"}))
    '2 crops with overlap (1 record)'
    """
    crops = rows.drop_duplicates(["crop_id", "subset"])
    counts = crops["subset"].value_counts()
    names = [*(n for n in subsets if n in counts), *(n for n in counts.index if n not in subsets)]
    parts = [f"{counts[name]} crops {subsets.get(str(name), name)}" for name in names]
    records = crops["record_id"].nunique()
    return f"{', '.join(parts)} ({records} record{'' if records == 1 else 's'})"


def _write(
    study: Study, rows: pd.DataFrame, cfg: DictConfig, folder: Path, template: Path
) -> tuple[Report, str]:
    """Write summary, figure and page; return the report and the page."""
    facts = _read_provenance(folder)
    report = study.report(rows, cfg, template.parent)
    report.summary.to_csv(folder / SUMMARY, index=False, lineterminator="\n", float_format="%.6g")
    if report.draw is not None:
        report.draw(folder)
    context = {
        "command": printed_command(facts),
        "sizes": sizes(rows),
        "split": cfg.get("split"),
        "made": _made(facts),
        "note": common.intervals_note(instantiate(cfg.get("bootstrap", _BOOTSTRAP))),
        "cfg": cfg,
        **report.context,
    }
    text = pages.render(template, context)
    (folder / PAGE).write_text(text, encoding="utf-8")
    return report, text


def _made(facts: Mapping[str, Any]) -> str:
    """Say what the rows rest on, and what is wrong with that."""
    machine = f"{facts['cores']} cores of {facts['cpu']}"
    text = f"Made at commit {str(facts['commit'])[:7]} on {facts['date_utc'][:10]}, {machine}"
    calls = [facts, *facts.get("earlier_calls", [])]
    if any(call.get("dirty") for call in calls):
        return (
            f"{text}, **with changes that were not committed**: these numbers cannot be made again exactly, "
            "and stand here until the study is run anew."
        )
    return f"{text}."


def _facts(study: Study, cfg: DictConfig, sources: Mapping[str, CropSource]) -> dict[str, Any]:
    facts = provenance(cfg)
    facts["command"] = facts["command"].replace(" run.py", f" experiments/{study.name}/run.py", 1)
    facts["versions"] |= study.versions
    each = {
        name: runner.data_facts(cfg, source, study.keys, study.versions) for name, source in sources.items()
    }
    if not study.part:
        return facts | each[""]
    return facts | {
        "n_crops": sum(one["n_crops"] for one in each.values()),
        "data_fingerprints": {name: one["data_fingerprint"] for name, one in each.items()},
        "data_fingerprint": None,
    }


def _read_provenance(folder: Path) -> dict[str, Any]:
    path = folder / PROVENANCE
    if not path.is_file():
        raise DataError(f"there is no {path}: run the study")
    return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
