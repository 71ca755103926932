"""Layer profiles of a made-up BLIP-2, whose times and FLOPs follow laws that tests can derive numbers from.

    time of a layer = fixed + per token x tokens x batch + per pair of tokens x tokens² x batch
    FLOPs likewise, without the fixed part

so that the books close by construction: the layers and the unattributed time are the step, step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from report_records import environment, spec

from layerprof.records import (
    Distribution,
    FrozenMapping,
    Kind,
    LayerProfile,
    MemorySummary,
    Note,
    PartInfo,
    Profile,
    StageProfile,
)

Tokens = Literal["vision", "query", "language", "none"]

QUERY_TOKENS = 32
PATCH = 14
UNATTRIBUTED_S = 0.001
SPREAD = (1.0, 1.01, 0.99, 1.02, 0.98, 1.004, 0.996, 1.0)  # of the steps of one profile, around 1
PARTS = ("vision_model", "qformer", "language_model")
SLOWNESS = {"bf16": 1.0, "fp32": 1.75}
ATTENTION_SLOWNESS = {"eager": 1.5, "sdpa_math": 1.25}  # of the layers that compute attention; 1 for the others
COMPILED_SPEED = 0.8  # of the time of a part that is compiled
PEAK_BYTES_OF_WEIGHTS = 7_500_000_000
ACTIVATION_BYTES = 2_000_000  # of one sample and vision token


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """What one layer takes by itself."""

    path: str
    type_name: str
    kind: Kind
    stage: str
    tokens: Tokens = "none"
    fixed_s: float = 0.0
    per_token_s: float = 0.0
    per_pair_s: float = 0.0
    flops_per_token: int = 0
    flops_per_pair: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What decides the laws of one cell."""

    batch_size: int = 1
    image_size: int = 224
    text_tokens: int = 12
    dtype: str = "bf16"
    optimization: str = "sdpa"

    @property
    def vision_tokens(self) -> int:
        return (self.image_size // PATCH) ** 2 + 1

    @property
    def is_compiled(self) -> bool:
        return self.optimization.startswith("compile")

    def tokens(self, of: Tokens) -> int:
        counts = {"vision": self.vision_tokens, "query": QUERY_TOKENS, "none": 0}
        return counts.get(of, QUERY_TOKENS + self.text_tokens)


_VISION, _LANGUAGE = "vision_model", "language_model.model.decoder"
LAWS = (
    Law(path="", type_name="Blip2ForConditionalGeneration", kind="container", stage="other", fixed_s=4e-4),
    Law(path=_VISION, type_name="Blip2VisionModel", kind="container", stage="other", fixed_s=1e-4),
    Law(
        path=f"{_VISION}.embeddings.patch_embedding",
        type_name="Conv2d",
        kind="conv",
        stage="vision.patch_embedding",
        tokens="vision",
        fixed_s=3e-4,
        per_token_s=8e-6,
        flops_per_token=1_655_808,
    ),
    Law(
        path=f"{_VISION}.encoder.layers.0.self_attn",
        type_name="Blip2Attention",
        kind="attention",
        stage="vision.blocks",
        tokens="vision",
        fixed_s=8e-3,
        per_token_s=5e-4,
        per_pair_s=6e-7,
        flops_per_token=600_000_000,
        flops_per_pair=220_000,
    ),
    Law(
        path=f"{_VISION}.encoder.layers.0.mlp",
        type_name="Blip2MLP",
        kind="mlp",
        stage="vision.blocks",
        tokens="vision",
        fixed_s=6e-3,
        per_token_s=1e-3,
        flops_per_token=1_350_000_000,
    ),
    Law(
        path=f"{_VISION}.post_layernorm",
        type_name="LayerNorm",
        kind="norm",
        stage="vision.norm",
        tokens="vision",
        fixed_s=1e-4,
        per_token_s=4e-6,
        flops_per_token=9_000,
    ),
    Law(
        path="qformer",
        type_name="Blip2QFormerModel",
        kind="attention",
        stage="qformer",
        tokens="query",
        fixed_s=2e-2,
        per_token_s=2e-4,
        flops_per_token=210_000_000,
    ),
    Law(
        path="language_projection",
        type_name="Linear",
        kind="linear",
        stage="projection",
        tokens="query",
        fixed_s=2e-4,
        per_token_s=3e-6,
        flops_per_token=3_932_160,
    ),
    Law(path="language_model", type_name="OPTForCausalLM", kind="container", stage="other", fixed_s=1e-4),
    Law(
        path=f"{_LANGUAGE}.embed_tokens",
        type_name="Embedding",
        kind="embedding",
        stage="language.embedding",
        tokens="language",
        fixed_s=1e-4,
        per_token_s=1e-6,
    ),
    Law(
        path=f"{_LANGUAGE}.layers.0.self_attn",
        type_name="OPTAttention",
        kind="attention",
        stage="language.blocks",
        tokens="language",
        fixed_s=3e-2,
        per_token_s=1e-3,
        flops_per_token=1_700_000_000,
        flops_per_pair=330_000,
    ),
    Law(
        path=f"{_LANGUAGE}.layers.0.fc1",
        type_name="Linear",
        kind="linear",
        stage="language.blocks",
        tokens="language",
        fixed_s=6e-2,
        per_token_s=2e-3,
        flops_per_token=3_400_000_000,
    ),
    Law(
        path="language_model.lm_head",
        type_name="Linear",
        kind="linear",
        stage="language.lm_head",
        tokens="language",
        fixed_s=4e-3,
        per_token_s=1e-4,
        flops_per_token=257_000_000,
    ),
)
STAGES = tuple(dict.fromkeys(law.stage for law in LAWS if law.stage != "other"))


def self_s_of(law: Law, work: Work) -> float:
    """What a layer takes by itself in a step."""
    tokens = work.tokens(law.tokens)
    seconds = law.fixed_s + (law.per_token_s + law.per_pair_s * tokens) * tokens * work.batch_size
    slowness = ATTENTION_SLOWNESS.get(work.optimization, 1.0) if law.kind == "attention" else 1.0
    speed = COMPILED_SPEED if work.is_compiled and law.path.partition(".")[0] in PARTS else 1.0
    return seconds * SLOWNESS[work.dtype] * slowness * speed


def self_flops_of(law: Law, work: Work) -> int:
    tokens = work.tokens(law.tokens)
    return (law.flops_per_token + law.flops_per_pair * tokens) * tokens * work.batch_size


def step_s_of(work: Work) -> float:
    """Of the step: all layers and what is under none; its middle steps are as long."""
    return sum(self_s_of(law, work) for law in LAWS) + UNATTRIBUTED_S


def flops_of(work: Work) -> int:
    return sum(self_flops_of(law, work) for law in LAWS)


def peak_bytes_of(work: Work) -> int:
    return PEAK_BYTES_OF_WEIGHTS + ACTIVATION_BYTES * work.batch_size * work.vision_tokens


def stage_s_of(stage: str, work: Work) -> float:
    return sum(self_s_of(law, work) for law in LAWS if law.stage == stage)


def part_s_of(part: str, work: Work) -> float:
    return sum(self_s_of(law, work) for law in LAWS if law.path.partition(".")[0] == part)


def spread(seconds: float) -> Distribution:
    """Steps around a time, whose median and mean over the middle half are that time."""
    return Distribution(samples=tuple(seconds * factor for factor in SPREAD))


def reference_profile(work: Work, *, model: str = "blip2-opt-2.7b") -> Profile:
    """The layer profile of a cell; of compiled parts only the part's own row has a time."""
    layers = tuple(_layer(law, work) for law in LAWS)
    step_s = step_s_of(work)
    attention = work.optimization if work.optimization == "eager" else "sdpa"
    parts = tuple(PartInfo(name=part, path=part, dtype=work.dtype, attention=attention, device="cpu") for part in PARTS)
    return Profile(
        spec=replace(spec(model=model), is_compiled=work.is_compiled, parts=parts, labels=FrozenMapping()),
        environment=environment(),
        layers=layers,
        stages=_stages(layers),
        latency_s=spread(step_s),
        step_s=spread(step_s),
        unattributed_s=spread(UNATTRIBUTED_S),
        unattributed_flops=0,
        memory=MemorySummary(baseline_bytes=PEAK_BYTES_OF_WEIGHTS, step_peak_bytes=peak_bytes_of(work), device="cpu"),
        notes=(Note(code="no_counter", quantity="energy", scope="*", text="no energy counter by layer"),),
    )


def _layer(law: Law, work: Work) -> LayerProfile:
    below = [other for other in LAWS if not law.path or f"{other.path}.".startswith(f"{law.path}.")]
    total_s = sum(self_s_of(other, work) for other in below)
    self_s: float | None = self_s_of(law, work)
    if work.is_compiled and law.path in PARTS:
        self_s = total_s
    elif work.is_compiled and law.path.partition(".")[0] in PARTS:
        self_s = None
    return LayerProfile(
        path=law.path,
        type_name=law.type_name,
        kind=law.kind,
        depth=law.path.count(".") + 1 if law.path else 0,
        stage=law.stage,
        calls=1,
        total_s=None if self_s is None else spread(total_s),
        self_s=None if self_s is None else spread(self_s),
        flops=sum(self_flops_of(other, work) for other in below),
        self_flops=self_flops_of(law, work),
    )


def _stages(layers: Sequence[LayerProfile]) -> tuple[StageProfile, ...]:
    members: dict[str, list[LayerProfile]] = {}
    for layer in layers:
        members.setdefault(layer.stage, []).append(layer)
    names = sorted(members, key=lambda name: name == "other")
    return tuple(_stage(name, members[name]) for name in names)


def _stage(name: str, members: Sequence[LayerProfile]) -> StageProfile:
    times = [layer.self_s.samples for layer in members if layer.self_s is not None]
    is_whole = len(times) == len(members)  # a sum with a missing part is missing
    self_s = Distribution(samples=tuple(map(sum, zip(*times, strict=True)))) if is_whole else None
    flops = sum(layer.self_flops or 0 for layer in members)
    paths = tuple(layer.path for layer in members)
    return StageProfile(name=name, paths=paths, total_s=self_s, self_s=self_s, flops=flops, self_flops=flops)
