"""`profile`: one model, one step, all the passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import nn

from layerprof.attribute import attribute
from layerprof.clock import Clock, SystemClock
from layerprof.errors import InputError, LayerprofError, MeasurementError, MeasurementInterruptedError
from layerprof.measure import Call, Measurement, Options, describe_inputs
from layerprof.profiling.base import (
    AskedCeilings,
    AskedEnergy,
    attributed,
    checked_ceilings,
    checked_count,
    checked_energy,
    checked_kwargs,
    checked_passes,
    described,
    require_meaning,
    spec_of,
)
from layerprof.progress import Show, progress_bar
from layerprof.records import EnergyOptions, Profile, ProfileSpec
from layerprof.tree import StageRules


def profile(  # noqa: PLR0913 - the public contract fixes this signature
    model: nn.Module,
    inputs: object = None,
    *,
    call: Callable[[], object] | None = None,
    method: str | None = None,
    method_kwargs: Mapping[str, object] | None = None,
    train: bool = False,
    passes: Sequence[str] = ("time", "ops", "flops", "memory"),
    warmup: int | None = None,
    repeats: int | None = None,
    stages: StageRules | None = None,
    energy: AskedEnergy = "auto",
    energy_options: EnergyOptions | None = None,
    ceilings: AskedCeilings = "auto",
    progress: bool | Show = False,
    clock: Clock | None = None,
) -> Profile:
    """Which layer of ``model`` spends the time, the FLOPs, the memory and the joules, with the books closed.

    The model runs in eval mode without gradients unless ``train``. Its mode, hooks, gradients' switch and the random
    state are afterwards as before, whatever happened. Inputs that the model changes in place are copied for each step,
    outside the window.

    Args:
        model: any module, or what ``torch.compile`` returned.
        inputs: a mapping is passed by name, a tuple or list by position, anything else as the one argument.
        call: instead of ``inputs``, a callable that is the whole step.
        method: the name of a method to call with ``inputs`` instead of the model; it is the root's row then.
        method_kwargs: passed to it beside ``inputs``.
        train: train mode and gradients; ``call`` then does forward, backward and, if it likes, the optimizer's step.
        passes: of bare, time, ops, flops, memory, energy. Bare always runs. Energy takes minutes; where there is no
            counter it takes no time, and its quantities are None, with the reason in a note.
        warmup: steps before measuring; None is until they stop getting faster, at most 20 steps or 5 s.
        repeats: steps of each timed pass; None is at least 6, then until the median's interval is within 2 % or 10 s
            are over, at most 200.
        stages: name to globs over paths; None takes the model's own, or the top-level children.
        energy: where the energy pass counts joules. "auto" takes the best counter of the model's device that can be
            had; ``"estimate:65"`` (watts) and ``"estimate:tdp"`` take an assumption, which is labelled as one; a
            `layerprof.EnergySource` is taken as it is; None leaves the pass out.
        energy_options: how the energy pass is made; None takes the defaults of `layerprof.EnergyOptions`.
        ceilings: what efficiencies are measured against. "auto" takes what was measured on this machine before, and
            measures what was not: a second or two, once for a machine, after the passes. None leaves them out.
        progress: whether to show a bar on standard error; or a function that is called between steps with what is
            being done, the steps done, and the steps to do or None where that is not known.
        clock: where time comes from; None is the process's performance counter.

    Returns:
        The record. ``print(profile)`` shows it as a tree.

    Raises:
        InputError: for arguments that make no sense, before anything runs.
        MeasurementError: when the model raised, from its exception; ``partial`` holds the passes that were finished.
            Also when the ops pass was asked for while a torch profiler is running.
        MeasurementInterruptedError: on Ctrl-C; ``partial`` holds what was measured.
    """
    asked = checked_passes(passes)
    if not isinstance(train, bool):
        raise InputError(f"train is True or False; found {train!r}")
    joules = checked_energy(energy, energy_options)
    step = Call(model=model, inputs=inputs, function=call, method=method, method_kwargs=checked_kwargs(method_kwargs))
    known = described(model, stages=stages, method=method, runs_step=call is None, inputs=inputs)
    require_meaning(joules, known.target)
    roof = checked_ceilings(ceilings)
    spec = replace(
        spec_of(model, known, asked),
        method=method,
        train=train,
        warmup=checked_count(warmup, "warmup", least=0),
        repeats=checked_count(repeats, "repeats", least=1),
        inputs=describe_inputs(inputs),
    )
    with _shown(progress, title=f"profiling {known.label}") as show:
        options = Options(
            passes=asked,
            train=train,
            warmup=warmup,
            repeats=repeats,
            clock=clock or SystemClock(),
            progress=show,
            energy=joules,
        )
        return _run(Measurement(step, known.target, options, known.phases), spec, device=known.target.device, roof=roof)


def _shown(progress: bool | Show, *, title: str) -> AbstractContextManager[Show]:
    """The caller's own function, or a bar, or nothing."""
    return nullcontext(progress) if callable(progress) else progress_bar(title, is_shown=progress)


def _run(measurement: Measurement, spec: ProfileSpec, *, device: torch.device, roof: AskedCeilings) -> Profile:
    """Runs the passes; what was measured before an error goes with it."""
    try:
        measurement.run()
        return attributed(measurement.trace(spec), device, roof)
    except KeyboardInterrupt as interrupt:
        raise MeasurementInterruptedError(
            f"interrupted in the {measurement.current_pass} pass; what was measured is in .partial",
            partial=attribute(measurement.trace(spec)),
        ) from interrupt
    except Exception as error:
        raise _measurement_error(error, measurement, spec) from error


def _measurement_error(error: Exception, measurement: Measurement, spec: ProfileSpec) -> MeasurementError:
    partial = attribute(measurement.trace(spec))
    if isinstance(error, LayerprofError):
        return MeasurementError(str(error), partial=partial)
    first_line = next(iter(str(error).splitlines()), "")
    if isinstance(error, torch.OutOfMemoryError):
        return MeasurementError(
            f"the device ran out of memory in the {measurement.current_pass} pass: {first_line}; use a smaller batch, "
            "or leave that pass out of passes",
            partial=partial,
        )
    return MeasurementError(
        f"{spec.model_type} raised {type(error).__name__} in the {measurement.current_pass} pass: {first_line}; "
        "run the step without layerprof to see whether model and inputs fit",
        partial=partial,
    )
