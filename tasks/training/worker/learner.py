"""The network with its loss, optimiser and averaged twin: one optimiser step at a time, and all of it as state."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from tasks.records import TrainingSpec
from tasks.training.worker.batches import Batch, Step
from tasks.training.worker.convolutions import subsample_first
from tasks.training.worker.device import Computer
from tasks.training.worker.loss import divisor, loss_parts, loss_sums, make_loss
from tasks.training.worker.network import build_network
from tasks.training.worker.norms import RunningStatistics
from tasks.training.worker.schedule import average_decay
from tasks.training.worker.team import Team


@dataclass(frozen=True)
class Outcome:
    """What a step came to."""

    parts: list[float]
    """The loss of the whole step, on all devices, in the order of LOSS_PARTS."""
    bad: Batch | None = None
    """The piece of the step whose loss is no finite number, in one of the processes.

    Weights and running statistics have not changed then.
    """


class Learner:
    """What learns. After each step it is the same in all processes of the team."""

    def __init__(self, spec: TrainingSpec, computer: Computer, team: Team, *, compiled: bool = False) -> None:
        self.spec, self.computer, self.team = spec, computer, team
        device = computer.device
        self.plain = team.share_statistics(build_network(spec.variant, len(spec.classes)))
        if device.accelerator == "cpu" and device.channels_last:
            subsample_first(self.plain)
        self.loss = make_loss(len(spec.classes))
        self.average = AveragedModel(self.plain, use_buffers=True)
        self.average = computer.fabric.to_device(self.average).to(memory_format=device.memory_format)
        self.plain = self.plain.to(memory_format=device.memory_format)
        groups = parameter_groups(self.plain, spec.weight_decay)
        optimizer = torch.optim.AdamW(groups, spec.learning_rate, fused=True)
        network = torch.compile(self.plain) if compiled else self.plain
        self.network, self.optimizer = computer.fabric.setup(network, optimizer)
        pairs = list(zip(tensors_of(self.average.module), tensors_of(self.plain), strict=True))
        self._averaged = separated(pair for pair in pairs if pair[0].is_floating_point())
        self._counters = separated(pair for pair in pairs if not pair[0].is_floating_point())
        self._statistics = RunningStatistics(self.plain)
        self._average_statistics = RunningStatistics(self.average.module)

    def _after_step(self, passes: int) -> None:
        """Warm up the running statistics of random weights, and take weights and statistics into the averages."""
        steps = int(self.average.n_averaged)
        early = self.spec.weights_sha256 is None and self._statistics.warming_up(steps)
        if early:
            self._statistics.warm_up(steps, passes)
        self._update_average(steps)
        if early:  # they are averages already, over as many steps; averaged again, they would be those of older weights
            self._average_statistics.take(self._statistics)

    @torch.no_grad()
    def _update_average(self, updates: int) -> None:
        """As AveragedModel.update_parameters, which sorts 1000 tensors anew each step and takes twice as long."""
        if updates == 0:
            self.average.module.load_state_dict(self.plain.state_dict())
        else:
            averages, current = self._averaged
            torch._foreach_lerp_(averages, current, 1 - average_decay(self.spec.ema_decay, updates))
            averages, current = self._counters
            torch._foreach_copy_(averages, current)
        self.average.n_averaged += 1

    def step(self, step: Step, batches: Iterator[Batch], rate: float) -> Outcome:
        """One step of the optimiser at learning rate ``rate``, unless its loss is no finite number.

        The gradients are those of the whole batch, in however many pieces and processes it comes: the loss is a sum
        over boxes divided by a normaliser of the whole batch, so the pieces' sums are added up with one divisor.
        Only batch norms see the pieces: their statistics are those of a micro-batch, over all devices.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._statistics.remember()
        count, expected = len(step.micro_batches), None
        totals = torch.zeros(4, device=self.computer.fabric.device)
        for number, micro in enumerate(step.micro_batches, start=1):
            batch = next(batches)
            with self.computer.fabric.no_backward_sync(self.network, enabled=number < count):
                sums, normaliser = self._forward(batch, counts=micro.counts)
                shared = self.team.summed(torch.cat([sums.detach(), normaliser[None]]))
                totals += shared
                if not torch.isfinite(shared).all():
                    self.optimizer.zero_grad(set_to_none=True)
                    self._statistics.put_back()
                    return Outcome(loss_parts(totals[:3], totals[3]), bad=batch)
                # Only the last piece knows the whole batch's divisor; with one piece this is it.
                expected = divisor(shared[3]) * count if expected is None else expected
                parts = sums / expected
                # DDP takes the mean of the processes' gradients, which are to be added up.
                self.computer.fabric.backward((parts[0] + parts[1] + parts[2]) * self.team.size)
        if expected is not None and count > 1:
            self._scale_gradients(expected / divisor(totals[3]))
        self.optimizer.step()
        self._after_step(count)
        self.optimizer.zero_grad(set_to_none=True)
        return Outcome(loss_parts(totals[:3], totals[3]))

    def _forward(self, batch: Batch, *, counts: bool) -> tuple[Tensor, Tensor]:
        outputs = self.network(self.computer.pictures(batch.pictures))
        sums, normaliser = loss_sums(self.loss, outputs, self.computer.to_device(batch.targets))
        return (sums, normaliser) if counts else (sums * 0, normaliser * 0)

    @torch.no_grad()
    def _scale_gradients(self, factor: Tensor) -> None:
        gradients = [parameter.grad for parameter in self.plain.parameters() if parameter.grad is not None]
        torch._foreach_mul_(gradients, factor)

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        rate: float = self.optimizer.param_groups[0]["lr"]
        return rate

    @property
    def is_finite(self) -> bool:
        """Whether all weights are finite numbers."""
        return all(bool(torch.isfinite(parameter).all()) for parameter in self.plain.parameters())

    def averages(self) -> dict[str, Any]:
        """The averaged weights, by the network's names: what validation measures, and a finished run gives."""
        weights: dict[str, Any] = self.average.module.state_dict()
        return weights

    def state(self) -> dict[str, Any]:
        """All that steps change."""
        return {
            "network": self.plain.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.computer.fabric.strategy.precision.state_dict(),
            "random_state": torch.get_rng_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a ``state``."""
        self.plain.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.computer.fabric.strategy.precision.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random_state"])


def tensors_of(network: nn.Module) -> Iterator[Tensor]:
    """Parameters that are learnt, and buffers that are saved: what a step may change."""
    state = network.state_dict(keep_vars=True)
    return (tensor for tensor in state.values() if tensor.requires_grad or not isinstance(tensor, nn.Parameter))


def separated(pairs: Iterable[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    """The first and the second of all pairs."""
    firsts, seconds = zip(*pairs, strict=True)
    return list(firsts), list(seconds)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW's groups: weight decay on all but biases and norms, as in super-gradients; shortcut gains are neither."""
    norms = {id(p) for part in network.modules() if isinstance(part, nn.BatchNorm2d) for p in part.parameters()}
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (plain if name.endswith("bias") or id(parameter) in norms else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
