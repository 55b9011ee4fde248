"""Architectures of ``torchvision``."""

import importlib
from typing import Any, Callable, Dict, Mapping

from torch import nn

from zoo.recipe import Recipe, has_module, image

__all__ = ["TORCHVISION"]


def of_torchvision(
    module: str,
    name: str,
    size: int = 32,
    parts: Callable[[Any], Mapping[str, Any]] = lambda home: {},
    **settings: Any,
) -> Recipe:
    """A model by its class.

    Args:
        module: below ``torchvision.models``.
        name: of the class.
        size: of the image.
        parts: settings that are made of classes of the module, which it is given.
        settings: the others.
    """
    home = f"torchvision.models.{module}"

    def there() -> bool:
        return has_module("torchvision", "models", module)

    def build() -> nn.Module:
        library: Any = importlib.import_module(home)
        model: nn.Module = getattr(library, name)(num_classes=5, **parts(library), **settings)
        return model

    return Recipe(build, image(size), there)


def efficientnet(home: Any) -> Mapping[str, Any]:
    """Expansion, kernel, stride, channels in and out, layers, and two factors."""
    rows = [
        (1, 3, 1, 8, 8, 1, 1.0, 1.0),
        (6, 3, 2, 8, 16, 2, 1.0, 1.0),
        (6, 5, 2, 16, 24, 1, 1.0, 1.0),
    ]
    return {"inverted_residual_setting": [home.MBConvConfig(*row) for row in rows]}


def mobilenet_v3(home: Any) -> Mapping[str, Any]:
    """Channels in, kernel, channels between and out, attention, activation, stride and two more."""
    rows = [
        (16, 3, 16, 16, True, "RE", 2, 1, 1.0),
        (16, 3, 48, 24, False, "RE", 1, 1, 1.0),
        (24, 5, 48, 24, True, "HS", 1, 1, 1.0),
    ]
    return {"inverted_residual_setting": [home.InvertedResidualConfig(*row) for row in rows]}


def regnet(home: Any) -> Mapping[str, Any]:
    """Four stages."""
    ones = [1.0] * 4
    params = home.BlockParams([1, 1, 2, 1], [16, 16, 32, 32], [8] * 4, ones, [2] * 4, 0.25)
    return {"block_params": params}


TORCHVISION: Dict[str, Recipe] = {
    "convnext": of_torchvision(
        "convnext",
        "ConvNeXt",
        parts=lambda home: {
            "block_setting": [home.CNBlockConfig(8, 16, 1), home.CNBlockConfig(16, None, 2)]
        },
    ),
    "densenet": of_torchvision(
        "densenet", "DenseNet", growth_rate=4, block_config=(2, 3, 2), num_init_features=8
    ),
    "efficientnet": of_torchvision("efficientnet", "EfficientNet", parts=efficientnet, dropout=0.2),
    "googlenet": of_torchvision("googlenet", "GoogLeNet", init_weights=False, aux_logits=False),
    "maxvit": of_torchvision(
        "maxvit",
        "MaxVit",
        input_size=(32, 32),
        stem_channels=8,
        partition_size=4,
        block_channels=[8, 16],
        block_layers=[1, 1],
        head_dim=8,
        stochastic_depth_prob=0.0,
    ),
    "mobilenet_v2": of_torchvision(
        "mobilenetv2",
        "MobileNetV2",
        width_mult=0.5,
        inverted_residual_setting=[[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 1, 2]],
    ),
    "mobilenet_v3": of_torchvision(
        "mobilenetv3", "MobileNetV3", parts=mobilenet_v3, last_channel=32
    ),
    "regnet": of_torchvision("regnet", "RegNet", parts=regnet),
    "resnet": of_torchvision(
        "resnet",
        "ResNet",
        parts=lambda home: {"block": home.Bottleneck},
        layers=[1, 2, 1, 1],
        width_per_group=8,
    ),
    "shufflenet_v2": of_torchvision(
        "shufflenetv2",
        "ShuffleNetV2",
        stages_repeats=[2, 2, 2],
        stages_out_channels=[8, 16, 32, 32, 64],
    ),
    "squeezenet": of_torchvision("squeezenet", "SqueezeNet", version="1_1"),
    "swin": of_torchvision(
        "swin_transformer",
        "SwinTransformer",
        patch_size=[4, 4],
        embed_dim=8,
        depths=[2, 1],
        num_heads=[2, 2],
        window_size=[4, 4],
    ),
    "vit": of_torchvision(
        "vision_transformer",
        "VisionTransformer",
        16,
        image_size=16,
        patch_size=8,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=24,
    ),
}
"""The recipes by name."""
