"""The order of the layers, and how large a file may grow."""

from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "ecgtrace"
MAX_LINES = 450


def test_layers_are_kept_and_no_imports_go_in_circles(monkeypatch, capsys):
    """The contracts in pyproject.toml; `lint-imports` prints the same."""
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0, capsys.readouterr().out


def test_files_stay_short():
    lines = {
        path.relative_to(SRC).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in SRC.rglob("*.py")
    }
    assert {name: n for name, n in lines.items() if n > MAX_LINES} == {}
