"""The training step: network, loss, optimizer and EMA, one optimizer step at a time, and all of it as state."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tasks.records import TrainingSpec
from tasks.training.worker.data.loaders import Batch, StepPlan
from tasks.training.worker.loop.running_statistics import RunningStatistics
from tasks.training.worker.loop.schedule import ema_decay_at
from tasks.training.worker.model.convolutions import guard_channels_last
from tasks.training.worker.model.flat_state import FlatState
from tasks.training.worker.model.loss import divisor, loss_parts, loss_sums, make_loss
from tasks.training.worker.model.mixed_precision import MixedPrecisionParameters
from tasks.training.worker.model.network import build_network
from tasks.training.worker.runtime.device import Computer
from tasks.training.worker.runtime.distributed import ProcessGroup


@dataclass(frozen=True)
class StepResult:
    """The loss of one optimizer step."""

    parts: list[float]
    """Of the whole batch, on all devices, in the order of LOSS_PARTS."""
    bad: Batch | None = None
    """The micro-batch whose loss is not finite, in one of the processes; parameters and statistics are unchanged."""


class TrainingStep:
    """A network with all that a step changes. After each step it is the same in all processes.

    Args:
        spec: The run.
        computer: The device.
        process_group: The processes that share each batch.
        compiled: Whether the network goes through torch.compile.
    """

    def __init__(
        self, spec: TrainingSpec, computer: Computer, process_group: ProcessGroup, *, compiled: bool = False
    ) -> None:
        self.spec, self.computer, self.process_group = spec, computer, process_group
        device = computer.device
        network = process_group.sync_batch_norms(build_network(spec.variant, len(spec.classes)))
        if device.accelerator == "cpu" and device.channels_last:
            guard_channels_last(network)
        self.network = computer.fabric.to_device(network).to(memory_format=device.memory_format)
        self.loss = make_loss(len(spec.classes))
        self.ema_network: nn.Module = copy.deepcopy(self.network)
        self.steps = 0
        """Steps that the EMA has taken in."""
        self._flat, self._ema = FlatState(self.network), FlatState(self.ema_network)
        self._statistics = RunningStatistics(self.network, self._flat.statistics)
        self._parameters = MixedPrecisionParameters(self.network, self._flat, device.half)
        self._predict = torch.compile(self._parameters.predict) if compiled else self._parameters.predict
        self.optimizer = computer.fabric.setup_optimizers(self._adamw())

    def _adamw(self) -> torch.optim.AdamW:
        """The optimizer of the flat parameters, whose gradients are views of one tensor."""
        decayed, undecayed = nn.Parameter(self._flat.decayed), nn.Parameter(self._flat.undecayed)
        gradient = self._parameters.gradient
        decayed.grad, undecayed.grad = gradient[: decayed.numel()], gradient[decayed.numel() :]
        groups = [
            {"params": [decayed], "weight_decay": self.spec.weight_decay},
            {"params": [undecayed], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, self.spec.learning_rate, fused=True)

    def run(self, plan: StepPlan, batches: Iterator[Batch], rate: float) -> StepResult:
        """Do one optimizer step, unless its loss is not finite.

        The gradients are those of the whole batch, however it is divided into micro-batches and processes. The loss is
        a sum over boxes divided by a normalizer of the whole batch, so sums are added up with one divisor. Only batch
        norms see micro-batches: their statistics are those of a micro-batch over all devices.

        Args:
            plan: The micro-batches of this device.
            batches: Gives them.
            rate: Learning rate.

        Returns:
            The loss, the same in all processes.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._statistics.remember()
        self._parameters.refresh()
        count, expected = len(plan.micro_batches), None
        totals = torch.zeros(4, device=self.computer.fabric.device)
        for number, micro_batch in enumerate(plan.micro_batches, start=1):
            batch = next(batches)
            sums, normalizer = self._forward(batch, counts=micro_batch.counts)
            shared = self.process_group.all_reduce_sum(torch.cat([sums.detach(), normalizer[None]]))
            totals += shared
            if not torch.isfinite(shared).all():
                self._statistics.restore()
                return StepResult(loss_parts(totals[:3], totals[3]), bad=batch)
            # Only the last micro-batch knows the whole batch's divisor. With one micro-batch this is it.
            expected = divisor(shared[3]) * count if expected is None else expected
            parts = sums / expected
            self.computer.fabric.backward(parts[0] + parts[1] + parts[2])
            self._parameters.collect(first=number == 1)
        if expected is not None and count > 1:
            self._parameters.gradient.mul_(expected / divisor(totals[3]))
        self.process_group.all_reduce_sum_(self._parameters.gradient)
        self.optimizer.step()
        self._after_step(count)
        return StepResult(loss_parts(totals[:3], totals[3]))

    def _forward(self, batch: Batch, *, counts: bool) -> tuple[Tensor, Tensor]:
        precision = self.computer.fabric.strategy.precision
        images = precision.convert_input(self.computer.images(batch.images))
        with precision.forward_context():
            outputs = precision.convert_output(self._predict(images))
        sums, normalizer = loss_sums(self.loss, outputs, self.computer.to_device(batch.targets))
        return (sums, normalizer) if counts else (sums * 0, normalizer * 0)

    def _after_step(self, passes: int) -> None:
        """Warm up the running statistics from random weights, and update the EMA."""
        early = self.spec.weights_sha256 is None and self._statistics.warming_up(self.steps)
        if early:
            self._statistics.warm_up(self.steps, passes)
        self._update_ema()
        if early:  # they are averages over as many steps already; averaged again they would lag behind the parameters
            self._ema.statistics.copy_(self._flat.statistics)

    def _update_ema(self) -> None:
        if self.steps == 0:
            self.ema_network.load_state_dict(self.network.state_dict())
        else:
            self._ema.numbers.lerp_(self._flat.numbers, 1 - ema_decay_at(self.spec.ema_decay, self.steps))
            self._ema.counters.copy_(self._flat.counters)
        self.steps += 1

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        rate: float = self.optimizer.param_groups[0]["lr"]
        return rate

    @property
    def is_finite(self) -> bool:
        """Whether all parameters are finite numbers."""
        return bool(torch.isfinite(self._flat.trainable).all())

    def gradients(self) -> dict[str, Tensor]:
        """Gradients of the last step by parameter name; views."""
        return self._flat.trainable_views(self._parameters.gradient)

    def ema_state(self) -> dict[str, Tensor]:
        """The EMA as the state of a FlatState: what is validated, and what a finished run gives."""
        return self._ema.state()

    def named(self, ema_state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """An ``ema_state`` by the network's own names."""
        return self._ema.named(ema_state)

    @property
    def layout(self) -> str:
        """Order of the parameters in a state; see FlatState."""
        return self._flat.layout

    def state(self) -> dict[str, Any]:
        """All that steps change; no copy."""
        return {
            "layout": self.layout,
            "network": self._flat.state(),
            "ema": self._ema.state(),
            "steps": self.steps,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.computer.fabric.strategy.precision.state_dict(),
            "random_state": torch.get_rng_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a ``state`` with the same ``layout``."""
        self.ema_network.load_state_dict(self.network.state_dict())  # what no step changes is in no state
        self._flat.load(state["network"])
        self._ema.load(state["ema"])
        self.steps = state["steps"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.computer.fabric.strategy.precision.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random_state"])
