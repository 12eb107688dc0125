"""Every file in conf/ composes, every object that it names can be built, and set-up files agree."""

import inspect
import tomllib
from dataclasses import fields, is_dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import get_object, instantiate
from omegaconf import OmegaConf
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ecgtrace.drawing.page_designer import PageDesigner
from ecgtrace.drawing.style import PageStyle

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"


def options(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@pytest.fixture(autouse=True, scope="module")
def hydra_conf():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def build(node):
    """Build an object; a partial takes any keyword until it is called, its signature does not."""
    made = instantiate(node, _convert_="object")
    if hasattr(made, "keywords"):
        inspect.signature(made.func).bind_partial(*made.args, **made.keywords)
    return made


@pytest.mark.parametrize("page", options("page"))
@pytest.mark.parametrize("signals", options("signals"))
def test_pages_and_signals(page, signals):
    root = {"sample": [], "packed": ["signals.path=nowhere"]}.get(signals, ["signals.root=nowhere"])
    cfg = compose("evaluate", [f"page={page}", f"signals={signals}", *root])
    assert isinstance(build(cfg.page), PageStyle)
    build(cfg.signals)


@pytest.mark.parametrize("design", options("page_design"))
def test_page_designs(design):
    cfg = compose("evaluate", [f"+page_design={design}", "logger=none"])
    designer = build(cfg.page_design)
    assert isinstance(designer, PageDesigner)
    page = designer.draw(np.random.default_rng(0), record_s=10.0)
    assert page.layout.duration_s > 0


def test_the_default_design_is_the_varied_one():
    """`PageDesigner()` and conf/page_design/varied.yaml say the same."""
    assert build(compose("evaluate", ["+page_design=varied"]).page_design) == PageDesigner()


def test_the_default_style_is_the_published_one():
    """`PageStyle()` and conf/page/published.yaml say the same, but for JPEG, which saving does."""
    cfg = compose("evaluate", ["page.degradation.jpeg_quality=null"])
    assert build(cfg.page) == PageStyle()


@pytest.mark.parametrize("digitizer", options("digitizer"))
@pytest.mark.parametrize("subset", options("subset"))
def test_evaluate(digitizer, subset):
    cfg = compose("evaluate", [f"digitizer={digitizer}", f"subset={subset}", "logger=none"])
    assert callable(build(cfg.digitizer))
    assert build(cfg.data).split == "test"
    build(cfg.align), build(cfg.bootstrap)


def nodes(config):
    """Return every part of a configuration that names what it builds."""
    found = [config] if "_target_" in config else []
    return found + [inner for part in config.values() if isinstance(part, dict) for inner in nodes(part)]


@pytest.mark.parametrize("model", options("segmenter"))
@pytest.mark.parametrize("digitizer", options("digitizer"))
def test_every_option_of_a_digitizer_is_in_its_yaml(digitizer, model):
    """The keys of each part are fields of the dataclass, or options of the function, that it builds."""
    needs_weights = model == "yolo" and digitizer not in ("baseline", "ceiling", "page")
    given = ["digitizer.segmenter.weights=x.safetensors"] if needs_weights else []
    composed = compose("evaluate", [f"digitizer={digitizer}", f"model={model}", *given])
    config = OmegaConf.to_container(composed.digitizer)
    for node in nodes(config):
        target = get_object(node["_target_"])
        keys = {key for key in node if not key.startswith("_")}
        if is_dataclass(target):
            assert keys == {field.name for field in fields(target) if field.init}, node["_target_"]
        else:
            parameters = inspect.signature(target).parameters.values()
            assert keys == {p.name for p in parameters if p.default is not p.empty}, node["_target_"]


@pytest.mark.parametrize("digitizer", ["baseline", "proposed", "refined"])
def test_the_defaults_of_a_digitizer_are_those_of_its_yaml(digitizer):
    """So that Python and the command line read alike."""
    made = build(compose("evaluate", [f"digitizer={digitizer}"]).digitizer)
    for field in fields(made):
        value, default = getattr(made, field.name), getattr(type(made)(), field.name)
        if isinstance(value, partial):
            assert value.func is default
            parameters = inspect.signature(default).parameters
            assert all(parameters[key].default == given for key, given in value.keywords.items())
        elif field.name != "segmenter":
            assert value == default, field.name


def test_a_part_of_refined_is_left_out_from_the_command_line():
    assert build(compose("evaluate", ["digitizer.neighbours=null"]).digitizer).neighbours is None
    assert not build(compose("evaluate", ["digitizer.start.detours=false"]).digitizer).start.detours
    assert build(compose("digitize", ["input=x", "digitizer.fit.steps=5"]).digitizer).fit.steps == 5


@pytest.mark.parametrize("augmentation", options("augmentation"))
@pytest.mark.parametrize("training", options("training"))
def test_train(augmentation, training, tmp_path):
    root = [f"training.root={tmp_path}"] if training == "folder" else []
    cfg = compose("train", [f"augmentation={augmentation}", f"training={training}", *root])
    build(cfg.augmentation)
    if training == "drawn":
        data = build(cfg.training)
        assert (data["train"].split, data["val"].split) == ("train", "val")


@pytest.mark.parametrize("trainer", options("trainer"))
@pytest.mark.parametrize("model", options("model"))
def test_model_and_trainer(trainer, model):
    own = ["model.network.encoder_weights=null"] if model == "unet" else []
    cfg = compose("train", [f"trainer={trainer}", f"model={model}", *own])
    assert callable(build(cfg.model.fit))
    for part in {"loss", "optimizer", "network"} & set(cfg.model):
        build(cfg.model[part])
    import lightning

    wanted = {k for k in cfg.trainer if k != "_target_"}
    assert wanted <= set(inspect.signature(lightning.Trainer.__init__).parameters)
    assert cfg.trainer.max_epochs == 20


@pytest.mark.parametrize("model", options("segmenter"))
@pytest.mark.parametrize("entry", ["evaluate", "digitize"])
def test_the_model_chooses_the_segmenter(entry, model):
    """Every model of a lead's crops has a segmenter of its name, and overrides reach it."""
    given = ["input=x"] if entry == "digitize" else []
    chosen = compose(entry, [*given, f"model={model}", "digitizer.segmenter.weights=x.safetensors"])
    segmenter = build(chosen.digitizer).segmenter
    assert segmenter.weights == "x.safetensors"
    assert type(segmenter).__name__ == {"unet": "NetworkSegmenter", "yolo": "YoloSegmenter"}[model]
    assert {*options("segmenter"), "page", "name", "lead"} == set(options("model"))


def test_yolo_takes_the_options_that_ultralytics_has():
    """Options that it does not know it would refuse after all crops were drawn."""
    from ecgtrace.segmentation import yolo_runtime

    yolo_runtime.load()
    from ultralytics.cfg import get_cfg

    hyper = OmegaConf.to_container(compose("train", ["model=yolo"]).model.hyper)
    assert get_cfg(overrides=hyper).flipud == 0.5


@pytest.mark.parametrize("experiment", options("experiment"))
def test_experiments_compose(experiment):
    text = (CONF / "experiment" / f"{experiment}.yaml").read_text()
    entry = "train" if "train.py" in text else "evaluate"
    compose(entry, [f"experiment={experiment}"])


@pytest.mark.parametrize("logger", options("logger"))
@pytest.mark.parametrize("entry", ["evaluate", "train"])
def test_loggers(entry, logger):
    build(compose(entry, [f"logger={logger}"]).logger)


@pytest.mark.parametrize("entry", ["digitize", "generate", "conditions"])
def test_other_entry_points_compose(entry):
    compose(entry, ["input=x"] if entry == "digitize" else [])


def test_a_mistyped_key_is_refused():
    with pytest.raises(Exception, match="fs_hzz"):
        compose("evaluate", ["digitizer.fs_hzz=100"])


def test_conda_and_make_install_from_the_same_files():
    """environment.yml names no package of its own, so it cannot drift from pyproject.toml."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = environment["dependencies"][-1]["pip"]
    assert pip == ["--constraint constraints.txt", "--editable .[dev]"]
    python = next(d for d in environment["dependencies"] if str(d).startswith("python="))
    assert (
        python.split("=")[1]
        in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    )
    assert "-c constraints.txt -e '.[dev]'" in (ROOT / "Makefile").read_text()


def test_every_dependency_is_pinned_to_a_version_it_allows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pinned.items()}
    for text in chain(project["dependencies"], *project["optional-dependencies"].values()):
        requirement = Requirement(text)
        if requirement.name == project["name"]:  # dev takes in the other extras
            continue
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), text
