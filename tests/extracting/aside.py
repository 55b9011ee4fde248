"""Architectures of transformers, torchvision and timm that the zoo does not have."""

from typing import Any, Dict

import torch
from torch import Tensor, nn
from zoo.audio_and_both import IMAGE_PART, TEXT_PART, WAVES, text_and_image
from zoo.hugging_face import TINY, of_transformers
from zoo.recipe import Recipe, has_module, image, sound
from zoo.text import BART_SIZES, both, decoder, encoder, masked_decoder
from zoo.timm_models import listed, sized
from zoo.torchvision_models import of_torchvision
from zoo.vision import PATCHES, RESNET_SIZES, seeing

__all__ = ["ASIDE"]

TEXT = {
    "bert_generation": encoder("BertGenerationEncoder"),
    "convbert": encoder("ConvBertModel", embedding_size=16, head_ratio=2, conv_kernel_size=3),
    "deberta": encoder("DebertaModel", relative_attention=True, pos_att_type=["c2p", "p2c"]),
    "ernie": encoder("ErnieModel"),
    "flaubert": of_transformers(
        "FlaubertModel",
        {"vocab_size": 61, "emb_dim": 16, "n_layers": 2, "n_heads": 2, "n_words": 61},
        lambda: (torch.randint(3, 55, (2, 7)),),
    ),
    "mobilebert": encoder(
        "MobileBertModel",
        embedding_size=16,
        intra_bottleneck_size=8,
        true_hidden_size=8,
        num_feedforward_networks=2,
    ),
    "mpnet": encoder("MPNetModel"),
    "roformer": encoder("RoFormerModel", embedding_size=16),
    "biogpt": decoder("BioGptForCausalLM"),
    "falcon": decoder("FalconForCausalLM", new_decoder_architecture=True, num_kv_heads=1),
    "gemma2": masked_decoder("Gemma2ForCausalLM", num_key_value_heads=1, head_dim=8),
    "gpt_bigcode": decoder("GPTBigCodeForCausalLM", n_positions=20, n_embd=16, n_layer=2, n_head=2),
    "gpt_neo": decoder(
        "GPTNeoForCausalLM", num_layers=2, num_heads=2, attention_types=[[["global", "local"], 1]]
    ),
    "gptj": decoder(
        "GPTJForCausalLM", n_positions=20, n_embd=16, n_layer=2, n_head=2, rotary_dim=4
    ),
    "mamba2": decoder(
        "Mamba2ForCausalLM",
        num_heads=4,
        head_dim=8,
        state_size=4,
        n_groups=1,
        chunk_size=4,
        conv_kernel=4,
    ),
    "mpt": decoder("MptForCausalLM", d_model=16, n_heads=2, n_layers=2, max_seq_len=20),
    "olmo": masked_decoder("OlmoForCausalLM", num_key_value_heads=1),
    "phi3": masked_decoder("Phi3ForCausalLM", num_key_value_heads=1, pad_token_id=0),
    "qwen3": masked_decoder("Qwen3ForCausalLM", num_key_value_heads=1, head_dim=8),
    "stablelm": masked_decoder("StableLmForCausalLM", num_key_value_heads=1),
    "marian": both("MarianModel", masked=True, **BART_SIZES, pad_token_id=0),
    "pegasus": both("PegasusModel", masked=True, **BART_SIZES),
    "umt5": both("UMT5Model", d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2),
}

DETR: Dict[str, Any] = {
    "use_timm_backbone": False,
    "use_pretrained_backbone": False,
    "backbone": None,
    "backbone_config": {"model_type": "resnet", "out_features": ["stage2"], **RESNET_SIZES},
    "num_queries": 5,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
}

VISION = {
    "bit": seeing(
        "BitModel", 32, embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_groups=4
    ),
    "conditional_detr": seeing("ConditionalDetrForObjectDetection", 64, "4.28", **DETR),
    "convnextv2": seeing("ConvNextV2Model", 32, num_stages=2, hidden_sizes=[8, 16], depths=[1, 1]),
    "dinov2": seeing("Dinov2Model", 16, **PATCHES),
    "dpt": seeing(
        "DPTForDepthEstimation",
        32,
        **{**PATCHES, "image_size": 32, "num_hidden_layers": 4},
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        is_hybrid=False,
    ),
    "focalnet": seeing(
        "FocalNetModel",
        32,
        image_size=32,
        embed_dim=8,
        depths=[1, 1],
        focal_levels=[1, 1],
        focal_windows=[3, 3],
    ),
    "pvt": seeing(
        "PvtModel",
        32,
        image_size=32,
        num_encoder_blocks=2,
        depths=[1, 1],
        sequence_reduction_ratios=[2, 1],
        hidden_sizes=[8, 16],
        patch_sizes=[4, 2],
        strides=[4, 2],
        num_attention_heads=[1, 2],
        mlp_ratios=[2, 2],
    ),
    "swinv2": seeing(
        "Swinv2Model",
        16,
        image_size=16,
        patch_size=2,
        embed_dim=8,
        depths=[2, 1],
        num_heads=[2, 2],
        window_size=2,
        mlp_ratio=2.0,
        pretrained_window_sizes=[0, 0],
    ),
    "vit_msn": seeing("ViTMSNModel", 16, **PATCHES),
    "yolos": seeing(
        "YolosForObjectDetection",
        16,
        **{**PATCHES, "image_size": [16, 16]},
        num_detection_tokens=4,
    ),
}


