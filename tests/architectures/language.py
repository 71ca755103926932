"""Language models that continue a text."""

from __future__ import annotations

from architectures.base import NO_CHOICE, WORDS, Family, of_class, padded_text, text

_DECODER = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_GROUPED = {**_DECODER, "num_key_value_heads": 2}  # two query heads for each head of keys

FAMILIES = (
    Family(
        name="gpt2",
        build=of_class("GPT2LMHeadModel", vocab_size=WORDS, n_embd=32, n_layer=2, n_head=4, n_positions=64),
        inputs=text(),
    ),
    Family(
        name="opt",
        build=of_class(
            "OPTForCausalLM",
            vocab_size=WORDS,
            hidden_size=32,
            word_embed_proj_dim=16,
            num_hidden_layers=2,
            num_attention_heads=4,
            ffn_dim=48,
            max_position_embeddings=64,
        ),
        inputs=padded_text,
    ),
    Family(name="llama", build=of_class("LlamaForCausalLM", **_GROUPED), inputs=padded_text),
    Family(name="qwen2", build=of_class("Qwen2ForCausalLM", **_GROUPED), inputs=text()),
    Family(
        name="gemma3",
        build=of_class(
            "Gemma3ForCausalLM",
            **_GROUPED,
            head_dim=8,
            sliding_window=4,
            layer_types=["sliding_attention", "full_attention"],
        ),
        inputs=text(),
    ),
    Family(name="mistral", build=of_class("MistralForCausalLM", **_GROUPED, sliding_window=4), inputs=text()),
    Family(name="phi", build=of_class("PhiForCausalLM", **_DECODER), inputs=text()),
    Family(
        name="falcon",
        build=of_class(
            "FalconForCausalLM",
            vocab_size=WORDS,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            alibi=True,
        ),
        inputs=text(),
    ),
    Family(
        name="bloom",
        build=of_class("BloomForCausalLM", vocab_size=WORDS, hidden_size=32, n_layer=2, n_head=4),
        inputs=text(),
        attentions=NO_CHOICE,
    ),
    Family(
        name="gpt-neox",
        build=of_class("GPTNeoXForCausalLM", **_DECODER),
        inputs=text(),
    ),
)
