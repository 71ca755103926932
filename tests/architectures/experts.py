"""Mixtures of experts."""

from __future__ import annotations

from architectures.base import WORDS, Family, of_class, text

_DECODER = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "num_experts_per_tok": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

FAMILIES = (
    Family(
        name="mixtral",
        build=of_class("MixtralForCausalLM", **_DECODER, num_local_experts=4),
        inputs=text(),
        kind="experts",
    ),
    Family(
        name="qwen3-moe",
        build=of_class("Qwen3MoeForCausalLM", **_DECODER, num_experts=4, moe_intermediate_size=16, head_dim=8),
        inputs=text(),
        kind="experts",
    ),
    Family(
        name="olmoe",
        build=of_class("OlmoeForCausalLM", **_DECODER, num_experts=4),
        inputs=text(),
        kind="experts",
    ),
    Family(
        name="deepseek-v3",
        build=of_class(
            "DeepseekV3ForCausalLM",
            **{**_DECODER, "num_key_value_heads": 4},
            moe_intermediate_size=16,
            n_routed_experts=4,
            n_shared_experts=1,
            n_group=2,
            topk_group=1,
            first_k_dense_replace=1,
            kv_lora_rank=8,
            q_lora_rank=8,
            qk_rope_head_dim=4,
            qk_nope_head_dim=4,
            v_head_dim=8,
        ),
        inputs=text(),
        kind="experts",
    ),
)
