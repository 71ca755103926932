"""The gap of a device, parts against the whole, the least difference, and books that close to rounding."""

from __future__ import annotations

from dataclasses import replace

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
    off,
    own,
    profile_with,
    total,
    unit,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from layerprof.attribute import EnergyPass, checks_of
from layerprof.attribute.energy import Energies
from layerprof.records import Closure, Energy, EnergyDomain, Note

BOARD = counter(domain="gpu_board")
BOARDS: list[EnergyDomain] = ["gpu_board", "gpu_module"]


def closure(found: Energies) -> Closure:
    assert found.summary is not None
    assert found.summary.closure is not None
    return found.summary.closure


def unattributed_j(found: Energies) -> float:
    assert found.unattributed is not None
    return found.unattributed.total_j


def books(found: Energies) -> bool:
    (check,) = (check for check in checks_of(profile_with(found)) if check.name == "energy_books")
    return check.ok


@pytest.mark.parametrize("domain", BOARDS)
def test_on_a_device_time_in_which_it_ran_nothing_is_a_gap_at_idle_power(domain: EnergyDomain) -> None:
    # The phase is 30 ms: 20 ms of units, 6 ms of other work by the ops pass, and 4 ms of nothing.
    measured = blocks_pass(counter=counter(domain=domain), phase_s=(exact(0.030),))

    found = Model(is_on_device=True).energies(measured)

    parts = closure(found)
    assert parts.gap_j == pytest.approx(IDLE_W * 0.004)
    assert parts.rest_j == pytest.approx(UNIT_W * 0.006)
    assert parts.outside_j == pytest.approx(IDLE_W * 0.004 + UNIT_W * 0.006)
    assert not parts.is_lower_bound
    assert own(found, "").total_j == pytest.approx(UNIT_W * 0.003)
    assert unattributed_j(found) == pytest.approx(IDLE_W * 0.004 + UNIT_W * 0.001)
    assert parts.covered == pytest.approx(2 * BLOCK_S / 0.030)


def test_the_cpu_has_no_gap() -> None:
    parts = closure(Model().energies(blocks_pass(phase_s=(exact(0.030),))))

    assert parts.gap_j == 0.0
    assert parts.rest_j == pytest.approx(UNIT_W * 0.010)


def test_a_device_is_not_busy_for_longer_than_the_rest_lasts() -> None:
    parts = closure(Model(is_on_device=True).energies(blocks_pass(counter=BOARD, phase_s=(exact(0.022),))))

    assert [parts.rest_j, parts.gap_j] == [pytest.approx(UNIT_W * 0.002), pytest.approx(0.0)]


@pytest.mark.parametrize("is_on_device", [True, False])
def test_units_that_take_longer_than_the_phase_leave_no_rest(is_on_device: bool) -> None:
    measured = blocks_pass(counter=BOARD if is_on_device else counter(), phase_s=(exact(0.019),))

    found = Model(is_on_device=is_on_device).energies(measured)

    assert (closure(found).rest_j, closure(found).gap_j) == (0.0, 0.0)
    assert own(found, "head").total_j == 0.0
    assert books(found)


@pytest.mark.parametrize("model", [Model(is_on_device=True, has_time=False), Model()])
def test_without_the_times_of_a_device_rest_and_gap_are_not_told_apart(model: Model) -> None:
    found = model.energies(blocks_pass(counter=BOARD))

    assert (closure(found).rest_j, closure(found).gap_j) == (None, None)
    assert closure(found).outside_j == pytest.approx(IDLE_W * (STEP_S - 2 * BLOCK_S))
    assert closure(found).is_lower_bound
    assert unattributed_j(found) == pytest.approx(IDLE_W * (STEP_S - 2 * BLOCK_S))
    assert found.unattributed is not None
    assert found.unattributed.flags == ("rest_not_told",)
    assert layer(found, "head").energy is None
    assert {note.scope for note in found.missing if note.quantity == "self_energy"} >= {"", "head"}


def test_on_a_device_that_is_simulated_on_the_host_units_are_shared_by_the_hosts_times() -> None:
    found = Model().energies(blocks_pass(counter=BOARD))

    assert own(found, "blocks.1.b").total_j == pytest.approx(0.3 * UNIT_W * BLOCK_S)


