"""What is odd about the published figures, found in the figures themselves, with the arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from layerprof.analysis.published.base import (
    REFERENCE_WORDS,
    SAMPLES,
    PublishedCell,
    PublishedFigures,
    PublishedTest,
)
from layerprof.records import Oddity
from layerprof.units import significant, with_unit

_SAME = 0.03  # two figures that differ by less are told as the same
_WHOLE = 1e-3  # of an error: how near to a whole number of errors a rate in single precision comes


def oddities_of(figures: PublishedFigures) -> tuple[Oddity, ...]:
    """All of them, in the order of the tables."""
    return tuple(oddity for find in _FINDERS for oddity in find(figures))


def _last_batches(figures: PublishedFigures) -> Iterator[Oddity]:
    test = _test(figures, "batch")
    single = next((cell for cell in test.cells if cell.batch_size == 1), None)
    if single is None or not single.flops:
        return
    words = [
        f"batch {cell.batch_size} prints {_flops(cell)}, {significant(cell.flops / single.flops)} times batch 1, for "
        f"{cell.last_batch_samples} samples in its last batch"
        for cell in test.cells
        if cell.batch_size > 1 and cell.flops
    ]
    if words:
        text = f"The FLOPs are of the last batch of {SAMPLES} samples, not of a full one: {'; '.join(words)}. "
        text += "A sample of a batch takes a little more than one alone, as texts are padded to the longest beside it."
        yield Oddity(test="batch", text=text)


def _copies(figures: PublishedFigures) -> Iterator[Oddity]:
    """Rows of two data sets that are the same in every digit."""
    test = _test(figures, "seq_len")
    for place, cell in enumerate(test.cells):
        for other in test.cells[place + 1 :]:
            if cell.axes["dataset"] != other.axes["dataset"] and cell.latency_s and _figures(cell) == _figures(other):
                is_ours = other.suspect or not cell.suspect
                copy, source = (other, cell) if is_ours and other.suspect else (cell, other)
                text = (
                    f"{test.words(copy)} has the figures of {test.words(source)} in every digit (latency "
                    f"{copy.latency_s} s, WER {copy.wer}): no two runs agree in all digits, so the row is a copy."
                )
                yield Oddity(test="seq_len", text=text)


def _compile(figures: PublishedFigures) -> Iterator[Oddity]:
    test = _test(figures, "optimization")
    compiled = next((cell for cell in test.cells if cell.axes["optimization"] == "compile"), None)
    plain = None if compiled is None else figures.like(compiled, optimization="fp16")
    if compiled is None or plain is None or not compiled.latency_s or not plain.latency_s:
        return
    ratio = compiled.latency_s / plain.latency_s
    if abs(ratio - 1.0) < _SAME and compiled.flops == plain.flops:
        answers = f" and the same WER ({significant(plain.wer)})" if plain.wer and compiled.wer == plain.wer else ""
        text = (
            f"compile may have compiled nothing: its latency is {significant(ratio)} times that without it, with the "
            f"same FLOPs ({_flops(compiled)}){answers}. torch.compile(model) compiles the forward pass of the wrapper, "
            "which generate never calls."
        )
        yield Oddity(test="optimization", text=text)


def _picture_sizes(figures: PublishedFigures) -> Iterator[Oddity]:
    test = _test(figures, "image_size")
    found: dict[str, list[PublishedCell]] = {}
    for cell in test.cells:
        found.setdefault(str(cell.axes["dataset"]), []).append(cell)
    same = [name for name, cells in found.items() if len(cells) > 1 and len({cell.flops for cell in cells}) == 1]
    if same:
        sizes = ", ".join(dict.fromkeys(f"{cell.axes['image_size']}" for cell in test.cells))
        words = ", ".join(f"{name} {_flops(found[name][0])}" for name in same)
        text = (
            f"The picture size changes no FLOPs at {sizes} ({words}): the processor brings every picture back to the "
            "model's 224, so the model sees the same size each time. 448 would be 1,025 vision tokens instead of 257."
        )
        yield Oddity(test="image_size", text=text)


def _echoes(figures: PublishedFigures) -> Iterator[Oddity]:
    words: list[str] = []
    above: dict[str, None] = {}
    below: dict[str, None] = {}
    rates = {cell.wer: cell for cell in figures.cells if cell.wer is not None and not cell.suspect}
    for rate, cell in rates.items():
        count = REFERENCE_WORDS.get(str(cell.axes["dataset"]))
        if count is None or abs(rate * count - round(rate * count)) > _WHOLE:
            continue
        name = str(cell.axes["dataset"])
        (above if rate > 1.0 else below)[name] = None
        words.append(f"{name} {significant(rate, digits=5)} = {round(rate * count):,} / {count:,} words")
    if above:
        silent = " and ".join(name for name in below if name not in above)
        text = (
            f"By arithmetic, the WER is {', '.join(words)}. More errors than words, as in {' and '.join(above)}, need "
            "inserted words; from that we infer that the prompt is scored together with the answer."
        )
        text += f" {silent}, below 1, shows nothing of it." if silent else ""
        yield Oddity(test="", text=text)


def _lengths(figures: PublishedFigures) -> Iterator[Oddity]:
    test = _test(figures, "seq_len")
    cells = [cell for cell in test.cells if cell.axes["dataset"] == "TextVQA"]
    if len(cells) > 1 and len({cell.flops for cell in cells}) == 1:
        lengths = ", ".join(f"{cell.axes['seq_len']}" for cell in cells)
        text = (
            f"The text length changes no FLOPs of TextVQA ({_flops(cells[0])} at {lengths}): it is a limit that no "
            "question reaches, not a length that prompts are filled up to."
        )
        yield Oddity(test="seq_len", text=text)


def _powers(figures: PublishedFigures) -> Iterator[Oddity]:
    words = []
    for cell in _test(figures, "device").cells:
        if cell.energy_j_per_sample and cell.latency_s:
            power_w = cell.energy_j_per_sample * cell.batch_size / cell.latency_s
            words.append(
                f"{cell.axes['device']} {with_unit(cell.energy_j_per_sample, 'j')} in {with_unit(cell.latency_s, 's')} "
                f"are {with_unit(power_w, 'w')}"
            )
    if words:
        text = (
            f"Joules over seconds give a mean power: {'; '.join(words)}. That is in the range of a whole board or "
            "package with what it draws at rest, if joules and seconds are of the same span; which span they are of, "
            "and which device, is not published."
        )
        yield Oddity(test="device", text=text)


def _rounded(figures: PublishedFigures) -> Iterator[Oddity]:
    """Tables that were rounded from the cells by cutting off and not to the nearest."""
    test = _test(figures, "batch")
    found = []
    for cell, row in zip(test.cells, test.rows, strict=False):
        printed = row[1] if len(row) > 1 else None
        if cell.latency_s and isinstance(printed, float) and printed != round(cell.latency_s, 3):
            found.append(f"{test.words(cell)} {significant(cell.latency_s, digits=4)} s printed as {printed} s")
    if found:
        text = f"The tables are cut off, not rounded ({', '.join(found)}); the figures here are of the runs."
        yield Oddity(test="batch", text=text)


def _test(figures: PublishedFigures, name: str) -> PublishedTest:
    empty = PublishedTest(name=name, axes=(), cells=(), rows=())
    return next((test for test in figures.tests if test.name == name), empty)


def _figures(cell: PublishedCell) -> tuple[float | None, ...]:
    return cell.wer, cell.latency_s, cell.energy_j_per_sample, cell.flops


def _flops(cell: PublishedCell) -> str:
    return with_unit(cell.flops, "flops")


_FINDERS: tuple[Callable[[PublishedFigures], Iterator[Oddity]], ...] = (
    _powers,
    _last_batches,
    _rounded,
    _picture_sizes,
    _copies,
    _lengths,
    _compile,
    _echoes,
)
