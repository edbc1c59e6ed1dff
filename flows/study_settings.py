"""Which settings to take: models of several settings, trained on the same labels."""

from prefect import flow

from tasks.labeling.task import check_labels, export_labels
from tasks.promotion.task import find_champion
from tasks.records import RetrainRequest, SettingsSpace, SettingsStudy
from tasks.studies.task import measure_models, plan_study, require_choice, show_settings_study, train_models


@flow(name="study-settings", persist_result=False)
def study_settings(request: RetrainRequest, space: SettingsSpace) -> SettingsStudy:
    """Train models of several settings, measure all on the same images, and say which to take.

    Nothing is published, judged or promoted. Finished runs and evaluations are used again, by a retrain with the
    recommended settings too.
    """
    require_choice(space)
    export = export_labels(request)
    champion = find_champion(request.project)
    snapshot = check_labels(export, request.rules, champion)
    base = plan_study(request, space, snapshot, champion)
    trials = train_models(request, space, snapshot, champion, base)
    return show_settings_study(measure_models(request, snapshot, trials), base, space)