@pytest.mark.parametrize(
    ("step_j", "verdict", "notes"),
    [
        (5.2, "ok", []),
        (5.2 / 0.9, "ok", []),
        (5.2 / 1.1, "ok", []),
        (5.2 / 0.89, "warn", ["read layer energies with care"]),
        (5.2 / 1.2, "warn", ["read layer energies with care"]),
        (5.2 / 1.21, "not_trustworthy", ["layer energies not trustworthy"]),
        (5.2 / 0.5, "not_trustworthy", ["layer energies not trustworthy"]),
    ],
)
def test_parts_are_held_against_the_whole_and_never_made_to_fit(step_j: float, verdict: str, notes: list[str]) -> None:
    found = Model().energies(blocks_pass(joules=step_j))

    assert closure(found).verdict == verdict
    assert closure(found).ratio == pytest.approx(5.2 / step_j)
    assert total(found, "blocks.0").total_j == pytest.approx(UNIT_W * BLOCK_S)
    assert [note.text.rpartition("; ")[2] for note in found.notes if note.code == "energy_closure"] == notes


def test_an_error_that_parts_and_whole_share_is_none_of_their_ratio() -> None:
    def width(origin: str) -> float:
        watts = off(UNIT_W, 0.02, "board")
        step = replace(energy_pass().step, joules=off(5.2, 0.02, origin))
        low, high = closure(Model().energies(energy_pass(unit(2, watts=watts), unit(5, watts=watts), step=step))).ci95
        return high - low

    assert width("board") == pytest.approx(0.0, abs=1e-9)
    assert width("other") == pytest.approx(2 * 1.96 * 2**0.5 * 0.02)


def test_the_closure_has_an_error_of_idle_power_too() -> None:
    idle_w = off(IDLE_W, 0.1, "idle")
    measured = blocks_pass(counter=BOARD, phase_s=(exact(0.030),), idle_w=idle_w)

    low, high = closure(Model(is_on_device=True).energies(measured)).ci95

    assert (high - low) / 2 == pytest.approx(1.96 * 0.1 * IDLE_W * 0.004 / 5.2)


def test_two_layers_of_a_class_can_be_told_apart_by_what_they_do_not_share() -> None:
    shared = off(1.0, 0.10, "class")
    powers = [unit(place, watts=off(UNIT_W, 0.01, f"member {place}") * shared) for place in (2, 5)]

    found = Model().energies(energy_pass(*powers))

    assert found.summary is not None
    assert found.summary.least_difference_rel == pytest.approx(1.96 * 2**0.5 * 0.01)


@pytest.mark.parametrize("powers", [(), (unit(2),), (unit(2), unit(5, unit=1)), (unit(2), unit(5))])
def test_without_two_members_or_errors_of_their_own_there_is_no_least_difference(powers: tuple[object, ...]) -> None:
    found = Model().energies(energy_pass(*powers))  # type: ignore[arg-type]  # as parametrized

    assert found.summary is not None
    assert found.summary.least_difference_rel is None


@pytest.mark.parametrize("is_on_device", [True, False])
@pytest.mark.parametrize("powers", [(), (unit(2), unit(5)), (unit(2),)])
def test_the_books_close(is_on_device: bool, powers: tuple[object, ...]) -> None:
    measured = energy_pass(*powers, counter=BOARD if is_on_device else counter(), phase_s=(exact(0.031),))  # type: ignore[arg-type]  # as parametrized

    assert books(Model(is_on_device=is_on_device).energies(measured))


times = st.floats(min_value=0.0, max_value=1.0).map(lambda value: round(value, 6))


@settings(deadline=None, derandomize=True, max_examples=25)
@given(own_s=st.lists(times, min_size=9, max_size=9), left_s=times, phase_s=times, insitu_s=times)
def test_the_books_close_whatever_the_times_are(
    own_s: list[float], left_s: float, phase_s: float, insitu_s: float
) -> None:
    nodes = [
        replace(node, own_s={"forward": own_s[place]} if node.own_s else {}) for place, node in enumerate(Model().nodes)
    ]
    measured = energy_pass(unit(2, seconds=insitu_s), unit(5), counter=BOARD, phase_s=(exact(phase_s),))
    found = Model(nodes=nodes, unattributed_s={"forward": left_s}, is_on_device=True).energies(measured)

    verdicts = [check.ok for check in checks_of(profile_with(found)) if check.name == "energy_books"]

    assert verdicts == ([] if any(row.self_energy is None for row in found.rows[0]) else [True])


def test_joules_from_nowhere_open_the_books() -> None:
    profile = profile_with(Model().energies(blocks_pass()))
    head = profile["head"]
    assert head.self_energy is not None
    more: Energy = replace(head.self_energy, total_j=head.self_energy.total_j + 1e-6)

    tampered = replace(profile, layers=(*profile.layers[:-1], replace(head, self_energy=more)))

    assert [check.ok for check in checks_of(tampered) if check.name == "energy_books"] == [False]


def test_where_joules_are_missing_there_are_no_books() -> None:
    profile = profile_with(Model(has_time=False).energies(blocks_pass()))

    checks = {check.name: check.ok for check in checks_of(profile)}

    assert "energy_books" not in checks


