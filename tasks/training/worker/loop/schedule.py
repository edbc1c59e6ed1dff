"""Learning rate and EMA decay over a run. Pure arithmetic."""

import math

from tasks.records import TrainingSpec


def learning_rate(spec: TrainingSpec, step: int, total_steps: int) -> float:
    """The learning rate of a step: linear warm-up, then a cosine down to ``final_learning_rate_ratio``.

    Both have the form of ``LinearBatchLRWarmup`` and ``CosineLRScheduler`` of super-gradients 3.7.1. The length of the
    warm-up is chosen (decisions 0028 and 0029).

    Args:
        spec: Peak, length of the warm-up and last ratio.
        step: Optimizer steps before this one, from 0.
        total_steps: Steps of the whole run.

    Returns:
        Learning rate of AdamW.
    """
    warmup = min(spec.warmup_steps, total_steps // 10)
    if step < warmup:
        return spec.learning_rate * (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, total_steps - warmup)
    low = spec.final_learning_rate_ratio
    return spec.learning_rate * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def ema_decay_at(highest: float, updates: int) -> float:
    """The EMA's decay after so many updates, warmed up so that it follows the parameters within a few hundred steps.

    The schedule ``threshold`` of super-gradients 3.7.1, ``training/utils/ema_decay_schedules.py``.
    """
    return min(highest, (1 + updates) / (10 + updates))
