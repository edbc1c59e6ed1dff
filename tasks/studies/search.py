"""What a search tries next, and which trial is hopeless: Optuna, asked anew each time. No store.

Optuna's study is built from the trials that there are, so a search goes on wherever they were kept.
"""

from collections.abc import Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from tasks.records import SettingsSpace, Trial, TrialSettings

BATCH_SIZES = (4, 8, 16, 32)
AUGMENTATIONS = ("none", "light", "standard", "strong")
RATE_FACTORS = (0.1, 5.0)
"""Limits of the learning rate, as multiples of the one that the request has: the best one is seldom further off."""
RANDOM_TRIALS = 8
"""So many trials are chosen at random before the sampler learns from them."""
TRIALS_TO_COMPARE = 4
"""A trial is hopeless beside the median of the trained ones, if there are so many."""
SHARE_TO_JUDGE = 0.3
"""Share of the epochs before which no trial is hopeless: much is gained late, when the learning rate falls."""

_STATES = {
    "open": TrialState.RUNNING,
    "trained": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def suggest(
    base: TrialSettings, space: SettingsSpace, train_images: int, trials: Sequence[Trial], seed: int
) -> TrialSettings:
    """Choose the settings of the next trial.

    Args:
        base: Settings of the request, with numbers instead of ``auto``; the first trial has them.
        space: The values to try.
        train_images: Number of training images, which no batch is larger than.
        trials: All trials so far; those that are open count as bad ones, so that the next differs from them.
        seed: Seed of the search. The same trials and seed give the same settings.

    Returns:
        The settings.
    """
    if not trials:
        return base
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = _distributions(base, space, train_images)
    sampler = optuna.samplers.TPESampler(seed=seed + len(trials), n_startup_trials=RANDOM_TRIALS, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials([_as_optuna(trial, distributions) for trial in trials])
    return base.model_copy(update=study.ask(distributions).params)


def is_hopeless(trial: Trial, trials: Sequence[Trial]) -> bool:
    """Say whether an open trial is behind the median of the trained ones at the same epoch.

    Args:
        trial: The open trial, with what it has reached so far.
        trials: All trials.

    Returns:
        Whether to stop it.
    """
    warmup = round(SHARE_TO_JUDGE * trial.settings.epochs)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=TRIALS_TO_COMPARE, n_warmup_steps=warmup)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    study.add_trials([_as_optuna(one, {}) for one in trials if one.status == "trained"])
    return bool(pruner.prune(study, _as_optuna(trial, {})))


def _distributions(base: TrialSettings, space: SettingsSpace, train_images: int) -> dict[str, BaseDistribution]:
    low, high = (base_rate(base) * factor for factor in RATE_FACTORS)
    batches = {size for size in BATCH_SIZES if size <= train_images} | {base.batch_size}
    choices = {
        "batch_size": sorted(batches, key=int),
        "augmentation": AUGMENTATIONS,
        "variant": sorted({*space.variants, *({base.variant} if not space.variants else ())}, key="sml".index),
        "image_size": sorted({*space.image_sizes, *({base.image_size} if not space.image_sizes else ())}),
    }
    return {
        "learning_rate": FloatDistribution(low, min(high, 1.0), log=True),
        **{name: CategoricalDistribution(values) for name, values in choices.items()},
    }


def base_rate(base: TrialSettings) -> float:
    """The learning rate of settings that have a number for it."""
    return float(base.learning_rate)


def _as_optuna(trial: Trial, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    settings = trial.settings.model_dump()
    return create_trial(
        state=_STATES[trial.status],
        value=trial.best_map if trial.status == "trained" else None,
        params={name: settings[name] for name in distributions},
        distributions=distributions,
        intermediate_values=dict(trial.maps),
    )
