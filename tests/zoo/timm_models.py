"""Architectures of ``timm``."""

import importlib
from typing import Any, Dict

from torch import nn

from zoo.recipe import Recipe, has_module, image

__all__ = ["TIMM"]


def listed(model: str, size: int = 32, **settings: Any) -> Recipe:
    """A model by the name that timm lists it under."""

    def there() -> bool:
        import timm

        return bool(timm.is_model(model))

    def build() -> nn.Module:
        import timm

        made: nn.Module = timm.create_model(model, pretrained=False, num_classes=5, **settings)
        return made

    return Recipe(build, image(size), there)


def sized(module: str, name: str, size: int = 32, **settings: Any) -> Recipe:
    """A model by its class, where every listed one is too large."""
    home = f"timm.models.{module}"

    def there() -> bool:
        return has_module("timm", "models", module)

    def build() -> nn.Module:
        model: nn.Module = getattr(importlib.import_module(home), name)(num_classes=5, **settings)
        return model

    return Recipe(build, image(size), there)


def mobilevit() -> nn.Module:
    """One block of each kind."""
    from timm.models import mobilevit as home
    from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg

    bottle: Dict[str, Any] = {"bottle_in": True, "linear_out": True}
    inner: Dict[str, Any] = {"transformer_dim": 16, "transformer_depth": 2, "patch_size": 2}
    assert home  # it makes the second kind known
    blocks = (
        ByoBlockCfg(type="bottle", d=1, c=16, s=2, gs=1, br=2.0, block_kwargs=bottle),
        ByoBlockCfg(type="mobilevit", d=1, c=16, s=1, br=1.0, block_kwargs=inner),
    )
    cfg = ByoModelCfg(blocks=blocks, stem_type="3x3", stem_chs=8, act_layer="silu")
    model: nn.Module = ByobNet(cfg, num_classes=5)
    return model


GHOSTS = [
    [[3, 16, 16, 0, 1]],
    [[3, 48, 24, 0, 2]],
    [[3, 72, 24, 0, 1]],
    [[5, 72, 40, 0.25, 2]],
]
"""Kernel, channels between and out, squeeze, stride."""

TIMM: Dict[str, Recipe] = {
    "byobnet": listed("test_byobnet"),
    "coatnet": listed("test_coatnet", img_size=32),
    "ghostnet": sized("ghostnet", "GhostNet", cfgs=GHOSTS, width=0.5),
    "levit": sized(
        "levit",
        "LevitDistilled",
        64,
        img_size=64,
        embed_dim=(16, 24, 32),
        key_dim=8,
        depth=(1, 1, 1),
        num_heads=(2, 2, 2),
    ),
    "mambaout": listed("test_mambaout"),
    "mixer": sized("mlp_mixer", "MlpMixer", img_size=32, patch_size=8, num_blocks=2, embed_dim=16),
    "mobilevit": Recipe(mobilevit, image(16), lambda: has_module("timm", "models", "mobilevit")),
    "nfnet": listed("test_nfnet"),
    "poolformer": sized("metaformer", "MetaFormer", dims=(8, 8, 16, 16), depths=(1, 1, 1, 1)),
    "visformer": listed("visformer_tiny", img_size=32, embed_dim=32, depth=1),
    "xcit": listed("xcit_nano_12_p16_224", img_size=32, embed_dim=16, depth=2, num_heads=2),
}
"""The recipes by name."""
