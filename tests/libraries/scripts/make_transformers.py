"""Saves a tiny random model as a hub would hold it: ``make_transformers.py bert``.

Every model is built from its configuration, and its tokenizer from a few words: nothing is
downloaded.
"""

import sys

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
IDS = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0, "decoder_start_token_id": 2}


def tokenizer():
    words = ["<pad>", "<unk>", "<s>", "</s>", "a", "tiny", "model"]
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    special = dict(zip(("pad_token", "unk_token", "bos_token", "eos_token"), words))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=32, **special
    )


def bert():
    config = transformers.BertConfig(
        vocab_size=64, hidden_size=16, max_position_embeddings=32, **LAYERS
    )
    return transformers.BertModel(config), tokenizer()


def llama():
    sizes = {"hidden_size": 16, "max_position_embeddings": 64, "num_key_value_heads": 1}
    config = transformers.LlamaConfig(vocab_size=64, **sizes, **LAYERS, **IDS)
    return transformers.LlamaForCausalLM(config), tokenizer()


def t5():
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_heads": 2, "num_layers": 2}
    config = transformers.T5Config(vocab_size=64, **sizes, **IDS)
    return transformers.T5ForConditionalGeneration(config), tokenizer()


def whisper():
    sizes = {"d_model": 16, "num_mel_bins": 80, "max_target_positions": 32}
    for part in ("encoder", "decoder"):
        sizes.update({f"{part}_layers": 2, f"{part}_attention_heads": 2, f"{part}_ffn_dim": 32})
    suppressed = {"suppress_tokens": None, "begin_suppress_tokens": None}
    config = transformers.WhisperConfig(vocab_size=64, **sizes, **suppressed, **IDS)
    model = transformers.WhisperForConditionalGeneration(config)
    return model, transformers.WhisperFeatureExtractor(), tokenizer()


def sentence():
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    for part in bert():
        part.save_pretrained("bert")
    return [SentenceTransformer(modules=[Transformer("bert"), Pooling(16)])]


torch.manual_seed(0)
for saved in globals()[sys.argv[1]]():
    saved.save_pretrained(sys.argv[1])
