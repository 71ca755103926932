"""Models of pictures and videos."""

from __future__ import annotations

import torch

from architectures.base import BATCH, BY_ITSELF, NO_CHOICE, Family, Inputs, of_class, pictures

_TRANSFORMER = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}


def _video() -> Inputs:
    return {"pixel_values": torch.randn(BATCH, 4, 3, 32, 32)}


FAMILIES = (
    Family(
        name="resnet",
        build=of_class(
            "ResNetModel",
            embedding_size=8,
            hidden_sizes=[8, 16, 24, 32],
            depths=[1, 1, 2, 1],
            layer_type="bottleneck",
        ),
        inputs=pictures(64),
        attentions=NO_CHOICE,
        kind="vision",
    ),
    Family(
        name="convnext",
        build=of_class("ConvNextModel", hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1]),
        inputs=pictures(64),
        attentions=NO_CHOICE,
        kind="vision",
    ),
    Family(name="vit", build=of_class("ViTModel", **_TRANSFORMER), inputs=pictures(), kind="vision"),
    Family(name="deit", build=of_class("DeiTModel", **_TRANSFORMER), inputs=pictures(), kind="vision"),
    Family(
        name="beit",
        build=of_class("BeitModel", **_TRANSFORMER, use_relative_position_bias=True),
        inputs=pictures(),
        kind="vision",
    ),
    Family(name="dinov2", build=of_class("Dinov2Model", **_TRANSFORMER), inputs=pictures(), kind="vision"),
    Family(
        name="swin",
        build=of_class(
            "SwinModel", image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4
        ),
        inputs=pictures(),
        kind="vision",
    ),
    Family(
        name="segformer",
        build=of_class(
            "SegformerForSemanticSegmentation",
            hidden_sizes=[8, 16, 24, 32],
            depths=[1, 1, 1, 1],
            num_attention_heads=[1, 2, 2, 4],
            decoder_hidden_size=16,
            num_labels=5,
        ),
        inputs=pictures(64),
        kind="vision",
    ),
    Family(
        name="detr",
        build=of_class(
            "DetrForObjectDetection",
            use_timm_backbone=False,
            backbone_config={
                "model_type": "resnet",
                "embedding_size": 8,
                "hidden_sizes": [8, 16, 24, 32],
                "depths": [1, 1, 1, 1],
                "out_features": ["stage4"],
            },
            num_queries=5,
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=48,
            decoder_ffn_dim=48,
            num_labels=5,
        ),
        inputs=pictures(64),
        attentions=BY_ITSELF,  # its backbone of convolutions has none, and refuses
        kind="vision",
        asks_for_data=("train",),  # throws a coin for each layer that it may skip
    ),
    Family(
        name="timesformer",
        build=of_class("TimesformerModel", **_TRANSFORMER, num_frames=4),
        inputs=_video,
        attentions=NO_CHOICE,
        kind="vision",
    ),
    Family(
        name="videomae",
        build=of_class("VideoMAEModel", **_TRANSFORMER, num_frames=4, tubelet_size=2),
        inputs=_video,
        kind="vision",
    ),
)
