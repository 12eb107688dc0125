"""What the paper shows, and what it claims without showing: name, title, needed runs, builder."""

from ecgtrace.paper import ablation, paper_tables
from ecgtrace.paper.artefact import Artefact
from ecgtrace.paper.paper_figures import FIGURES, NEEDS, TITLES

_TABLES = ("evaluate_shipped", "evaluate_unet_paper", "evaluate_yolo")
_ABLATION = (
    "unet_none",
    "unet_basic",
    "unet_paper",
    "unet_keep_scale",
    "evaluate_unet_none",
    "evaluate_unet_basic",
    "evaluate_unet_paper",
    "evaluate_unet_keep_scale",
    "evaluate_reading",
)

ARTEFACTS = {
    artefact.name: artefact
    for artefact in (
        Artefact("table1", "Table I: crops without overlap", _TABLES, paper_tables.build_table1),
        Artefact("table2", "Table II: crops with overlap", _TABLES, paper_tables.build_table2),
        *(Artefact(name, TITLES[name], NEEDS[name], build) for name, build in FIGURES.items()),
        Artefact("iou", "Claim: validation IoU 0.87", ("unet_paper", "yolo"), paper_tables.build_iou),
        Artefact(
            "no_detection", "Claim: YOLO finds nothing in 58 %", ("yolo",), paper_tables.build_no_detection
        ),
        Artefact("ablation", "What the paper claims but never showed", _ABLATION, ablation.build_ablation),
    )
}
