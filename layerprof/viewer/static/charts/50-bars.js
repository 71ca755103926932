// Bars beside or on each other, with lines over them: the column chart and the combined chart.
(function (charts) {
  "use strict";

  const { svg } = charts;

  // Which series are lines, and which are read at the right axis.
  function planOf(options, series) {
    return series.map((one, position) => {
      const own = (options.series || {})[position] || {};
      return { ...one, isLine: (own.type || options.seriesType) === "line", isRight: own.targetAxisIndex === 1 };
    });
  }

  // The highest and lowest ends of bars and points of one axis.
  function* endsOf(data, series, isStacked) {
    for (let row = 0; row < data.getNumberOfRows(); row += 1) {
      let above = 0;
      let below = 0;
      for (const one of series) {
        const value = data.getValue(row, one.column) || 0;
        if (!isStacked || one.isLine) yield value;
        else if (value >= 0) yield (above += value);
        else yield (below += value);
      }
    }
  }

  charts.BarsChart = class extends charts.Chart {
    render() {
      const { data, options } = this;
      const series = planOf(options, data.series());
      const names = data.rows.map((_, row) => data.getFormattedValue(row, 0));
      const axisOf = (isRight, given) => {
        const own = series.filter((one) => one.isRight === isRight);
        const [low, high] = charts.niceBounds(endsOf(data, own, options.isStacked), 6, given.maxValue);
        return { low, high, title: given.title };
      };
      const left = { ...(options.vAxis || {}), ...((options.vAxes || {})[0] || {}) };
      const frame = charts.frame(this, series.map((one, i) => ({ ...one, colour: charts.colourOf(i, options) })), {
        x: { names, title: (options.hAxis || {}).title },
        y: axisOf(false, left),
        y2: series.some((one) => one.isRight) ? axisOf(true, (options.vAxes || {})[1] || {}) : null,
      });
      this.marks = new Map();
      const bars = series.map((one, i) => ({ ...one, i })).filter((one) => !one.isLine);
      for (let row = 0; row < data.getNumberOfRows(); row += 1) this.drawBars(frame, bars, row);
      series.forEach((one, i) => one.isLine && this.drawLine(frame, one, i));
      this.showSelection();
    }

    drawBars(frame, bars, row) {
      const isStacked = Boolean(this.options.isStacked);
      const room = Math.min(frame.x.band * 0.7, 90 * (isStacked ? 1 : bars.length));
      const width = room / (isStacked ? 1 : Math.max(1, bars.length));
      let above = 0;
      let below = 0;
      bars.forEach((one, place) => {
        const value = this.data.getValue(row, one.column);
        if (typeof value !== "number" || !Number.isFinite(value)) return;
        const base = !isStacked ? 0 : value >= 0 ? above : below;
        if (value >= 0) above += value;
        else below += value;
        const y = one.isRight ? frame.y2 : frame.y;
        const [top, bottom] = [y(Math.max(base, base + value)), y(Math.min(base, base + value))];
        const x = frame.x(row) - room / 2 + (isStacked ? 0 : place * width);
        const colour = charts.colourOf(one.i, this.options);
        const size = { x, y: top, width: Math.max(1, width - 1), height: Math.max(0, bottom - top) };
        this.addMark(frame, svg("rect", { class: "lp-bar", fill: colour, ...size }), row, one, colour);
      });
    }

    drawLine(frame, one, i) {
      const y = one.isRight ? frame.y2 : frame.y;
      const colour = charts.colourOf(i, this.options);
      const points = this.data.rows
        .map((_, row) => [row, this.data.getValue(row, one.column)])
        .filter(([, value]) => typeof value === "number" && Number.isFinite(value));
      const path = points.map(([row, value]) => `${frame.x(row)},${y(value)}`).join(" ");
      frame.marks.append(svg("polyline", { points: path, fill: "none", stroke: colour, "stroke-width": 2 }));
      for (const [row, value] of points) {
        const point = svg("circle", { class: "lp-bar", cx: frame.x(row), cy: y(value), r: 4, fill: colour });
        this.addMark(frame, point, row, one, colour);
      }
    }

    addMark(frame, mark, row, one, colour) {
      mark.addEventListener("mousemove", (event) => {
        charts.showTip(this, charts.tipOf(this.data, row, one, colour), event.clientX, event.clientY);
      });
      mark.addEventListener("mouseleave", () => charts.hideTip(this));
      mark.addEventListener("click", () => {
        this.setSelection([{ row, column: one.column }]);
        charts.tell(this, "select");
      });
      this.marks.set(`${row},${one.column}`, mark);
      frame.marks.append(mark);
    }

    showSelection() {
      if (!this.marks) return;
      const chosen = new Set(this.selection.map(({ row, column }) => `${row},${column}`));
      for (const [place, mark] of this.marks) mark.classList.toggle("lp-chosen", chosen.has(place));
    }
  };
})(window.layerprofCharts);
