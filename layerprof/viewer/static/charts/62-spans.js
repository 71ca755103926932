// Spans of time in rows, on a canvas so that ten thousand are no burden: the timeline.
(function (charts) {
  "use strict";

  const { html } = charts;
  const ROW = 26; // pixels
  const BAR = 20;
  const AXIS = 26;
  const HINT = 20;
  const TEXT = 11;
  const OF_MODULE = "nn.Module: ";
  const FEWEST_PIXELS = 5; // of a drag that is meant as a range

  charts.SpansChart = class extends charts.Chart {
    draw(data, options) {
      this.window = null;
      this.spans = spansOf(data);
      this.colours = coloursOf(this.spans);
      super.draw(data, options);
    }

    render() {
      const { width } = this.size();
      this.rows = 1 + this.spans.reduce((most, span) => Math.max(most, span.place), -1);
      const height = this.rows * ROW + AXIS + HINT;
      this.left = this.hasLabels() ? 90 : 8;
      this.scale = charts.linearScale(...(this.window || rangeOf(this.spans)), this.left, width - 8);
      const canvas = (this.canvas = html("canvas", { class: "lp-canvas", role: "img" }));
      canvas.setAttribute("aria-label", `Timeline of ${this.spans.length} spans in ${this.rows} rows`);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
      const dots = window.devicePixelRatio || 1;
      canvas.width = width * dots;
      canvas.height = height * dots;
      this.size2d = { width, height };
      this.pen = canvas.getContext("2d");
      this.pen.scale(dots, dots);
      const root = html("div", { class: "lp-frame" }, canvas);
      root.append(html("span", { class: "lp-hint" }, this.window ? "right-click shows all" : "drag to zoom"));
      root.lastChild.style.top = "auto";
      root.lastChild.style.bottom = "2px";
      this.container.replaceChildren(root);
      this.paint(null);
      this.follow();
    }

    hasLabels() {
      return (this.options.timeline || {}).showRowLabels !== false;
    }

    paint(brush) {
      const { pen, scale } = this;
      const { width, height } = this.size2d;
      pen.clearRect(0, 0, width, height);
      this.paintGrid(width, height);
      pen.save();
      pen.beginPath();
      pen.rect(this.left, 0, width - this.left - 8, height);
      pen.clip();
      const reached = new Map(); // the last pixel painted in a row: spans under a pixel are painted once
      for (const span of this.spans) {
        const from = scale(span.start);
        const to = Math.max(scale(span.end), from + 1);
        if (to < this.left || from > width || Math.floor(to) <= (reached.get(span.place) || 0)) continue;
        reached.set(span.place, Math.floor(to));
        this.paintSpan(span, Math.max(from, this.left), Math.min(to, width));
      }
      if (brush) {
        pen.fillStyle = "rgb(0 114 178 / 18%)";
        pen.fillRect(brush[0], 0, brush[1] - brush[0], height - AXIS - HINT);
      }
      pen.restore();
    }

    paintSpan(span, from, to) {
      const { pen } = this;
      const y = span.place * ROW + (ROW - BAR) / 2;
      pen.fillStyle = this.colours.get(span.name);
      pen.fillRect(from, y, to - from - (to - from > 3 ? 1 : 0), BAR);
      if (to - from < 24) return;
      const fit = span.name.startsWith(OF_MODULE) ? charts.fitEnd : charts.fitText;
    const text = fit(span.name.replace(OF_MODULE, ""), to - from - 8, TEXT);
      pen.font = `${TEXT}px ${charts.FONT}`;
      pen.fillStyle = charts.inkOn(this.colours.get(span.name));
      pen.fillText(text, from + 4, y + BAR / 2 + 4);
    }

    paintGrid(width, height) {
      const { pen, scale } = this;
      const ticks = charts.ticksBetween(scale.low, scale.high, Math.max(2, Math.floor(width / 110)));
      const labels = charts.tickLabels(ticks);
      pen.font = `${TEXT}px ${charts.FONT}`;
      ticks.forEach((tick, i) => {
        const x = Math.round(scale(tick)) + 0.5;
        pen.fillStyle = "#e3e7ec";
        pen.fillRect(x, 0, 1, height - AXIS - HINT);
        pen.fillStyle = "#5b6570";
        const label = `${labels[i]} ms`;
        const wide = charts.textWidth(label, TEXT);
        pen.fillText(label, Math.min(Math.max(x - wide / 2, 2), width - wide - 2), height - HINT - 8);
      });
      if (!this.hasLabels()) return;
      for (const [label, place] of new Map(this.spans.map((span) => [span.row, span.place]))) {
        pen.fillText(charts.fitText(label, this.left - 12, TEXT), 6, place * ROW + ROW / 2 + 4);
      }
    }

    // ---- the pointer

    follow() {
      const { canvas } = this;
      const pixelOf = (event) => event.clientX - canvas.getBoundingClientRect().left;
      let from = null;
      canvas.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        from = pixelOf(event);
        canvas.setPointerCapture(event.pointerId);
      });
      canvas.addEventListener("pointermove", (event) => {
        if (from === null) this.point(event);
        else this.paint([from, pixelOf(event)].sort((a, b) => a - b));
      });
      canvas.addEventListener("pointerup", (event) => {
        if (from === null) return;
        const range = [from, pixelOf(event)].sort((a, b) => a - b);
        from = null;
        if (range[1] - range[0] >= FEWEST_PIXELS) this.zoom(range.map(this.scale.invert));
        else this.paint(null);
      });
      canvas.addEventListener("pointerleave", () => charts.hideTip(this));
      canvas.addEventListener("contextmenu", (event) => {
        event.preventDefault();
        this.zoom(null);
      });
    }

    zoom(range) {
      this.window = range;
      this.redraw();
    }

    point(event) {
      const box = this.canvas.getBoundingClientRect();
      const place = Math.floor((event.clientY - box.top) / ROW);
      const x = event.clientX - box.left;
      const span = this.spans.findLast((one) => {
        return one.place === place && this.scale(one.start) <= x && Math.max(this.scale(one.end), this.scale(one.start) + 1) >= x;
      });
      if (!span) charts.hideTip(this);
      else charts.showTip(this, charts.tipLines("", [["", span.tip]]), event.clientX, event.clientY);
    }
  };

  // The columns by their roles: a row's label, a name, a tooltip where there is one, and two times.
  function spansOf(data) {
    const places = data.columns.map((_, column) => column);
    const tip = places.find((column) => data.getColumnRole(column) === "tooltip");
    const [row, ...others] = places.filter((column) => !data.getColumnRole(column));
    const [start, end] = others.slice(-2);
    const name = others.length > 2 ? others[0] : row;
    const spans = data.rows.map((_, i) => ({
      row: data.getFormattedValue(i, row),
      name: data.getFormattedValue(i, name),
      tip: tip === undefined ? data.getFormattedValue(i, name) : data.getFormattedValue(i, tip),
      start: Number(data.getValue(i, start)),
      end: Number(data.getValue(i, end)),
    }));
    const isSpan = (span) => Number.isFinite(span.start) && Number.isFinite(span.end);
    return withPlaces(fromZero(spans.filter(isSpan).sort((a, b) => a.start - b.start || b.end - a.end)));
  }

  // Times since the first begins: those of a trace count from when the machine was started.
  function fromZero(spans) {
    const first = spans.length ? spans[0].start : 0;
    return spans.map((span) => ({ ...span, start: span.start - first, end: span.end - first }));
  }

  // Each row of labels gets a line, and more where spans in it overlap.
  function withPlaces(spans) {
    const byRow = new Map();
    for (const span of spans) {
      if (!byRow.has(span.row)) byRow.set(span.row, []);
      const lines = byRow.get(span.row);
      const free = lines.findIndex((end) => end <= span.start + 1e-9);
      span.line = free >= 0 ? free : lines.length;
      lines[span.line] = span.end;
    }
    const rows = [...byRow.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    let next = 0;
    const first = new Map(rows.map((row) => [row, (next += byRow.get(row).length) - byRow.get(row).length]));
    for (const span of spans) span.place = first.get(span.row) + span.line;
    return spans;
  }

  function rangeOf(spans) {
    return [0, spans.reduce((most, span) => Math.max(most, span.end), 0) || 1];
  }

  function coloursOf(spans) {
    const colours = new Map();
    for (const { name } of spans) if (!colours.has(name)) colours.set(name, charts.colourOf(colours.size));
    return colours;
  }
})(window.layerprofCharts);
