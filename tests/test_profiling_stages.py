"""Stages: the caller's rules, what a layer inherits, and sums that add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import layerprof as lp
from layerprof.testing import NestedNet, TwinsNet

PASSES = ("time", "flops")


def profile_of(net: NestedNet | TwinsNet, stages: Mapping[str, Sequence[str]] | None) -> lp.Profile:
    return lp.profile(net, net.inputs, clock=net.clock, passes=PASSES, warmup=0, repeats=2, stages=stages)


def members(profile: lp.Profile) -> dict[str, tuple[str, ...]]:
    return {stage.name: stage.paths for stage in profile.stages}


def test_without_rules_each_top_level_child_is_a_stage() -> None:
    profile = profile_of(NestedNet(), None)

    assert members(profile) == {"other": ("",), "block": ("block", "block.child"), "head": ("head",)}


def test_descendants_inherit_the_stage_of_what_matched() -> None:
    profile = profile_of(TwinsNet(), {"front": ["first"]})

    assert members(profile) == {"other": ("", "second", "second.child"), "front": ("first", "first.child")}


def test_the_first_rule_that_matches_wins() -> None:
    profile = profile_of(TwinsNet(), {"children": ["*.child"], "all": ["*"]})

    assert members(profile) == {"all": ("", "first", "second"), "children": ("first.child", "second.child")}


def test_a_rule_for_a_descendant_goes_before_its_parents_stage() -> None:
    profile = profile_of(TwinsNet(), {"front": ["first"], "leaf": ["first.child"]})

    assert profile["first.child"].stage == "leaf"


def test_what_matches_no_rule_is_other() -> None:
    profile = profile_of(NestedNet(), {"nothing": ["decoder.*"]})

    assert members(profile) == {"other": ("", "block", "block.child", "head")}


def test_a_stage_is_the_sum_of_its_layers_self() -> None:
    answers = NestedNet.answers.layers
    profile = profile_of(NestedNet(), {"ends": ["", "head"], "middle": ["block"]})

    ends = {stage.name: stage for stage in profile.stages}["ends"]

    own_s = answers[""].self_s + answers["head"].self_s
    assert ends.self_s == ends.total_s == lp.Distribution(samples=(own_s,) * 2)
    assert ends.flops == ends.self_flops == answers[""].self_flops + answers["head"].self_flops
    assert ends.calls == 2


def test_the_stages_add_up_to_the_step() -> None:
    profile = profile_of(TwinsNet(), {"front": ["first"]})

    assert sum(stage.self_s.median for stage in profile.stages if stage.self_s) == TwinsNet.answers.step_s
    assert sum(stage.flops or 0 for stage in profile.stages) == TwinsNet.answers.step_flops