def test_what_the_pass_noticed_is_in_the_notes() -> None:
    noticed = Note(code="throttled", quantity="energy", scope="step", text="clocks were held down")
    measured: EnergyPass = blocks_pass(notes=(noticed,))

    assert Model().energies(measured).notes == (noticed,)


@pytest.mark.parametrize(
    ("has_device", "passes", "remedy"),
    [
        (True, ("time", "energy"), ': add "ops" to passes'),
        (False, ("time", "energy"), ", since kernels are recorded on CUDA alone"),
        (True, ("ops", "energy"), ", since the ops pass brought no times of the device"),
    ],
)
def test_a_rest_that_is_counted_at_idle_power_is_told(has_device: bool, passes: tuple[str, ...], remedy: str) -> None:
    model, measured = Model(has_time=False), blocks_pass(counter=BOARD)

    found = model.energies(measured, has_device=has_device, spec=replace(model.raw(measured).spec, passes=passes))

    (note,) = (note for note in found.notes if note.code == "rest_not_told")
    assert (note.quantity, note.scope) == ("closure", "step")
    assert note.text == f"what ran outside the measured layers is counted at idle power{remedy}"


@pytest.mark.parametrize("model", [Model(is_on_device=True), Model(), Model(has_time=False)])
def test_a_rest_that_is_known_needs_no_note(model: Model) -> None:
    found = model.energies(blocks_pass(counter=BOARD if model.is_on_device else counter()))

    assert closure(found).rest_j is not None
    assert "rest_not_told" not in {note.code for note in found.notes}


def test_a_closure_that_is_a_lower_bound_says_at_least() -> None:
    (note,) = (
        note
        for note in Model(has_time=False).energies(blocks_pass(counter=BOARD)).notes
        if note.code == "energy_closure"
    )

    # 4 J of units and 6 ms at 50 W, of 5.2 J.
    assert note.text.startswith("units, rest and gaps make at least 83 % of")


def test_the_books_close_where_the_rest_is_not_told_and_every_layer_is_in_a_unit() -> None:
    nodes = [Node(path=""), Node(path="fc", own_s={"forward": BLOCK_S})]
    measured = energy_pass(unit(1), counter=BOARD)

    found = Model(nodes=nodes, has_time=False).energies(measured)

    assert closure(found).rest_j is None
    assert books(found)


def test_parts_have_an_interval_that_is_not_the_steps() -> None:
    watts = off(UNIT_W, 0.01, "class")
    step = replace(energy_pass().step, joules=off(5.2, 0.5, "step"))

    parts = closure(Model().energies(energy_pass(unit(2, watts=watts), unit(5, watts=watts), step=step)))

    assert parts.parts_ci95_j is not None
    low_j, high_j = parts.parts_ci95_j
    assert (high_j - low_j) / 2 == pytest.approx(1.96 * 0.01 * 5.2)


@pytest.mark.parametrize(
    ("ratio", "words"), [(1.1, "10 % longer"), (0.9, "10 % less"), (1.03, None), (0.98, None), (None, None)]
)
def test_steps_of_the_survey_that_take_another_time_are_told(ratio: float | None, words: str | None) -> None:
    found = Model().energies(blocks_pass(survey_ratio=ratio))

    assert found.summary is not None
    assert found.summary.survey_ratio == ratio
    told = [(note.quantity, note.scope, note.text) for note in found.notes if note.code == "survey_differs"]
    text = f"steps with marks around the measured layers took {words} than without; times of layers are of those steps"
    assert told == ([] if words is None else [("energy", "step", text)])


def test_there_is_one_note_for_each_quantity_scope_and_code() -> None:
    one = Note(code="throttled", quantity="energy", scope="step", text="in two windows")
    notes = (one, replace(one, scope="blocks.0"), one, replace(one, text="in a third"))

    found = Model().energies(blocks_pass(notes=notes))

    assert found.notes == (replace(one, text="in two windows; in a third"), replace(one, scope="blocks.0"))


def test_of_assumed_power_nothing_is_idle_and_nothing_was_measured() -> None:
    assumed = counter(kind="estimated", source="estimate", estimator="assumed")
    found = Model(nodes=[*Model().nodes, Node(path="spare")]).energies(blocks_pass(joules=8.0, counter=assumed))

    rows = (*found.rows[0], *found.rows[1], *found.rows[2])
    energies = [energy for row in rows for energy in (row.energy, row.self_energy) if energy is not None]
    assert {energy.idle_j for energy in energies} == {None}
    assert any("of the step's assumed joules" in note.text for note in found.notes)
