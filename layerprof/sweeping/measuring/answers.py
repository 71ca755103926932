"""The answers of a cell: all samples asked once, by greedy generation with a natural stop, and scored.

It is apart from the measured steps, which all do equal work: a faster row might else only have stopped earlier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from layerprof import quality, tasks
from layerprof.measure.session import quiet_session
from layerprof.models import GivenAnswer
from layerprof.progress import Show
from layerprof.records import Answer, Note, QualityRecord
from layerprof.sweeping.base import Settings
from layerprof.sweeping.base.failures import failure_of
from layerprof.sweeping.base.workload import Questions, Workload
from layerprof.sweeping.measuring.base import Course, longest_of

if TYPE_CHECKING:
    from layerprof.sweeping.measuring.optimizing import Optimized


def answer(way: Optimized, workload: Workload, settings: Settings, course: Course, tell: Show) -> None:
    """The answers of a cell that asks for them, scored; and whether generating runs what was compiled.

    Where there are none, a note says why, and the numbers that were measured stay.
    """
    if not settings.quality or workload.questions is None:
        return
    try:
        course.quality = answered(workload, settings, tell)
    except KeyboardInterrupt:
        raise
    except Exception as error:  # what was measured stays, whatever the generation raises
        text = f"the model's answers could not be had or scored: {failure_of(error).text}"
        course.metrics["wer"] = None
        course.notes.append(Note(code="no_answers", quantity="wer", scope="step", text=text))
        return
    course.metrics.update(quality.metrics_of(course.quality))
    course.notes.extend(course.quality.notes)
    truth = course.truth
    if truth is not None and truth.recompiles is not None and truth.generate_graphs is None:
        graphs = way.generate_graphs(workload.placed(longest_of(workload.batches)))
        course.truth = replace(truth, generate_graphs=graphs)
        course.metrics["generate_graphs"] = graphs


def answered(workload: Workload, settings: Settings, tell: Show) -> QualityRecord:
    """How good the model's answers to all samples are, those that fill no batch included.

    Args:
        workload: of a preset, with its questions.
        settings: of the cell, which say where an answer is cut off and whether the prompt is scored with it.
        tell: is called between batches.

    Raises:
        ValueError: for a model that is asked nothing.
    """
    questions = workload.questions
    if questions is None:
        raise ValueError("a model that brings its own inputs is asked nothing, so there is nothing to score")
    task, samples = questions.task, questions.samples
    most = task.max_new_tokens if settings.max_new_tokens is None else settings.max_new_tokens
    about = quality.Scoring(
        dataset=task.name,
        origin=task.origin,
        samples_sha256=tasks.samples_digest(samples),
        metric=task.metric,
        template=task.template,
        max_new_tokens=most,
        echo=settings.echo,
    )
    given = tuple(_given(workload, questions, most, tell))
    return quality.score(
        _answers(workload, questions, given), samples, [task.references(one) for one in samples], about
    )


def _given(workload: Workload, questions: Questions, most: int, tell: Show) -> Iterator[GivenAnswer]:
    batches = [*workload.batches, *(() if workload.rest is None else (workload.rest,))]
    for done, batch in enumerate(batches):
        tell("answers", done, len(batches))
        placed = workload.placed(batch)
        if isinstance(placed, Mapping):
            with quiet_session(workload.model, train=False):
                yield from questions.adapter.answers(workload.model, placed, max_new_tokens=most)


def _answers(workload: Workload, questions: Questions, given: tuple[GivenAnswer, ...]) -> tuple[Answer, ...]:
    prompts = [questions.task.prompt(sample) for sample in questions.samples]
    reports = questions.adapter.prompt_report(workload.model, prompts, questions.options)
    return tuple(
        Answer(
            sample=sample.id,
            text=one.text,
            prompt=report.text,
            text_tokens=report.text_tokens,
            cut_tokens=report.cut_tokens,
            new_tokens=one.new_tokens,
        )
        for sample, report, one in zip(questions.samples, reports, given, strict=True)
    )
