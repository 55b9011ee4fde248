"""Language models: encoders, decoders, both together, mixtures of experts, state spaces."""

from typing import Any, Dict

from zoo.hugging_face import TINY, of_transformers
from zoo.recipe import Recipe, tokens

__all__ = ["TEXT"]

NO_CACHE = {"use_cache": False}


def encoder(model: str, **settings: Any) -> Recipe:
    """Reads a whole text."""
    return of_transformers(model, {**TINY, **settings}, tokens(7))


def decoder(model: str, **settings: Any) -> Recipe:
    """Continues a text; no cache comes out."""
    return of_transformers(model, {**TINY, **settings}, tokens(4), fixed=NO_CACHE)


def masked_decoder(model: str, **settings: Any) -> Recipe:
    """The same, of those whose mask has to be given."""
    masks = {"attention_mask": 4}
    return of_transformers(model, {**TINY, **settings}, tokens(4), fixed=NO_CACHE, masks=masks)


def both(model: str, masked: bool = False, **settings: Any) -> Recipe:
    """Reads one text and continues another."""
    return of_transformers(
        model,
        {"vocab_size": 61, **settings},
        tokens(6, 4),
        names=("input_ids", "decoder_input_ids"),
        fixed=NO_CACHE,
        masks={"decoder_attention_mask": 4} if masked else {},
    )


BART_SIZES: Dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 20,
}

T5_SIZES: Dict[str, Any] = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}

GPT2_SIZES: Dict[str, Any] = {"n_positions": 20, "n_embd": 16, "n_layer": 2, "n_head": 2}

ENCODERS = {
    "albert": encoder("AlbertModel", embedding_size=8),
    "bert": encoder("BertModel"),
    "deberta_v2": encoder(
        "DebertaV2Model", relative_attention=True, pos_att_type=["c2p", "p2c"], share_att_key=True
    ),
    "distilbert": encoder("DistilBertModel", dim=16, n_layers=2, n_heads=2, hidden_dim=24),
    "electra": encoder("ElectraModel", embedding_size=8),
    "roberta": encoder("RobertaModel"),
    "squeezebert": encoder(
        "SqueezeBertModel",
        embedding_size=16,
        **{f"{part}_groups": 2 for part in ("q", "k", "v", "intermediate", "output")},
    ),
    "xlnet": of_transformers(
        "XLNetModel",
        {"vocab_size": 61, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 24},
        tokens(7),
        fixed={"use_mems": False},
    ),
}

DECODERS = {
    "bloom": decoder("BloomForCausalLM", n_layer=2, n_head=2),
    "gemma": masked_decoder("GemmaForCausalLM", num_key_value_heads=1, head_dim=8),
    "gpt2": decoder("GPT2LMHeadModel", **GPT2_SIZES),
    "gpt_neox": masked_decoder("GPTNeoXForCausalLM"),
    "llama": masked_decoder("LlamaForCausalLM", num_key_value_heads=1),
    "mistral": masked_decoder("MistralForCausalLM", num_key_value_heads=1, sliding_window=None),
    "opt": decoder("OPTForCausalLM", ffn_dim=24, word_embed_proj_dim=8),
    "phi": masked_decoder("PhiForCausalLM"),
    "qwen2": masked_decoder("Qwen2ForCausalLM", num_key_value_heads=1, sliding_window=None),
}

ENCODERS_WITH_DECODER = {
    "bart": both("BartModel", masked=True, **BART_SIZES),
    "t5": both("T5ForConditionalGeneration", **T5_SIZES),
}

EXPERTS = {
    "mixtral": masked_decoder(
        "MixtralForCausalLM", num_key_value_heads=1, num_local_experts=3, num_experts_per_tok=2
    ),
    "olmoe": decoder(
        "OlmoeForCausalLM", num_key_value_heads=1, num_experts=3, num_experts_per_tok=2
    ),
    "switch_transformers": both(
        "SwitchTransformersForConditionalGeneration",
        **T5_SIZES,
        num_experts=3,
        num_decoder_layers=2,
        num_sparse_encoder_layers=1,
        num_sparse_decoder_layers=1,
        expert_capacity=16,
    ),
}

STATE_SPACES = {
    "mamba": decoder("MambaForCausalLM", state_size=4, conv_kernel=4, time_step_rank=2),
    "rwkv": decoder("RwkvForCausalLM", attention_hidden_size=16, context_length=20),
}

TEXT: Dict[str, Recipe] = {
    **ENCODERS,
    **DECODERS,
    **ENCODERS_WITH_DECODER,
    **EXPERTS,
    **STATE_SPACES,
}
"""The recipes by name."""
