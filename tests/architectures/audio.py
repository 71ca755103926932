"""Models of sound."""

from __future__ import annotations

import torch

from architectures.base import BATCH, NO_CHOICE, WORDS, Family, Inputs, of_class, words

_WAVES = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16, 16, 16],
    "conv_kernel": [10, 3, 2],
    "conv_stride": [5, 2, 2],
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
    "mask_time_prob": 0.0,  # the masked spans are longer than these sounds
    "layerdrop": 0.0,  # else a coin is thrown for each layer, and fakes cannot tell how it fell
}


def _waves() -> Inputs:
    return {"input_values": torch.randn(BATCH, 400)}


def _spectra_and_text() -> Inputs:
    return {"input_features": torch.randn(BATCH, 8, 32), "decoder_input_ids": words(5)}


def _spectra() -> Inputs:
    return {"input_values": torch.randn(BATCH, 32, 16)}


def _channel() -> Inputs:
    return {"input_values": torch.randn(BATCH, 1, 320)}


FAMILIES = (
    Family(
        name="whisper",
        build=of_class(
            "WhisperForConditionalGeneration",
            vocab_size=WORDS,
            num_mel_bins=8,
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=48,
            decoder_ffn_dim=48,
            max_source_positions=16,
            max_target_positions=16,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=3,
        ),
        inputs=_spectra_and_text,
        kind="audio",
    ),
    Family(name="wav2vec2", build=of_class("Wav2Vec2Model", **_WAVES), inputs=_waves, kind="audio"),
    Family(
        name="hubert",
        build=of_class("HubertModel", **_WAVES, feat_extract_norm="layer", do_stable_layer_norm=True),
        inputs=_waves,
        kind="audio",
    ),
    Family(
        name="ast",
        build=of_class(
            "ASTModel",
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=48,
            patch_size=8,
            frequency_stride=8,
            time_stride=8,
            max_length=32,
            num_mel_bins=16,
        ),
        inputs=_spectra,
        kind="audio",
    ),
    Family(
        name="encodec",
        build=of_class(
            "EncodecModel",
            hidden_size=16,
            num_filters=4,
            upsampling_ratios=[4, 2],
            codebook_size=16,
            codebook_dim=16,
            num_lstm_layers=2,
            target_bandwidths=[8.0, 16.0],
            sampling_rate=1000,
        ),
        inputs=_channel,
        attentions=NO_CHOICE,
        kind="audio",
    ),
)
