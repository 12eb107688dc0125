"""What `pip install` brings: the command from any folder, the wheel, and no more than reading needs."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from PIL import Image
from planted_picture import command, lead

import ecgtrace
from ecgtrace import command as ecgtrace_command
from ecgtrace.cli import RESEARCH
from ecgtrace.example import EXAMPLE

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# In a process that cannot import what the first argument names: the command, or a script.
WITHOUT = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

blocked, arguments = sys.argv[1].split(","), sys.argv[2:]
sys.meta_path.insert(0, Blocked())
if arguments[0].endswith(".py"):
    sys.argv = arguments
    sys.path.insert(0, ".")
    runpy.run_path(arguments[0], run_name="__main__")
else:
    from ecgtrace.command import main
    sys.exit(main(arguments))
"""
(FORBIDDEN,) = (
    contract["forbidden_modules"]
    for contract in PROJECT["tool"]["importlinter"]["contracts"]
    if contract["type"] == "forbidden"
)


def run(arguments, folder):
    """Run a command in a folder, with this package before any that is installed."""
    environment = os.environ | {"PYTHONPATH": str(Path(ecgtrace.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def ecgtrace_cli(monkeypatch, capfd):
    """Return a function that runs the command in this process; it gives the exit code, stdout and stderr."""

    def call(*arguments):
        GlobalHydra.instance().clear()
        monkeypatch.setattr(sys, "argv", ["ecgtrace"])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        try:
            code = ecgtrace_command.main(arguments)
        except SystemExit as stop:
            code = stop.code
        out, err = capfd.readouterr()
        return code, out, err

    return call


# The command --------------------------------------------------------------------------------------


def test_the_command_does_what_the_entry_point_does(tmp_path, monkeypatch, capfd, ecgtrace_cli):
    """The same samples and the same settings, from a folder that has no conf."""
    Image.fromarray(lead()).save(tmp_path / "lead (1).png")
    options = [f"input={tmp_path / 'lead (1).png'}", "digitizer=baseline", "progress=false"]
    assert command([*options, f"output_dir={tmp_path / 'root'}"], monkeypatch, capfd)[0] == 0
    monkeypatch.chdir(tmp_path)
    code, out, err = ecgtrace_cli("digitize", *options, "output_dir=own")
    assert code == 0, err
    assert out == f"1 ok, 0 doubtful, 0 failed\nsummary: {Path('own', 'summary.csv')}\n"
    assert (tmp_path / "own/lead (1).csv").read_bytes() == (tmp_path / "root/lead (1).csv").read_bytes()
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == [
        "lead (1).csv",
        "lead (1).json",
        "summary.csv",
    ]


def test_a_picture_that_fails_is_exit_code_1(tmp_path, ecgtrace_cli):
    Image.new("RGB", (40, 40)).save(tmp_path / "black.png")
    code, _, err = ecgtrace_cli(
        "digitize", f"input={tmp_path}", f"output_dir={tmp_path / 'out'}", "digitizer=baseline"
    )
    assert code == 1
    assert "failed: " in err and "black.png" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "a command is missing; write ecgtrace digitize input=FILE_OR_FOLDER output_dir=FOLDER"),
        (["digitise"], "there is no command 'digitise'; write ecgtrace digitize"),
        (["digitize", "lead.png", "out"], "write ecgtrace digitize input=lead.png output_dir=out"),
        (["digitize", "workers=2", "lead.png"], "write ecgtrace digitize input=lead.png"),
        (["digitize"], "these options have no default, set them: input=..."),
        (["digitize", "input=missing.png"], "input: there is no file or folder missing.png"),
        (["digitize", "input=x", "overlay=true"], "there is no option 'overlay'. Did you mean overlays?"),
        (["digitize", "input=x", "--fast"], "unrecognized arguments: --fast"),
        (["digitize", "input=x", "digitizer=none"], "Could not find 'digitizer/none'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(tmp_path, monkeypatch, ecgtrace_cli, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = ecgtrace_cli(*arguments)
    assert code == 2
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert words in err


def test_overlays_without_matplotlib_are_wrong_usage(tmp_path, monkeypatch, ecgtrace_cli):
    """Said before the work, not at the first picture."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else find_spec(name, *a)
    )
    Image.fromarray(lead()).save(tmp_path / "lead.png")
    out = tmp_path / "out"
    code, _, err = ecgtrace_cli(
        "digitize", f"input={tmp_path}", f"output_dir={out}", "overlays=true", "digitizer=baseline"
    )
    assert code == 2 and not out.exists()
    assert err == "error: overlays=true needs matplotlib: pip install 'ecgtrace[overlays]'\n"


def test_version_and_help_load_nothing_that_is_slow(tmp_path):
    code = (
        "import sys\n"
        "from ecgtrace.command import main\n"
        "assert main(['--version']) == main(['--help']) == 0\n"
        "assert not {'numpy', 'torch', 'cv2', 'hydra'} & set(sys.modules)\n"
    )
    done = run(["-c", code], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"ecgtrace {metadata.version('ecgtrace')}"
    assert "ecgtrace digitize input=FILE_OR_FOLDER" in done.stdout


def test_python_m_ecgtrace_is_the_command(tmp_path):
    done = run(["-m", "ecgtrace", "digitize", "lead.png"], tmp_path)
    assert done.returncode == 2
    assert "input=lead.png" in done.stderr
    assert PROJECT["project"]["scripts"] == {"ecgtrace": "ecgtrace.command:main"}


# Install by need ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("digitizer", "counts"),
    [
        ("refined", "1 ok, 0 doubtful, 0 failed"),
        ("baseline", "0 ok, 1 doubtful, 0 failed"),  # it follows the lead below, and the verdict tells of two
    ],
)
def test_the_core_digitizes_without_the_packages_of_research(tmp_path, digitizer, counts):
    """None of those that the contract of imports forbids, even where an import is inside a function."""
    options = [f"input={EXAMPLE}", "output_dir=out", f"digitizer={digitizer}", "progress=false"]
    done = run(["-c", WITHOUT, ",".join(FORBIDDEN), "digitize", *options], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(counts)
    assert (tmp_path / "out" / "example.csv").is_file()


@pytest.mark.parametrize("script", ["train.py", "evaluate.py", "generate.py", "reproduce.py"])
def test_research_without_its_packages_is_one_line(tmp_path, script):
    run_dir = [f"hydra.run.dir={tmp_path}"] + ([f"output_dir={tmp_path}/out"] if script[0] in "gr" else [])
    done = run(["-c", WITHOUT, ",".join(FORBIDDEN), script, *run_dir], ROOT)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "not installed, and this needs it: pip install 'ecgtrace[research]'" in done.stderr


def test_the_contract_of_imports_knows_the_extra_research():
    """A package that is added there is blocked above, too."""
    imported = {"segmentation-models-pytorch": "segmentation_models_pytorch"}
    extra = PROJECT["project"]["optional-dependencies"]["research"]
    names = {text.split(">")[0] for text in extra}
    assert {imported.get(name, name) for name in names} == set(RESEARCH)
    assert set(RESEARCH) < set(FORBIDDEN)
    core = {text.split(">")[0] for text in PROJECT["project"]["dependencies"]}
    assert not core & names


def test_the_wheel_has_what_the_command_reads_and_nothing_else(tmp_path):
    """Built from a copy, so that nothing is left in the checkout; with weights of a few bytes."""
    shutil.copytree(
        ROOT / "src",
        tmp_path / "src",
        symlinks=True,
        ignore=shutil.ignore_patterns("*.safetensors", "*.egg-info", "__pycache__"),
    )
    (tmp_path / "src/ecgtrace/segmentation/data/unet.safetensors").write_text("weights")
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    build = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    done = run(["-c", build], tmp_path)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
        digitize = file.read("ecgtrace/conf/digitize.yaml")

    code = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*.py")}
    groups = ("digitizer", "model", "segmenter")
    conf = {"ecgtrace/conf/digitize.yaml"} | {
        f"ecgtrace/{path.relative_to(ROOT).as_posix()}"
        for group in groups
        for path in (ROOT / "conf" / group).glob("*.yaml")
    }
    data = {
        "ecgtrace/py.typed",
        "ecgtrace/data/example.png",
        "ecgtrace/records/data/sample.npz",
        "ecgtrace/segmentation/data/unet.safetensors",
        "ecgtrace/page_text/data/ppocrv4_rec.onnx",
        "ecgtrace/page_text/data/NOTICE",
    }
    assert names == code | conf | data
    assert digitize == (ROOT / "conf" / "digitize.yaml").read_bytes()