def fcn() -> nn.Module:
    """A small body with a head that says of each point what it shows."""
    from torchvision.models import mobilenetv2
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.models.segmentation import fcn as home

    rows = [[1, 16, 1, 1], [6, 24, 1, 2]]
    whole = mobilenetv2.MobileNetV2(width_mult=0.5, inverted_residual_setting=rows)
    body = IntermediateLayerGetter(whole.features, {"2": "out"})
    return First(home.FCN(body, home.FCNHead(16, 5)))


class First(nn.Module):
    """Gives the picture, where the model gives a dictionary."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.body(x)["out"]
        return found


AUDIO_AND_BOTH = {
    "ast": of_transformers(
        "ASTModel",
        {**TINY, "patch_size": 4, "max_length": 16, "num_mel_bins": 8, "frequency_stride": 4},
        sound(16, 8),
        names=("input_values",),
    ),
    "chinese_clip": of_transformers(
        "ChineseCLIPModel",
        {"text_config": TEXT_PART, "vision_config": IMAGE_PART, "projection_dim": 12},
        text_and_image,
        names=("input_ids", "pixel_values"),
        outputs=2,
    ),
    "data2vec_audio": of_transformers(
        "Data2VecAudioModel",
        {**WAVES, "num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 3},
        sound(200),
        names=("input_values",),
    ),
    "sew": of_transformers(
        "SEWModel", {**WAVES, "squeeze_factor": 2}, sound(200), names=("input_values",)
    ),
    "unispeech_sat": of_transformers(
        "UniSpeechSatModel", WAVES, sound(200), names=("input_values",)
    ),
    "wavlm": of_transformers(
        "WavLMModel",
        {**WAVES, "num_buckets": 8, "max_bucket_distance": 16},
        sound(200),
        names=("input_values",),
    ),
}

TORCHVISION = {
    "fcn": Recipe(
        fcn, image(32), lambda: has_module("torchvision", "models", "segmentation", "fcn")
    ),
    "mnasnet": of_torchvision("mnasnet", "MNASNet", alpha=0.25),
}

TIMM = {
    "cait": sized("cait", "Cait", img_size=32, patch_size=8, embed_dim=16, depth=1, num_heads=2),
    "convmixer": sized("convmixer", "ConvMixer", dim=8, depth=2, kernel_size=3, patch_size=4),
    "crossvit": sized(
        "crossvit",
        "CrossVit",
        img_size=32,
        img_scale=(1.0, 1.0),
        patch_size=(8, 16),
        embed_dim=(8, 16),
        depth=((1, 1, 0),),
        num_heads=(2, 2),
        mlp_ratio=(2.0, 2.0, 1.0),
    ),
    "edgenext": sized(
        "edgenext",
        "EdgeNeXt",
        64,
        dims=(8, 16, 16, 24),
        depths=(1, 1, 1, 1),
        global_block_counts=(0, 1, 1, 1),
        kernel_sizes=(3, 5, 7, 9),
        d2_scales=(2, 2, 3, 4),
        heads=(2, 2, 2, 2),
    ),
    "efficientnet_evos": listed("test_efficientnet_evos"),
    "efficientnet_gn": listed("test_efficientnet_gn"),
    "maxvit": listed("test_maxvit", 64, img_size=64),
    "resnet": listed("test_resnet"),
    "pit": sized(
        "pit",
        "PoolingVisionTransformer",
        img_size=32,
        patch_size=8,
        stride=4,
        stem_type="overlap",
        base_dims=(8, 8, 8),
        depth=(1, 1, 1),
        heads=(1, 2, 4),
        mlp_ratio=2.0,
    ),
    "repvit": sized("repvit", "RepVit", embed_dim=(8, 16), depth=(1, 1), mlp_ratio=2),
    "sequencer": sized(
        "sequencer",
        "Sequencer2d",
        img_size=32,
        layers=(1, 1),
        patch_sizes=(8, 2),
        embed_dims=(8, 16),
        hidden_sizes=(4, 8),
        mlp_ratios=(2.0, 2.0),
    ),
    "twins": sized(
        "twins",
        "Twins",
        img_size=64,
        patch_size=4,
        embed_dims=(8, 16, 16, 16),
        num_heads=(1, 2, 2, 2),
        mlp_ratios=(2, 2, 2, 2),
        depths=(1, 1, 1, 1),
        sr_ratios=(8, 4, 2, 1),
        size=64,
    ),
    "convnext2": listed("test_convnext2"),
    "vit3": listed("test_vit3", img_size=32),
    "vit_relpos": listed("test_vit_relpos", img_size=32),
}

ASIDE: Dict[str, Dict[str, Recipe]] = {
    "transformers": {**TEXT, **VISION, **AUDIO_AND_BOTH},
    "torchvision": TORCHVISION,
    "timm": TIMM,
}
"""The recipes by name, by library."""
