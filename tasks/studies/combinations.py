"""The combinations of settings that a study without a search tries. Pure."""

from itertools import product

from tasks.records import RetrainRequest, SettingsSpace, Trial, TrialSettings


def all_combinations(request: RetrainRequest, space: SettingsSpace) -> list[Trial]:
    """Each combination of the values once; what the space leaves open is the request's.

    Args:
        request: What the models have in common.
        space: The values to try.

    Returns:
        Open trials, those that are trained and run fastest first.
    """
    values = product(
        sorted(set(space.image_sizes)) or [request.image_size],
        sorted(set(space.variants), key="sml".index) or [request.variant],
        sorted(set(space.epochs)) or [request.epochs],
    )
    return [
        Trial(
            number=number,
            settings=TrialSettings(
                variant=variant,
                epochs=epochs,
                image_size=image_size,
                batch_size=request.batch_size,
                learning_rate=request.learning_rate,
                augmentation=request.augmentation,
            ),
        )
        for number, (image_size, variant, epochs) in enumerate(values, start=1)
    ]


def request_of(request: RetrainRequest, settings: TrialSettings) -> RetrainRequest:
    """The request for a model with the settings of a trial."""
    return request.model_copy(update=settings.model_dump())
