"""Vision models of ``transformers``."""

from typing import Any, Dict

from zoo.hugging_face import TINY, of_transformers
from zoo.recipe import Recipe, image

__all__ = ["VISION"]

PATCHES: Dict[str, Any] = {**TINY, "image_size": 16, "patch_size": 8}


def seeing(model: str, size: int, since: str = "0", **settings: Any) -> Recipe:
    """Looks at one image."""
    return of_transformers(model, settings, image(size), names=("pixel_values",), since=since)


RESNET_SIZES: Dict[str, Any] = {
    "embedding_size": 8,
    "hidden_sizes": [8, 16],
    "depths": [1, 2],
    "layer_type": "basic",
}

VISION: Dict[str, Recipe] = {
    "beit": seeing("BeitModel", 16, **PATCHES, use_relative_position_bias=True),
    "convnext": seeing("ConvNextModel", 32, num_stages=2, hidden_sizes=[8, 16], depths=[1, 1]),
    "deit": seeing("DeiTModel", 16, **PATCHES),
    "detr": seeing(
        "DetrForObjectDetection",
        64,
        since="4.28",
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config={"model_type": "resnet", "out_features": ["stage2"], **RESNET_SIZES},
        num_queries=5,
        d_model=16,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
    ),
    "resnet": seeing("ResNetModel", 32, **RESNET_SIZES),
    "segformer": seeing(
        "SegformerForSemanticSegmentation",
        32,
        num_encoder_blocks=2,
        depths=[1, 1],
        sr_ratios=[2, 1],
        hidden_sizes=[8, 16],
        patch_sizes=[7, 3],
        strides=[4, 2],
        num_attention_heads=[1, 2],
        mlp_ratios=[2, 2],
        decoder_hidden_size=16,
    ),
    "swin": seeing(
        "SwinModel",
        16,
        image_size=16,
        patch_size=2,
        embed_dim=8,
        depths=[2, 1],
        num_heads=[2, 2],
        window_size=2,
        mlp_ratio=2.0,
    ),
    "vit": seeing("ViTModel", 16, **PATCHES),
}
"""The recipes by name."""
