"""
Estimate the statistics of batch normalisation that a file of page weights lacks.

    python scripts/restore_statistics.py OLD.safetensors NEW.safetensors signals=ptbxl signals.root=DIR

Files written before statistics were kept in single precision hold infinity where a variance is larger than
half precision goes. What comes before such a layer is then lost. The statistics of these layers alone are
taken anew, over tiles of drawn training pages, as training takes them.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import nn
from torch.utils.data import DataLoader

from ecgtrace import weights_file
from ecgtrace.page_ink.unet import PageUNet, as_input
from ecgtrace.page_ink.weights import FORMAT, PageCard
from ecgtrace.training.page_tiles import PageTiles

TILES, AT_ONCE = 240, 4


def main(old: str, new: str, *overrides: str) -> None:
    """Read a file, restore its statistics, write it."""
    card = PageCard(**weights_file.read_header(Path(old), FORMAT, "page"))
    tensors = weights_file.read_tensors(Path(old))
    lost = {name for name, value in tensors.items() if not bool(torch.isfinite(value).all())}
    network = PageUNet(card.widths, card.blocks)
    network.load_state_dict(
        {name: value.to(network.state_dict()[name].dtype) for name, value in tensors.items()}
    )
    network.eval()
    layers = [
        (name, part)
        for name, part in network.named_modules()
        if isinstance(part, nn.BatchNorm2d) and lost & {f"{name}.running_mean", f"{name}.running_var"}
    ]
    for _, part in layers:
        part.reset_running_stats()
        part.momentum = None  # the mean of all batches
        part.train()
    conf = str(Path(__file__).parents[1] / "conf")
    with initialize_config_dir(conf, version_base="1.3"):
        cfg = compose("train", ["model=page", "printer=mixed", "seed=77", *overrides])
    torch.manual_seed(cfg.seed)
    pages = instantiate(cfg.model.pages.train, _convert_="object")
    light = instantiate(cfg.model.light)
    tiles = PageTiles(pages, cfg.model.height, cfg.model.width, cfg.seed, AT_ONCE, 1, 1, 1, size=TILES)
    with torch.inference_mode():
        for batch in DataLoader(tiles, batch_size=AT_ONCE):
            network(light(as_input(batch["image"])))
    names = [name for name, _ in layers]
    restored = {"layers": names, "tiles": TILES, "seed": cfg.seed, "lost": sorted(lost)}
    training = {**card.training, "statistics_restored": restored}
    weights_file.write(network, replace(card, training=training), FORMAT, Path(new))
    print(f"restored {', '.join(names) or 'nothing'} of {old}; written to {new}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
