"""What the paper shows, and what it claims without showing: name, title, needed runs, builder."""

from ecgtrace.reproduction import ablation, paper_figures, paper_tables
from ecgtrace.reproduction.artefact import Artefact

_TABLES = ("evaluate_shipped", "evaluate_unet_paper", "evaluate_yolo")
_ABLATION = (
    "unet_none",
    "unet_basic",
    "unet_paper",
    "unet_paper_without_overlay",
    "unet_keep_scale",
    "evaluate_unet_none",
    "evaluate_unet_basic",
    "evaluate_unet_paper",
    "evaluate_unet_paper_without_overlay",
    "evaluate_unet_keep_scale",
    "evaluate_reading",
)

ARTEFACTS = {
    artefact.name: artefact
    for artefact in (
        Artefact("table1", "Table I: crops without overlap", _TABLES, paper_tables.build_table1),
        Artefact("table2", "Table II: crops with overlap", _TABLES, paper_tables.build_table2),
        Artefact("fig1", "Figure 1: a crop, its mask, its signal", (), paper_figures.build_fig1),
        Artefact("fig3", "Figure 3: a training pair and the two augmentations", (), paper_figures.build_fig3),
        Artefact("fig4", "Figure 4: YOLO's confusion matrix", ("yolo",), paper_figures.build_fig4),
        Artefact("fig5", "Figure 5: YOLO's training", ("yolo",), paper_figures.build_fig5),
        Artefact("fig6", "Figure 6: the U-Net's training", ("unet_paper",), paper_figures.build_fig6),
        Artefact(
            "fig7", "Figure 7: an early and the last epoch", ("unet_paper",), paper_figures.build_fig7
        ),
        Artefact("fig8", "Figure 8: the detected grid", (), paper_figures.build_fig8),
        Artefact("fig9", "Figure 9: a digitized signal", ("unet_paper",), paper_figures.build_fig9),
        Artefact("iou", "Claim: validation IoU 0.87", ("unet_paper", "yolo"), paper_tables.build_iou),
        Artefact(
            "no_detection", "Claim: YOLO finds nothing in 58 %", ("yolo",), paper_tables.build_no_detection
        ),
        Artefact("ablation", "What the paper claims but never showed", _ABLATION, ablation.build_ablation),
    )
}
