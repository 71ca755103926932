// Lines over a number, with a range to zoom into by dragging: the line chart.
(function (charts) {
  "use strict";

  const { svg, html } = charts;
  const FEWEST_PIXELS = 5; // of a drag that is meant as a range

  charts.LinesChart = class extends charts.Chart {
    draw(data, options) {
      this.window = null; // all of it
      super.draw(data, options);
    }

    render() {
      const { data, options } = this;
      this.series = data.series();
      this.xs = data.rows.map((_, row) => Number(data.getValue(row, 0)));
      const whole = this.wholeRange();
      const [x0, x1] = this.window || whole;
      const [low, high] = charts.niceBounds(this.valuesWithin(x0, x1), 6);
      const entries = this.series.map((one, i) => ({ ...one, colour: charts.colourOf(i, options), isLine: true }));
      this.frame = charts.frame(this, entries, {
        x: { low: x0, high: x1, title: (options.hAxis || {}).title },
        y: { low, high, title: (options.vAxis || {}).title },
      });
      this.series.forEach((one, i) => this.drawLine(one, i, x0, x1));
      if (!this.xs.length) this.sayEmpty();
      this.overlay = svg("g", { "pointer-events": "none" });
      this.chosen = svg("g", { "pointer-events": "none" });
      this.frame.picture.append(this.overlay, this.chosen);
      if (this.canZoom()) {
        const hint = this.window ? "right-click shows all" : "drag to zoom";
        this.frame.root.append(html("span", { class: "lp-hint" }, hint));
      }
      this.follow();
      this.showSelection();
    }

    canZoom() {
      const { actions } = this.options.explorer || {};
      return Boolean(this.options.explorer) && (!actions || actions.includes("dragToZoom"));
    }

    wholeRange() {
      let [low, high] = [Infinity, -Infinity];
      for (const x of this.xs) {
        if (x < low) low = x;
        if (x > high) high = x;
      }
      if (low > high) return [0, 1];
      return low === high ? [low - 0.5, high + 0.5] : [low, high];
    }

    *valuesWithin(x0, x1) {
      for (let row = 0; row < this.xs.length; row += 1) {
        if (this.xs[row] < x0 || this.xs[row] > x1) continue;
        for (const one of this.series) {
          const value = this.data.getValue(row, one.column);
          if (typeof value === "number" && Number.isFinite(value)) yield value;
        }
      }
    }

    drawLine(one, i, x0, x1) {
      let path = "";
      let isOpen = false;
      const last = this.xs.length - 1;
      for (let row = 0; row <= last; row += 1) {
        // one point on each side is kept, so that the line reaches the edges
        if (this.xs[Math.min(row + 1, last)] < x0 || this.xs[Math.max(row - 1, 0)] > x1) continue;
        const value = this.data.getValue(row, one.column);
        const isPoint = typeof value === "number" && Number.isFinite(value);
        if (isPoint) path += `${isOpen ? "L" : "M"}${this.frame.x(this.xs[row]).toFixed(1)},${this.frame.y(value).toFixed(1)}`;
        isOpen = isPoint;
      }
      const colour = charts.colourOf(i, this.options);
      this.frame.marks.append(svg("path", { d: path || "M0,0", fill: "none", stroke: colour, "stroke-width": 2, "stroke-linejoin": "round" }));
    }

    sayEmpty() {
      const { area } = this.frame;
      const at = { class: "lp-none", x: area.left + area.width / 2, y: area.top + area.height / 2, "text-anchor": "middle" };
      this.frame.picture.append(svg("text", at, "No data"));
    }

    // ---- the pointer

    follow() {
      const { picture, area } = this.frame;
      const cover = svg("rect", { x: area.left, y: area.top, width: area.width, height: area.height, fill: "transparent" });
      picture.append(cover);
      cover.addEventListener("mousemove", (event) => !this.dragFrom && this.point(event));
      cover.addEventListener("mouseleave", () => this.unpoint());
      cover.addEventListener("click", (event) => this.choose(event));
      cover.addEventListener("contextmenu", (event) => {
        if (!this.canZoom()) return;
        event.preventDefault();
        this.zoom(null);
      });
      cover.addEventListener("pointerdown", (event) => event.button === 0 && this.canZoom() && this.drag(cover, event));
    }

    pixelOf(event) {
      const { area, picture } = this.frame;
      const x = event.clientX - picture.getBoundingClientRect().left;
      return Math.min(Math.max(x, area.left), area.left + area.width);
    }

    drag(cover, event) {
      const { area } = this.frame;
      const from = (this.dragFrom = this.pixelOf(event));
      const brush = svg("rect", { class: "lp-brush", y: area.top, height: area.height, x: from, width: 0 });
      this.unpoint();
      this.overlay.replaceChildren(brush);
      cover.setPointerCapture(event.pointerId);
      const move = (moved) => {
        const to = this.pixelOf(moved);
        brush.setAttribute("x", Math.min(from, to));
        brush.setAttribute("width", Math.abs(to - from));
      };
      const end = (ended) => {
        cover.removeEventListener("pointermove", move);
        cover.removeEventListener("pointerup", end);
        cover.removeEventListener("pointercancel", end);
        this.dragFrom = null;
        this.overlay.replaceChildren();
        const to = this.pixelOf(ended);
        this.wasDragged = Math.abs(to - from) >= FEWEST_PIXELS;
        if (this.wasDragged && ended.type === "pointerup") this.zoom([from, to].sort((a, b) => a - b).map(this.frame.x.invert));
      };
      cover.addEventListener("pointermove", move);
      cover.addEventListener("pointerup", end);
      cover.addEventListener("pointercancel", end);
    }

    zoom(range) {
      this.window = range;
      this.redraw();
    }

    nearestRow(event) {
      const x = this.frame.x.invert(this.pixelOf(event));
      let best = -1;
      for (let row = 0; row < this.xs.length; row += 1) {
        if (best < 0 || Math.abs(this.xs[row] - x) < Math.abs(this.xs[best] - x)) best = row;
      }
      return best;
    }

    point(event) {
      const row = this.nearestRow(event);
      if (row < 0) return;
      const { area } = this.frame;
      const x = this.frame.x(this.xs[row]);
      this.overlay.replaceChildren(svg("line", { class: "lp-hair", x1: x, x2: x, y1: area.top, y2: area.top + area.height }));
      const lines = this.series.map((one, i) => {
        return [one.label, this.data.getFormattedValue(row, one.column), charts.colourOf(i, this.options)];
      });
      const heading = `${this.data.getColumnLabel(0)}: ${this.data.getFormattedValue(row, 0)}`;
      charts.showTip(this, charts.tipLines(heading, lines), event.clientX, event.clientY);
    }

    unpoint() {
      this.overlay.replaceChildren();
      charts.hideTip(this);
    }

    choose(event) {
      const row = this.nearestRow(event);
      if (row < 0 || this.wasDragged) return;
      this.setSelection([{ row, column: this.series.length ? this.series[0].column : 1 }]);
      charts.tell(this, "select");
    }

    // ---- what callers ask

    showSelection() {
      if (!this.chosen) return;
      const points = this.selection.filter(({ row, column }) => row >= 0 && row < this.xs.length && column > 0);
      this.chosen.replaceChildren(...points.map(({ row, column }) => {
        const at = { cx: this.frame.x(this.xs[row]), cy: this.frame.y(this.data.getValue(row, column)) };
        return svg("circle", { class: "lp-chosen", ...at, r: 6, fill: charts.colourOf(column - 1, this.options) });
      }));
    }

    getChartLayoutInterface() {
      const { area, x, y } = this.frame;
      return {
        getChartAreaBoundingBox: () => ({ ...area }),
        getHAxisValue: (pixel) => x.invert(pixel),
        getVAxisValue: (pixel) => y.invert(pixel),
        getXLocation: (value) => x(value),
        getYLocation: (value) => y(value),
      };
    }
  };
})(window.layerprofCharts);
