"""Convolutions that channels-last training can be trusted with. Nothing else of the network is changed."""

from torch import Tensor, nn
from torch.nn import functional


class SubsampledConv2d(nn.Conv2d):
    """A 1 x 1 convolution with a stride: takes the pixels it needs first, and convolves them with stride 1.

    The same products and sums as ``nn.Conv2d``. With the stride left to oneDNN, its kernel for the gradient of such
    weights in channels-last (``jit_avx512_common_1x1_convolution_bwd_weights_t`` in torch 2.14) writes outside its
    memory, in fp32 and bf16, and sooner or later the process dies of a "double free".
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002, torch's name
        """``[B, C, H, W]`` to ``[B, K, ceil(H / s), ceil(W / s)]``."""
        # A mean over one pixel. Slicing takes the same ones, but its gradient has another layout, which slows down
        # everything that comes to it.
        taken = functional.avg_pool2d(input, 1, self.stride)
        return functional.conv2d(taken, self.weight, self.bias)


def subsample_first(network: nn.Module) -> int:
    """Turn the strided 1 x 1 convolutions of ``network`` into SubsampledConv2d, in place; gives their number."""
    changed = 0
    for part in network.modules():
        if type(part) is nn.Conv2d and part.kernel_size == (1, 1) and part.stride != (1, 1):
            if part.padding != (0, 0) or part.groups != 1:
                raise AssertionError(f"a strided 1 x 1 convolution with padding or groups: {part}")
            part.__class__ = SubsampledConv2d
            changed += 1
    return changed
