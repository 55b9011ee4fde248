"""Models of ``transformers`` that hear, and that take text and image together."""

from typing import Any, Dict, Tuple

import torch
from torch import Tensor

from zoo.hugging_face import TINY, of_transformers
from zoo.recipe import Recipe, sound
from zoo.text import BART_SIZES

__all__ = ["AUDIO", "TEXT_AND_IMAGE"]

WAVES: Dict[str, Any] = {
    **TINY,
    "conv_dim": [8, 8],
    "conv_stride": [5, 2],
    "conv_kernel": [10, 3],
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "apply_spec_augment": False,
}


def spectrogram_and_tokens() -> Tuple[Tensor, ...]:
    """What a transcriber hears, and what it has written so far."""
    return torch.randn(2, 8, 20), torch.randint(3, 55, (2, 4))


AUDIO: Dict[str, Recipe] = {
    "hubert": of_transformers("HubertModel", WAVES, sound(200), names=("input_values",)),
    "wav2vec2": of_transformers("Wav2Vec2Model", WAVES, sound(200), names=("input_values",)),
    "whisper": of_transformers(
        "WhisperModel",
        {
            **BART_SIZES,
            "vocab_size": 61,
            "num_mel_bins": 8,
            "max_source_positions": 10,
            "max_target_positions": 12,
            "pad_token_id": 0,
        },
        spectrogram_and_tokens,
        names=("input_features", "decoder_input_ids"),
        fixed={"use_cache": False},
        masks={"decoder_attention_mask": 4},
    ),
}
"""The recipes by name."""

TEXT_PART: Dict[str, Any] = {**TINY, "projection_dim": 12, "eos_token_id": 60}
IMAGE_PART: Dict[str, Any] = {
    **TINY,
    "projection_dim": 12,
    "image_size": 16,
    "patch_size": 8,
}


def text_and_image() -> Tuple[Tensor, ...]:
    """Two texts and one image."""
    return torch.randint(3, 55, (2, 7)), torch.randn(1, 3, 16, 16)


def comparing(model: str, text: Dict[str, Any], **settings: Any) -> Recipe:
    """Says how well texts and images fit together."""
    parts = {"text_config": {**TEXT_PART, **text}, "vision_config": IMAGE_PART}
    return of_transformers(
        model,
        {**parts, **settings},
        text_and_image,
        names=("input_ids", "pixel_values"),
        outputs=2,
        since="4.28",
    )


TEXT_AND_IMAGE: Dict[str, Recipe] = {
    "blip": comparing("BlipModel", {"encoder_hidden_size": 16}, projection_dim=12),
    "clip": comparing("CLIPModel", {}, projection_dim=12),
    "siglip": comparing("SiglipModel", {}),
}
"""The recipes by name."""
