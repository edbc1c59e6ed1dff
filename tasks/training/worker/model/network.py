"""The YOLO-NAS network of super-gradients, as it is built; its weights files are in weights.py."""

from super_gradients.modules.qarepvgg_block import QARepVGGBlock
from super_gradients.training import models
from super_gradients.training.models.detection_models.yolo_nas.yolo_stages import YoloNASBottleneck
from torch import Tensor, nn


class LeanBlock(QARepVGGBlock):  # type: ignore[misc]  # super-gradients has no types
    """A QARepVGGBlock without its factor of 1 and its term of 0, which YOLO-NAS passes over memory for."""

    def forward(self, inputs: Tensor) -> Tensor:
        """``[B, C, H, W]`` to ``[B, K, H', W']``, to the bit."""
        if self.partially_fused or self.fully_fused:
            fused: Tensor = super().forward(inputs)
            return fused
        branches = self.branch_3x3(inputs) + self.branch_1x1(inputs)
        if self.identity is not None:
            branches = branches + inputs
        outputs: Tensor = self.se(self.nonlinearity(self.post_bn(branches)))
        return outputs


class LeanBottleneck(YoloNASBottleneck):  # type: ignore[misc]
    """A YoloNASBottleneck whose shortcut stays in the number format that it comes in.

    Its gain, a tensor of one fp32 number, made fp32 of bf16, and the convolutions that follow made bf16 of it, each for
    itself. A tensor without dimensions takes part in the format of the others.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """``[B, C, H, W]`` to ``[B, K, H, W]``; in fp32 to the bit."""
        outputs: Tensor = self.drop_path(self.cv2(self.cv1(inputs)))
        return self.alpha.squeeze() * inputs + outputs if self.add else outputs


def build_network(variant: str, classes: int) -> nn.Module:
    """A YOLO-NAS network with random weights and ``classes`` outputs.

    The convolutions that are to hold a RepVGG block's branches once it is fused are a third of the parameters. Training
    never uses them, so they need no gradient, no optimiser and no average, and are 0 unless given weights are loaded.
    """
    network: nn.Module = models.get(f"yolo_nas_{variant}", num_classes=classes)
    for part in network.modules():
        if isinstance(part, QARepVGGBlock):
            part.rbr_reparam.requires_grad_(False)
            nn.init.zeros_(part.rbr_reparam.weight)
            nn.init.zeros_(part.rbr_reparam.bias)
            if not part.use_alpha:
                part.__class__ = LeanBlock
        elif isinstance(part, YoloNASBottleneck) and isinstance(part.alpha, Tensor):
            part.__class__ = LeanBottleneck
    return network
