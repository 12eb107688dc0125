"""Every study, by the name of its folder in experiments."""

from ecgtrace.studies import (
    ablation,
    ceiling,
    clinical_run,
    conditions,
    not_pages,
    other_programs,
    pages,
    reliability,
)

STUDIES = {
    study.name: study
    for study in (
        ablation.STUDY,
        ceiling.STUDY,
        clinical_run.STUDY,
        conditions.STUDY,
        not_pages.STUDY,
        other_programs.PAGES_OTHER,
        other_programs.REFERENCE,
        pages.STUDY,
        reliability.STUDY,
    )
}
