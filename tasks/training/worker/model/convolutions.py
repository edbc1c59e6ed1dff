"""The guard against memory corruption by torch 2.14's oneDNN in some channels-last gradients on CPUs."""

from torch import Tensor, nn
from torch.nn import functional


class SubsampledConv2d(nn.Conv2d):
    """A convolution that computes the same products and sums as ``nn.Conv2d``, without the affected kernels."""

    @classmethod
    def from_convolution(cls, convolution: nn.Conv2d) -> "SubsampledConv2d":
        """Make one that shares the weight and bias of ``convolution``."""
        replacement = cls(
            convolution.in_channels,
            convolution.out_channels,
            kernel_size=1,
            stride=(convolution.stride[0], convolution.stride[1]),
            bias=convolution.bias is not None,
            device="meta",  # so that no random numbers are drawn for its weights
        )
        replacement.weight, replacement.bias = convolution.weight, convolution.bias
        return replacement

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002, torch's name
        """Convolve ``[B, C, H, W]`` to ``[B, K, ceil(H / s), ceil(W / s)]``."""
        # A mean over one pixel selects the same values as slicing, but its gradient stays channels-last.
        return functional.conv2d(functional.avg_pool2d(input, 1, self.stride), self.weight, self.bias)


def guard_channels_last(network: nn.Module) -> int:
    """Replace the convolutions whose channels-last gradients are not safe on a CPU, in place.

    Args:
        network: Any network; its parameters stay the same tensors under the same names.

    Returns:
        Number of replaced convolutions.
    """
    affected = {
        name: part
        for name, part in network.named_modules()
        if type(part) is nn.Conv2d and part.kernel_size == (1, 1) and part.stride != (1, 1)
    }
    for name, part in affected.items():
        if part.padding != (0, 0) or part.groups != 1:
            raise AssertionError(f"the guard does not know such a convolution: {part}")
        network.set_submodule(name, SubsampledConv2d.from_convolution(part))
    return len(affected)
