"""
The figures of the paper, each built from finished runs and the crops of the configuration.

Each builder takes `Sources` and a folder, leaves `figN.pdf`, `figN.png` and the numbers drawn as `figN*.csv`
there, and returns what can be said of the paper's figure. `NEEDS` names the runs that each reads. Figure 2 is
a diagram of the method and has no numbers.
"""

from collections.abc import Callable
from pathlib import Path

from ecgtrace.paper.artefact import Claim, Sources
from ecgtrace.paper.fig_epochs import fig7
from ecgtrace.paper.fig_samples import fig1, fig3, fig8, fig9
from ecgtrace.paper.fig_training import fig4, fig5, fig6

FIGURES: dict[str, Callable[[Sources, Path], list[Claim]]] = {
    "fig1": fig1,
    "fig3": fig3,
    "fig4": fig4,
    "fig5": fig5,
    "fig6": fig6,
    "fig7": fig7,
    "fig8": fig8,
    "fig9": fig9,
}

NEEDS: dict[str, tuple[str, ...]] = {
    "fig1": (),
    "fig3": (),
    "fig4": ("yolo",),
    "fig5": ("yolo", "unet_paper"),
    "fig6": ("unet_paper",),
    "fig7": ("unet_paper",),
    "fig8": (),
    "fig9": ("unet_paper",),
}

TITLES: dict[str, str] = {
    "fig1": "Figure 1: a sample of the data",
    "fig3": "Figure 3: a training pair and the two custom augmentations",
    "fig4": "Figure 4: confusion matrix of YOLO",
    "fig5": "Figure 5: loss and IoU of YOLO by epoch",
    "fig6": "Figure 6: loss and IoU of the U-Net by epoch",
    "fig7": "Figure 7: prediction of an early epoch and of the last",
    "fig8": "Figure 8: the grid that was detected",
    "fig9": "Figure 9: a digitized signal over the truth",
}
