"""Encoders of text, and models that read one text and write another."""

from __future__ import annotations

from architectures.base import NO_CHOICE, WORDS, Family, of_class, padded_text, text, text_pair

_ENCODER = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 32,
}

_SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}

FAMILIES = (
    Family(name="bert", build=of_class("BertModel", **_ENCODER), inputs=padded_text),
    Family(name="roberta", build=of_class("RobertaForMaskedLM", **_ENCODER), inputs=text()),
    Family(
        name="distilbert",
        build=of_class("DistilBertModel", vocab_size=WORDS, dim=32, n_layers=2, n_heads=4, hidden_dim=48),
        inputs=padded_text,
    ),
    Family(name="albert", build=of_class("AlbertModel", **_ENCODER, embedding_size=16), inputs=text()),
    Family(
        name="deberta-v2",
        build=of_class(
            "DebertaV2Model",
            **_ENCODER,
            relative_attention=True,
            position_buckets=8,
            pos_att_type=["p2c", "c2p"],
            norm_rel_ebd="layer_norm",
            share_att_key=True,
            conv_kernel_size=3,
        ),
        inputs=padded_text,
        attentions=NO_CHOICE,
    ),
    Family(name="fnet", build=of_class("FNetModel", **_ENCODER), inputs=text(), attentions=NO_CHOICE),
    Family(
        name="modernbert",
        build=of_class("ModernBertModel", **_ENCODER, **_SPECIAL, global_attn_every_n_layers=2),
        inputs=text(),
    ),
    Family(
        name="xlnet",
        build=of_class("XLNetModel", vocab_size=WORDS, d_model=32, n_layer=2, n_head=4, d_inner=48),
        inputs=text(),
        attentions=NO_CHOICE,
    ),
    Family(
        name="t5",
        build=of_class("T5Model", vocab_size=WORDS, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4),
        inputs=text_pair,
    ),
    Family(
        name="bart",
        build=of_class(
            "BartModel",
            vocab_size=WORDS,
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=48,
            decoder_ffn_dim=48,
            max_position_embeddings=32,
        ),
        inputs=text_pair,
    ),
)
