"""Models that carry a state along the text instead of attending to all of it, and mixtures of both."""

from __future__ import annotations

from architectures.base import NO_CHOICE, WORDS, Family, of_class, text

_SMALL = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

FAMILIES = (
    Family(
        name="mamba",
        build=of_class("MambaForCausalLM", **_SMALL, state_size=4),
        inputs=text(),
        attentions=NO_CHOICE,
        kind="states",
    ),
    Family(
        name="mamba2",
        build=of_class("Mamba2ForCausalLM", **_SMALL, state_size=8, head_dim=8, num_heads=8, n_groups=2, chunk_size=4),
        inputs=text(),
        attentions=NO_CHOICE,
        kind="states",
    ),
    Family(
        name="falcon-mamba",
        build=of_class("FalconMambaForCausalLM", **_SMALL, state_size=4),
        inputs=text(),
        attentions=NO_CHOICE,
        kind="states",
    ),
    Family(
        name="rwkv",
        build=of_class("RwkvForCausalLM", **_SMALL, attention_hidden_size=32, intermediate_size=48, context_length=16),
        inputs=text(),
        attentions=NO_CHOICE,
        kind="states",
    ),
    Family(
        name="xlstm",
        build=of_class(
            "xLSTMForCausalLM", **{**_SMALL, "hidden_size": 64}, num_heads=2, qk_dim_factor=1.0, chunk_size=4
        ),
        inputs=text(8),
        attentions=NO_CHOICE,
        kind="states",
        modes=("eval",),  # its own backward fails: a state is changed in place
    ),
    Family(
        name="jamba",
        build=of_class(
            "JambaForCausalLM",
            **_SMALL,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=48,
            num_experts=4,
            attn_layer_period=2,
            attn_layer_offset=1,
            expert_layer_period=2,
            expert_layer_offset=1,
            mamba_d_state=4,
            use_mamba_kernels=False,
        ),
        inputs=text(),
        kind="states",
    ),
    Family(
        name="recurrent-gemma",
        build=of_class(
            "RecurrentGemmaForCausalLM",
            **{**_SMALL, "num_hidden_layers": 3},
            num_attention_heads=4,
            num_key_value_heads=1,
            intermediate_size=96,
            lru_width=32,
            attention_window_size=8,
        ),
        inputs=text(),
        kind="states",
        attentions=NO_CHOICE,
    ),
)
