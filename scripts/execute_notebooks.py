"""
Run the notebooks top to bottom and keep their outputs, as they are shown on GitHub.

    python scripts/execute_notebooks.py                      all, with their own settings (the quick profile)
    python scripts/execute_notebooks.py 04_worst_cases       one
    python scripts/execute_notebooks.py 03_reproduce_paper REPRODUCTION_DIR=FOLDER      with another setting

What tells only of the machine (times of execution, folders, ids) is left out. Needs nbclient and ipykernel
(pip install -e '.[dev]').
"""

import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
SETTINGS_TAG = "parameters"  # as papermill calls the cell that it may follow with other values
_TIMEOUT_S = 3600
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path: Path, settings: dict[str, Any] | None = None) -> NotebookNode:
    """
    Run a notebook as if it had been opened where it lies.

    Parameters
    ----------
    path : Path
    settings : dict, optional
        Values that follow the settings of the first code cell, and so replace them.

    Returns
    -------
    NotebookNode
        With its outputs, and a cell more if there are settings.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises.
    """
    notebook = nbformat.read(path, as_version=4)
    if settings:
        place = next(
            i for i, cell in enumerate(notebook.cells) if SETTINGS_TAG in cell.metadata.get("tags", [])
        )
        source = "\n".join(f"{name} = {value!r}" for name, value in settings.items())
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(source, id="replaced-settings"))
    # Frozen modules and the debugger do not go together, which the kernel would tell on its start.
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    os.environ.setdefault(
        "PYTHONWARNINGS", "ignore"
    )  # of libraries among themselves; no reader can act on them
    client = NotebookClient(
        notebook, timeout=_TIMEOUT_S, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOKS)}}
    )
    return client.execute()


def strip(notebook: NotebookNode) -> NotebookNode:
    """Leave out what is of this run alone: the replaced settings, times, and names of folders."""
    notebook.cells = [cell for cell in notebook.cells if cell.id != "replaced-settings"]
    notebook.metadata = nbformat.from_dict(_METADATA)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k == "tags"})
        cell.execution_count = count
        cell.outputs = _merged(cell.outputs)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
            if output.output_type == "stream":
                output.text = _without_machine(output.text)
            for kind, text in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output.data[kind] = _without_machine(text)
    return notebook


def _merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join pieces of the same stream: how a stream was cut up depends on the moment."""
    merged: list[NotebookNode] = []
    for output in outputs:
        previous = merged[-1] if merged else None
        if previous is not None and output.output_type == previous.output_type == "stream":
            if output.name == previous.name:
                previous.text += output.text
                continue
        merged.append(output)
    return merged


def _without_machine(text: str) -> str:
    for folder, shown in ((f"{ROOT}{os.sep}", ""), (str(ROOT), "."), (str(Path.home()), "~")):
        text = text.replace(folder, shown) if len(folder) > 1 else text
    return text


def main(arguments: list[str]) -> None:
    """Run the named notebooks, or all, and write them back."""
    settings = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    names = [argument for argument in arguments if "=" not in argument]
    paths = [NOTEBOOKS / f"{name.removesuffix('.ipynb')}.ipynb" for name in names]
    for path in paths or sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = strip(execute(path, settings))
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
