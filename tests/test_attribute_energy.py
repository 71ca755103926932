"""Joules of layers: units, what is inside of them, containers, the root, kinds of sums, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import pairwise

import pytest
from energy_passes import (
    BLOCK_S,
    IDLE_W,
    STEP_S,
    UNIT_W,
    Model,
    Node,
    blocks_pass,
    counter,
    energy_pass,
    exact,
    layer,
    net,
    off,
    own,
    profile_with,
    total,
    unit,
)

from layerprof.attribute import EnergyPass, RawTrace, attribute
from layerprof.attribute.energy import Energies, with_energy
from layerprof.records import Energy, EnergyKind

BLOCK_J = UNIT_W * BLOCK_S


@pytest.fixture(scope="module")
def found() -> Energies:
    return Model().energies(blocks_pass())


def scopes(found: Energies, quantity: str) -> Mapping[str, str]:
    """Of layers, or of the record."""
    notes = [note for note in found.missing if not note.scope.startswith(("stage ", "phase "))]
    return {note.scope: note.code for note in notes if note.quantity == quantity}


def covered(found: Energies, quantity: str) -> bool:
    """Whether each layer without the quantity has a note, and no layer that has it is said to have none by its path."""
    told = scopes(found, quantity)
    missing = [row.path for row in found.rows[0] if getattr(row, quantity) is None]
    present = [row.path for row in found.rows[0] if getattr(row, quantity) is not None]
    return all(any(fnmatchcase(path, scope) for scope in told) for path in missing) and not set(present) & told.keys()


def test_a_unit_has_its_power_times_its_time_in_the_model(found: Energies) -> None:
    energy = total(found, "blocks.1")

    assert energy.total_j == pytest.approx(BLOCK_J)
    assert (energy.kind, energy.source, energy.windows, energy.window_s) == ("replayed", "nvml_energy", 5, 2.0)
    assert energy.power_w == pytest.approx(UNIT_W)
    assert energy.idle_j == pytest.approx(IDLE_W * BLOCK_S)
    assert energy.quantisation_j == pytest.approx(0.05 * BLOCK_J)
    assert (energy.sensor_rel, energy.resolution_s) == (0.05, 0.1)


@pytest.mark.parametrize(("path", "share"), [("blocks.0", 0.1), ("blocks.0.a", 0.6), ("blocks.0.b", 0.3)])
def test_below_a_unit_joules_are_shared_by_own_time(found: Energies, path: str, share: float) -> None:
    energy = own(found, path)

    assert energy.total_j == pytest.approx(share * BLOCK_J)
    assert energy.kind == "time_share"
    assert energy.power_w == pytest.approx(UNIT_W)


def test_inside_a_unit_a_layer_has_the_joules_of_those_below_it() -> None:
    nodes = [
        Node(path="", own_s={"forward": 0.001}),
        Node(path="u", own_s={"forward": 0.002}),
        Node(path="u.mid", own_s={"forward": 0.003}),
        Node(path="u.mid.leaf", own_s={"forward": 0.005}),
    ]

    found = Model(nodes=nodes).energies(energy_pass(unit(1)))

    assert total(found, "u.mid").total_j == pytest.approx(0.8 * BLOCK_J)
    assert own(found, "u.mid").total_j == pytest.approx(0.3 * BLOCK_J)


def test_a_unit_that_calls_nobody_keeps_its_joules_for_itself() -> None:
    found = Model(nodes=[Node(path="", own_s={"forward": 0.01}), Node(path="fc", own_s={"forward": 0.01})]).energies(
        energy_pass(unit(1))
    )

    assert own(found, "fc") == total(found, "fc")
    assert own(found, "fc").kind == "replayed"


def test_a_layer_outside_has_its_share_of_the_rest(found: Energies) -> None:
    # The rest is 26 - 20 ms at the units' mean power: 1.2 J over 3 ms of the root, 2 ms of the head, 1 ms of no layer.
    assert own(found, "").total_j == pytest.approx(0.6)
    assert total(found, "head").total_j == pytest.approx(0.4)
    assert found.unattributed is not None
    assert found.unattributed.total_j == pytest.approx(0.2)


def test_a_list_that_is_never_called_took_nothing_and_what_is_in_it_still_counts() -> None:
    nodes = [Node(path="", own_s={"forward": 0.003}), Node(path="top", own_s={"forward": 0.0})]
    nodes += [replace(node, path=f"top.{node.path}") for node in net()[1:]]

    found = Model(nodes=nodes).energies(energy_pass(unit(3), unit(6)))

    silent = total(found, "top.blocks")
    assert (silent.total_j, silent.kind, silent.ci95_j) == (0.0, "time_share", (0.0, 0.0))
    assert total(found, "top").total_j == pytest.approx(2 * BLOCK_J + 0.4)


def test_the_root_has_the_joules_that_the_step_was_measured_to_take(found: Energies) -> None:
    energy = total(found, "")

    assert energy.kind == "measured"
    assert energy.total_j == pytest.approx(5.2)
    assert (energy.windows, energy.window_s) == (7, 3.0)
    assert energy.quantisation_j == pytest.approx(0.02 * 5.2)
    assert layer(found, "").by_phase["forward"].energy == energy


def test_a_root_that_is_part_of_the_step_alone_is_the_sum_of_its_layers() -> None:
    found = Model(unattributed_s={"forward": 0.010}).energies(blocks_pass(phase_s=(exact(0.035),)))

    # The rest is 15 ms at 200 W: 3 J, of which the root and the head have 5 of 15.
    assert total(found, "").total_j == pytest.approx(2 * BLOCK_J + 1.0)
    assert total(found, "").kind == "time_share"


def test_a_root_that_is_never_called_has_no_joules_but_its_layers_have() -> None:
    nodes = [Node(path=""), *net()[1:]]

    found = Model(nodes=nodes).energies(blocks_pass())

    assert layer(found, "").energy is None
    assert own(found, "").total_j == 0.0
    assert scopes(found, "energy") == {"": "root_not_called"}
    assert total(found, "blocks.0").total_j == pytest.approx(BLOCK_J)


def test_a_never_called_layer_took_nothing() -> None:
    found = Model(nodes=[*net(), Node(path="spare")]).energies(blocks_pass())

    assert (total(found, "spare").total_j, own(found, "spare").ci95_j) == (0.0, (0.0, 0.0))
    assert total(found, "spare").power_w is None


def test_members_of_one_class_are_wrong_in_the_same_direction() -> None:
    shared = off(UNIT_W, 0.03, "class")
    container = [
        Node(path="", own_s={"forward": 0.0}),
        Node(path="box", own_s={"forward": 0.0}),
        Node(path="box.0", own_s={"forward": BLOCK_S}),
        Node(path="box.1", own_s={"forward": BLOCK_S}),
    ]

    def half_width(*powers: float) -> float:
        watts = [shared, shared] if not powers else [off(UNIT_W, 0.03, str(one)) for one in powers]
        measured = energy_pass(unit(2, watts=watts[0]), unit(3, watts=watts[1]), phase_s=(exact(2 * BLOCK_S),))
        energy = total(Model(nodes=container, unattributed_s={}).energies(measured), "box")
        assert energy.half_width_j is not None
        return energy.half_width_j

    one = 1.96 * 0.03 * BLOCK_J
    assert half_width() == pytest.approx(2 * one)
    assert half_width(1, 2) == pytest.approx(2**0.5 * one)


def test_a_share_is_as_uncertain_as_what_it_is_of() -> None:
    found = Model().energies(energy_pass(unit(2, watts=off(UNIT_W, 0.03, "class")), unit(5)))

    part, whole = own(found, "blocks.0.a"), total(found, "blocks.0")
    assert part.half_width_j == pytest.approx(0.6 * (whole.half_width_j or 0.0))


@pytest.mark.parametrize(
    ("regressed_s", "kind"),
    [(0.06 * BLOCK_S, "regressed"), (0.05 * BLOCK_S / 0.95, "regressed"), (0.04 * BLOCK_S, "replayed")],
)
def test_a_sum_has_the_weakest_kind_of_a_twentieth_of_it(regressed_s: float, kind: EnergyKind) -> None:
    nodes = [
        Node(path="", own_s={"forward": 0.0}),
        Node(path="box", own_s={"forward": 0.0}),
        Node(path="box.0", own_s={"forward": BLOCK_S}),
        Node(path="box.1", own_s={"forward": regressed_s}),
    ]
    powers = unit(2), unit(3, seconds=regressed_s, kind="regressed")
    measured = energy_pass(*powers, phase_s=(exact(BLOCK_S + regressed_s),))

    assert total(Model(nodes=nodes, unattributed_s={}).energies(measured), "box").kind == kind


def test_of_an_estimate_everything_is_estimated() -> None:
    found = Model().energies(blocks_pass(counter=counter(kind="estimated", source="estimate")))

    rows = (*found.rows[0], *found.rows[1], *found.rows[2])
    energies = [energy for row in rows for energy in (row.energy, row.self_energy)]
    assert {energy.kind for energy in energies if energy is not None} == {"estimated"}
    assert found.summary is not None
    assert (found.summary.step.kind, found.summary.units[0].kind) == ("estimated", "estimated")


def test_flags_of_parts_are_those_of_the_sum() -> None:
    measured = energy_pass(unit(2, flags=("throttled",)), unit(5, flags=("cold", "throttled")))

    found = Model(nodes=[Node(path="", own_s={"forward": 0.003}), *net()[1:]]).energies(measured)

    assert total(found, "blocks.0").flags == ("throttled",)
    assert next(row for row in found.rows[1] if row.name == "blocks").energy == replace(
        total(found, "blocks.0"),
        total_j=pytest.approx(2 * BLOCK_J),  # type: ignore[arg-type]  # compared, never computed with
        ci95_j=(pytest.approx(2 * BLOCK_J), pytest.approx(2 * BLOCK_J)),  # type: ignore[arg-type]  # likewise
        idle_j=pytest.approx(2 * IDLE_W * BLOCK_S),  # type: ignore[arg-type]  # likewise
        quantisation_j=pytest.approx(0.1 * BLOCK_J),  # type: ignore[arg-type]  # likewise
        flags=("cold", "throttled"),
    )


def test_without_times_nothing_below_a_unit_is_known_and_no_sum_of_it() -> None:
    nodes = [Node(path="", own_s={"forward": 0.001}), Node(path="box", own_s={"forward": 0.001})]
    nodes += [replace(node, path=f"box.{node.path}") for node in net()[1:]]
    measured = energy_pass(unit(3), unit(6))

    found = Model(nodes=nodes, has_time=False).energies(measured)

    assert total(found, "box.blocks.0").total_j == pytest.approx(BLOCK_J)
    for path in ("box.blocks.0.a", "box", "box.head"):
        assert layer(found, path).energy is None
        assert layer(found, path).self_energy is None
    assert layer(found, "box.blocks.0").self_energy is None
    assert scopes(found, "energy") == {
        "box.blocks.*.*": "no_layer_time",
        "box": "no_layer_time",
        "box.head": "no_layer_time",
    }
    assert covered(found, "energy")
    assert covered(found, "self_energy")
    assert total(found, "").kind == "measured"
    assert "add 'time' to passes" in found.missing[0].text


def test_without_times_all_of_the_rest_is_of_no_layer() -> None:
    found = Model(has_time=False).energies(blocks_pass())

    assert found.unattributed is not None
    assert found.unattributed.total_j == pytest.approx(UNIT_W * (STEP_S - 2 * BLOCK_S))
    assert found.summary is not None
    assert found.summary.closure is not None
    assert found.summary.closure.ratio == pytest.approx(1.0)


def test_layers_in_compiled_code_have_their_joules_in_the_layer_around() -> None:
    nodes = [replace(node, is_hidden=".0." in node.path) for node in net()]
    nodes[2] = replace(nodes[2], own_s={"forward": BLOCK_S})

    found = Model(nodes=nodes).energies(blocks_pass())

    assert layer(found, "blocks.0.a").energy is None
    assert own(found, "blocks.0").total_j == pytest.approx(BLOCK_J)
    assert total(found, "blocks.1.a").total_j == pytest.approx(0.6 * BLOCK_J)
    assert scopes(found, "energy") == {"blocks.0.a": "no_layer_time", "blocks.0.b": "no_layer_time"}


def test_a_unit_whose_layers_took_no_time_cannot_be_shared_out() -> None:
    nodes = [replace(node, own_s={"forward": 0.0}) if node.path.startswith("blocks.0") else node for node in net()]

    found = Model(nodes=nodes).energies(blocks_pass())

    assert layer(found, "blocks.0.a").energy is None
    assert scopes(found, "energy") == {"blocks.0.*": "no_layer_time"}
    assert scopes(found, "self_energy") == {"blocks.0.*": "no_layer_time", "blocks.0": "no_layer_time"}
    assert total(found, "blocks.0").total_j == pytest.approx(BLOCK_J)


def phased_net() -> list[Node]:
    return [
        Node(path="", own_s={"prefill": 0.0, "decode": 0.0}),
        Node(path="lm", own_s={"prefill": 0.002, "decode": 0.001}),
        Node(path="lm.fc", own_s={"prefill": 0.008, "decode": 0.001}),
        Node(path="vision", own_s={"prefill": 0.010}),
    ]


def phased_pass() -> EnergyPass:
    """The language model in both phases, vision in the first: 10 ms each, and 4 ms of decode at 100 W."""
    powers = (unit(1), unit(3, unit=1), unit(1, phase=1, seconds=0.004, watts=exact(100.0), unit=2))
    return energy_pass(*powers, units=(), phase_s=(exact(0.020), exact(0.005)))


def test_a_layer_is_the_sum_of_its_phases_and_each_phase_has_its_own() -> None:
    model = Model(nodes=phased_net(), phases=("prefill", "decode"), unattributed_s={})

    found = model.energies(phased_pass())

    row = layer(found, "lm.fc")
    prefill, decode = row.by_phase["prefill"].energy, row.by_phase["decode"].energy
    assert prefill is not None
    assert decode is not None
    assert [prefill.total_j, decode.total_j] == [pytest.approx(0.8 * 2.0), pytest.approx(0.5 * 0.4)]
    assert row.energy is not None
    assert row.energy.total_j == pytest.approx(1.6 + 0.2)
    assert row.energy.power_w == pytest.approx(1.8 / (0.008 + 0.002))
    assert total(found, "vision") == layer(found, "vision").by_phase["prefill"].energy


def test_phases_are_units_rest_and_gap_of_their_own() -> None:
    model = Model(nodes=phased_net(), phases=("prefill", "decode"), unattributed_s={"decode": 0.001})

    phases = model.energies(phased_pass()).rows[2]

    # Of decode 1 ms is outside of its unit, at the 100 W of the unit of that phase.
    joules = [phase.energy.total_j for phase in phases if phase.energy is not None]
    assert joules == [pytest.approx(4.0), pytest.approx(0.4 + 0.1)]
    assert [phase.self_energy for phase in phases] == [phase.energy for phase in phases]


def test_a_phase_without_units_takes_the_mean_power_of_the_step() -> None:
    measured = energy_pass(unit(1), units=(), phase_s=(exact(0.010), exact(0.016)))
    model = Model(nodes=phased_net(), phases=("prefill", "decode"), unattributed_s={})

    decode = model.energies(measured).rows[2][1].energy

    assert decode is not None
    assert decode.total_j == pytest.approx(5.2 / STEP_S * 0.016)


def test_a_unit_that_lies_in_one_stage_counts_with_its_own_joules() -> None:
    stages = {row.name: row.energy for row in Model().energies(blocks_pass()).rows[1]}

    assert {name: energy.total_j for name, energy in stages.items() if energy} == {
        "blocks": pytest.approx(2 * BLOCK_J),
        "other": pytest.approx(0.6),
        "head": pytest.approx(0.4),
    }
    assert stages["blocks"] is not None
    assert stages["blocks"].kind == "replayed"


def test_a_unit_that_spans_stages_is_shared_by_time() -> None:
    stages = {row.name: row.energy for row in Model(nodes=net(stage_of_b="mlp")).energies(blocks_pass()).rows[1]}

    blocks, mlp = stages["blocks"], stages["mlp"]
    assert blocks is not None
    assert mlp is not None
    assert [blocks.total_j, mlp.total_j] == [pytest.approx(0.7 * 2 * BLOCK_J), pytest.approx(0.3 * 2 * BLOCK_J)]
    assert blocks.kind == mlp.kind == "time_share"


def test_without_units_every_layer_has_its_share_of_the_step() -> None:
    found = Model().energies(energy_pass())

    assert total(found, "blocks.0.a").total_j == pytest.approx(5.2 * 0.006 / STEP_S)
    assert total(found, "blocks.0").total_j == pytest.approx(5.2 * 0.010 / STEP_S)
    assert total(found, "blocks.0").kind == "time_share"
    assert total(found, "").kind == "measured"
    assert found.unattributed is not None
    assert found.unattributed.total_j == pytest.approx(5.2 * 0.001 / STEP_S)
    assert found.summary is not None
    assert found.summary.closure is None


def test_in_training_the_step_is_shared_over_its_phases() -> None:
    nodes = [
        Node(path="", own_s={"forward": 0.002, "backward": 0.004}),
        Node(path="fc", own_s={"forward": 0.004, "backward": 0.008}),
    ]
    model = Model(nodes=nodes, phases=("forward", "backward", "optimizer"), unattributed_s={"optimizer": 0.008})
    raw = model.raw(energy_pass(phase_s=()))

    found = with_energy(replace(raw, spec=replace(raw.spec, train=True)), model.rows())

    assert total(found, "fc").total_j == pytest.approx(5.2 * 0.012 / STEP_S)
    assert total(found, "").total_j == pytest.approx(5.2 * 0.018 / STEP_S)
    assert total(found, "").kind == "time_share"
    phases = [phase.energy.total_j for phase in found.rows[2] if phase.energy is not None]
    assert phases == [pytest.approx(5.2 * seconds / STEP_S) for seconds in (0.006, 0.012, 0.008)]


def test_without_units_and_times_the_whole_step_is_all_that_is_known() -> None:
    found = Model(has_time=False).energies(energy_pass())

    known = [row.path for row in found.rows[0] if row.energy is not None]
    assert known == ["", "blocks"]  # the list is never called
    assert found.unattributed is None
    assert covered(found, "energy")
    assert scopes(found, "unattributed_energy") == {"step": "no_layer_time"}


def test_what_is_not_known_is_never_nothing() -> None:
    found = Model(nodes=net(), has_time=False).energies(blocks_pass())

    unknown = [row for row in found.rows[0] if row.path in ("blocks.0.a", "head")]
    assert [(row.energy, row.self_energy) for row in unknown] == [(None, None)] * 2
    assert next(row for row in found.rows[1] if row.name == "head").energy is None
    assert {note.scope for note in found.missing} >= {"stage head", "stage other"}


def test_the_rows_stay_as_they_are_without_a_pass() -> None:
    model = Model()

    found = with_energy(model.raw(None), model.rows())

    assert found == Energies(rows=model.rows())


@pytest.mark.parametrize(
    ("no_energy", "asked", "code"),
    [
        (("no_powercap", "there is no counter"), ("energy",), "no_powercap"),
        (None, ("energy",), "pass_not_finished"),
        (None, (), "pass_not_asked"),
    ],
)
def test_without_a_pass_one_note_for_each_quantity_says_why(
    no_energy: tuple[str, str] | None, asked: tuple[str, ...], code: str
) -> None:
    raw = Model(has_time=False).raw(None)
    bare: RawTrace = replace(raw, spec=replace(raw.spec, passes=asked), flops=None, no_energy=no_energy)

    notes = attribute(bare).notes

    told = [(note.code, note.quantity, note.scope) for note in notes if "energy" in note.quantity]
    assert told == [
        (code, "energy", "*"),
        (code, "self_energy", "*"),
        (code, "energy", "step"),
        (code, "unattributed_energy", "step"),
    ]


def test_a_record_without_any_other_pass_has_its_units_and_says_what_it_lacks() -> None:
    raw = replace(Model(has_time=False).raw(energy_pass(unit(8, seconds=0.002))), flops=None)

    profile = attribute(raw)

    head = profile["head"].energy
    assert head is not None
    assert head.total_j == pytest.approx(UNIT_W * 0.002)
    assert profile.root.energy is None
    assert ("no_pass", "energy", "") in {(note.code, note.quantity, note.scope) for note in profile.notes}
    assert {check.name: check.ok for check in profile.checks}["missing_is_explained"]


def test_joules_of_a_sum_are_never_more_than_their_parts() -> None:
    found = Model(nodes=net(), unattributed_s={"forward": 0.010}).energies(blocks_pass(phase_s=(exact(0.035),)))

    for child, parent in pairwise(("blocks.0.a", "blocks.0", "")):
        assert total(found, child).total_j <= total(found, parent).total_j


def test_the_units_of_the_summary_have_the_joules_of_their_members_the_most_first() -> None:
    nodes = [*net(), Node(path="tail", own_s={"forward": 0.004})]
    one = energy_pass(unit(2), unit(5)).units[0]
    small = replace(one, name="tail", paths=("tail",), calls=1)
    measured = energy_pass(
        unit(2, unit=1), unit(5, unit=1), unit(9, seconds=0.004, unit=0), units=(small, one), phase_s=(exact(0.03),)
    )

    found = Model(nodes=nodes).energies(measured)

    assert found.summary is not None
    assert [unit.name for unit in found.summary.units] == ["blocks.0", "tail"]
    energy = found.summary.units[0].energy
    assert isinstance(energy, Energy)
    assert energy.total_j == pytest.approx(2 * BLOCK_J)


def test_the_profile_of_the_rows_holds_the_pass(found: Energies) -> None:
    profile = profile_with(found)

    assert profile.energy is not None
    assert profile.energy.step.total_j == pytest.approx(5.2)
    assert profile.energy.step_s == STEP_S


def test_the_steps_mean_power_has_the_interval_of_its_own_windows() -> None:
    # Windows of different lengths at 65 W: joules and seconds vary by a half, and power does not.
    step = replace(
        energy_pass().step, joules=off(65.0, 0.5, "steps"), seconds=off(1.0, 0.5, "steps"), power_w=off(65.0, 0.01, "p")
    )

    found = Model().energies(blocks_pass(step=step))

    assert found.summary is not None
    assert found.summary.step.power_w == total(found, "").power_w == 65.0
    assert list(found.summary.step_power_ci95_w or ()) == pytest.approx([65.0 * (1 - 0.0196), 65.0 * (1 + 0.0196)])


def test_a_mean_power_that_was_not_worked_out_has_no_interval(found: Energies) -> None:
    assert found.summary is not None
    assert found.summary.step.power_w == pytest.approx(UNIT_W)
    assert found.summary.step_power_ci95_w is None


def test_a_phase_without_units_has_the_error_of_the_steps_power_alone() -> None:
    step = replace(
        energy_pass().step, joules=off(5.2, 0.5, "steps"), seconds=off(STEP_S, 0.5, "t"), power_w=off(200.0, 0.01, "p")
    )
    measured = energy_pass(unit(1), units=(), phase_s=(exact(0.010), exact(0.016)), step=step)
    model = Model(nodes=phased_net(), phases=("prefill", "decode"), unattributed_s={})

    decode = model.energies(measured).rows[2][1].energy

    assert decode is not None
    assert decode.half_width_j == pytest.approx(1.96 * 0.01 * 200.0 * 0.016)


def test_a_units_power_and_its_interval_are_of_its_members_over_their_time() -> None:
    drift = off(1.0, 0.01, "drift")
    powers = (
        unit(2, watts=exact(100.0) * drift, seconds=0.005),
        replace(unit(5, watts=exact(200.0) * drift), insitu_s=off(0.015, 0.3, "time")),
    )

    found = Model().energies(energy_pass(*powers))

    assert found.summary is not None
    (one,) = found.summary.units
    mean_w = (100.0 * 0.005 + 200.0 * 0.015) / 0.020
    assert one.energy is not None
    assert [one.power_w, one.energy.power_w] == [pytest.approx(mean_w)] * 2
    assert list(one.ci95_w or ()) == pytest.approx([mean_w * (1 - 0.0196), mean_w * (1 + 0.0196)])


def test_a_unit_that_took_no_time_keeps_the_power_of_its_windows() -> None:
    found = Model().energies(energy_pass(unit(2, seconds=0.0), unit(5, seconds=0.0)))

    assert found.summary is not None
    assert (found.summary.units[0].power_w, found.summary.units[0].ci95_w) == (UNIT_W, (190.0, 210.0))


def test_the_step_that_is_known_to_be_the_roots_call_is_its_whatever_hooks_take_outside_of_it() -> None:
    model, measured = Model(unattributed_s={"forward": 0.100}), blocks_pass(phase_s=(exact(0.126),))

    assert total(model.energies(measured, is_root_step=True), "").total_j == pytest.approx(5.2)
    assert total(model.energies(measured, is_root_step=True), "").kind == "measured"
    assert total(model.energies(measured, is_root_step=False), "").kind == "time_share"


def test_the_step_that_is_known_to_be_the_roots_call_is_its_without_any_other_pass() -> None:
    raw = replace(Model(has_time=False).raw(energy_pass()), flops=None, is_root_step=True)

    profile = attribute(raw)

    assert profile.root.energy is not None
    assert profile.root.energy.total_j == pytest.approx(5.2)
    assert ("energy", "") not in {(note.quantity, note.scope) for note in profile.notes}


def test_in_training_the_step_is_more_than_the_roots_call() -> None:
    model, measured = Model(), energy_pass(phase_s=())

    found = model.energies(measured, is_root_step=True, spec=replace(model.raw(measured).spec, train=True))

    assert total(found, "").kind == "time_share"


def test_a_unit_its_joules_and_its_layers_have_the_same_flags() -> None:
    flags = ("cold", "throttled")
    one = replace(blocks_pass().units[0], flags=flags)

    found = Model().energies(energy_pass(unit(2, flags=flags), unit(5, flags=flags), units=(one,)))

    assert found.summary is not None
    (shown,) = found.summary.units
    assert shown.energy is not None
    assert shown.flags == shown.energy.flags == flags
    assert [total(found, path).flags for path in ("blocks.0", "blocks.1", "blocks.0.a")] == [flags] * 3
