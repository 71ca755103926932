// Steps filled down to the axis, or to the step below: the stepped area chart.
(function (charts) {
  "use strict";

  const { svg } = charts;
  const GAP = 2; // pixels between two steps, where they have room
  const FEWEST_FOR_GAP = 8; // pixels of a step
  const ODD = 0.9; // of the opacity, so that steps without a gap are told apart too

  charts.AreasChart = class extends charts.Chart {
    render() {
      const { data, options } = this;
      const series = data.series();
      const count = data.getNumberOfRows();
      const layers = this.layersOf(series, count);
      const ends = layers.flatMap((layer) => layer.flatMap(({ from, to }) => [from, to]));
      const [low, high] = charts.niceBounds(ends, 6);
      const entries = series.map((one, i) => ({ ...one, colour: charts.colourOf(i, options) }));
      const frame = charts.frame(this, entries, {
        x: { names: data.rows.map((_, row) => data.getFormattedValue(row, 0)), title: (options.hAxis || {}).title },
        y: { low, high, title: (options.vAxis || {}).title },
      });
      layers.forEach((layer, i) => this.drawLayer(frame, layer, series[i], i));
    }

    // For each series, where its step of each row begins and ends.
    layersOf(series, count) {
      const heights = new Array(count).fill(0);
      return series.map((one) =>
        heights.map((height, row) => {
          const given = this.data.getValue(row, one.column);
          const value = typeof given === "number" && Number.isFinite(given) ? given : 0;
          const from = this.options.isStacked ? height : 0;
          if (this.options.isStacked) heights[row] = height + value;
          return { from, to: from + value };
        }),
      );
    }

    drawLayer(frame, layer, one, i) {
      const colour = charts.colourOf(i, this.options);
      const opacity = this.options.areaOpacity === undefined ? 0.35 : this.options.areaOpacity;
      const hasGap = frame.x.band >= FEWEST_FOR_GAP;
    const half = (frame.x.band - (hasGap ? GAP : 0)) / 2;
      let edge = "";
      layer.forEach(({ from, to }, row) => {
        const [left, right] = [frame.x(row) - half, frame.x(row) + half];
        const [top, bottom] = [frame.y(Math.max(from, to)), frame.y(Math.min(from, to))];
        const size = { x: left, y: top, width: right - left, height: bottom - top };
        const look = { class: "lp-bar", fill: colour, "fill-opacity": opacity * (row % 2 ? ODD : 1) };
        const mark = svg("rect", { ...look, ...size });
        mark.addEventListener("mousemove", (event) => {
          charts.showTip(this, charts.tipOf(this.data, row, one, colour), event.clientX, event.clientY);
        });
        mark.addEventListener("mouseleave", () => charts.hideTip(this));
        frame.marks.append(mark);
        const joins = edge && !hasGap && this.options.connectSteps !== false;
        if (to !== from) edge += `${joins ? "L" : "M"}${left},${frame.y(to)}L${right},${frame.y(to)}`;
      });
      frame.marks.append(svg("path", { d: edge || "M0,0", fill: "none", stroke: colour, "stroke-width": 1.5, "pointer-events": "none" }));
    }
  };
})(window.layerprofCharts);
