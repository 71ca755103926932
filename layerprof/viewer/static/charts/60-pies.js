// Shares of a whole in a ring, with a legend that scrolls: the pie chart.
(function (charts) {
  "use strict";

  const { svg, html } = charts;

  charts.PiesChart = class extends charts.Chart {
    render() {
      const { data, options } = this;
      const { width, height } = this.size();
      const root = html("div", { class: "lp-frame" });
      root.style.width = `${width}px`;
      root.style.height = `${height}px`;
      this.container.replaceChildren(root);
      if (options.title) root.append(html("div", { class: "lp-title" }, String(options.title)));
      const tall = height - (options.title ? root.firstChild.offsetHeight : 0);
      const values = data.rows.map((_, row) => Math.max(0, Number(data.getValue(row, 1)) || 0));
      this.total = values.reduce((sum, value) => sum + value, 0);
      this.values = values;
      const hasLegend = options.legend !== "none";
      const wide = hasLegend ? Math.min(tall, width * 0.5) : width;
      const body = html("div", { class: "lp-pie" });
      body.style.height = `${tall}px`;
      root.append(body);
      body.append(this.ring(wide, tall));
      if (hasLegend) body.append(this.legend());
      this.showSelection();
    }

    ring(width, height) {
      const label = String(this.options.title || "");
      const picture = svg("svg", { class: "lp-svg", width, height, role: "img", "aria-label": label });
      const outer = Math.max(10, Math.min(width, height) / 2 - 12);
      const inner = outer * (this.options.pieHole || 0);
      const centre = { x: width / 2, y: height / 2 };
      this.slices = [];
      if (!this.total) {
        picture.append(svg("text", { class: "lp-none", ...centre, "text-anchor": "middle" }, "No data"));
        return picture;
      }
      let from = 0;
      this.values.forEach((value, row) => {
        const share = value / this.total;
        const slice = svg("path", { class: "lp-slice", d: arc(centre, inner, outer, from, from + share), fill: this.colour(row), stroke: "#fff" });
        this.slices.push(slice);
        this.react(slice, row);
        picture.append(slice);
        if (hasRoom(inner, outer, share)) picture.append(shareLabel(centre, (inner + outer) / 2, from + share / 2, share, this.colour(row)));
        from += share;
      });
      return picture;
    }

    colour(row) {
      return charts.colourOf(row, this.options);
    }

    legend() {
      const entries = this.values.map((_, row) => ({ label: this.data.getFormattedValue(row, 0), colour: this.colour(row) }));
      return charts.legendOf(entries, (row, event) => {
        if (event) this.pointer = event;
        charts.tell(this, row === null ? "onmouseout" : "onmouseover", row === null ? {} : { row });
        this.mark(row);
      });
    }

    react(slice, row) {
      slice.addEventListener("mousemove", (event) => {
        this.pointer = event;
        if (this.under === row) this.showSelection();
      });
      slice.addEventListener("mouseenter", (event) => {
        this.pointer = event;
        this.under = row;
        charts.tell(this, "onmouseover", { row });
      });
      slice.addEventListener("mouseleave", () => {
        this.under = null;
        charts.tell(this, "onmouseout", { row });
      });
      slice.addEventListener("click", () => {
        this.setSelection([{ row }]);
        charts.tell(this, "select");
      });
    }

    mark(row) {
      (this.slices || []).forEach((slice, i) => slice.classList.toggle("lp-chosen", i === row));
    }

    // The chosen slice is outlined and has the tooltip, beside the pointer.
    showSelection() {
      const first = this.selection[0];
      const row = first && this.slices && first.row < this.slices.length ? first.row : null;
      this.mark(row);
      if (row === null || !this.pointer) charts.hideTip(this);
      else charts.showTip(this, this.tip(row), this.pointer.clientX, this.pointer.clientY);
    }

    tip(row) {
      const share = charts.formatPercent(this.values[row] / this.total);
      const value = this.data.getFormattedValue(row, 1);
      const asked = (this.options.tooltip || {}).text || "both";
      const text = { percentage: share, value, both: `${value} (${share})` }[asked] || `${value} (${share})`;
      return charts.tipLines(this.data.getFormattedValue(row, 0), [["", text, this.colour(row)]]);
    }
  };

  function at(centre, radius, turn) {
    const angle = 2 * Math.PI * turn - Math.PI / 2;
    return `${(centre.x + radius * Math.cos(angle)).toFixed(2)},${(centre.y + radius * Math.sin(angle)).toFixed(2)}`;
  }

  // A piece of a ring; a whole ring is two halves, as an arc that ends where it begins is not drawn.
  function arc(centre, inner, outer, from, to) {
    if (to - from > 0.9999) return arc(centre, inner, outer, 0, 0.5) + arc(centre, inner, outer, 0.5, 1);
    const large = to - from > 0.5 ? 1 : 0;
    const out = `M${at(centre, outer, from)}A${outer},${outer},0,${large},1,${at(centre, outer, to)}`;
    if (!inner) return `${out}L${at(centre, 0, 0)}Z`;
    return `${out}L${at(centre, inner, to)}A${inner},${inner},0,${large},0,${at(centre, inner, from)}Z`;
  }

  // Whether a slice's share fits into it, across the ring and along it.
  function hasRoom(inner, outer, share) {
    const wide = charts.textWidth(charts.formatPercent(share), 12) + 6;
    return outer - inner >= wide && 2 * Math.PI * share * ((inner + outer) / 2) >= wide * 0.7;
  }

  function shareLabel(centre, radius, turn, share, colour) {
    const [x, y] = at(centre, radius, turn).split(",").map(Number);
    return svg("text", { class: "lp-share", x, y: y + 4, fill: charts.inkOn(colour), "text-anchor": "middle" }, charts.formatPercent(share));
  }
})(window.layerprofCharts);
