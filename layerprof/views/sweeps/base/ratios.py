"""One cell's number over another's, as uncertain as both."""

from __future__ import annotations

from layerprof.estimates import ratio_interval
from layerprof.records import CellRecord
from layerprof.views.base import Amount, AmountForm, Cell
from layerprof.views.sweeps.base.base import metric_cell


def ratio_cell(above: CellRecord, below: CellRecord, name: str, *, form: AmountForm = "interval") -> Cell:
    """The metric of one cell over that of another, with the interval that follows from theirs.

    The two count as measured apart from each other. A cell over itself is 1 without an error; where one of the two has
    no interval, or one that reaches 0, the ratio has none.

    Args:
        above: the cell whose number is divided.
        below: the cell by whose number.
        name: of the metric.
        form: how the ratio is written.
    """
    over, under = _amount(above, name), _amount(below, name)
    if over is None or under is None or not under.value:
        return None
    value = over.value / under.value
    if above.id == below.id:
        return Amount(value=value, form=form)
    interval = ratio_interval((over.value, over.low, over.high), (under.value, under.low, under.high))
    low, high = interval or (None, None)
    return Amount(value=value, low=low, high=high, form=form)


def _amount(cell: CellRecord, name: str) -> Amount | None:
    found = metric_cell(cell, name)
    if found is None or isinstance(found, str):
        return None
    return found if isinstance(found, Amount) else Amount(value=found)
