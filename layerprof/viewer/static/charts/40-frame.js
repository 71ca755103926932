// The frame of a chart with two axes: title, legend, the area of the marks, grid lines, ticks and the axes' titles.
(function (charts) {
  "use strict";

  const { svg, html } = charts;
  const TICK = 11; // pixels of a tick's text
  const LABEL = 12;

  // A scale from values to pixels, with its ticks.
  charts.linearScale = (low, high, from, to) => {
    const span = high - low || 1;
    const scale = (value) => from + ((value - low) / span) * (to - from);
    scale.invert = (pixel) => low + ((pixel - from) / (to - from || 1)) * span;
    scale.low = low;
    scale.high = high;
    return scale;
  };

  // Bounds that begin at zero, or below where values are, and end on a tick.
  charts.niceBounds = function (values, most, givenHigh) {
    let low = 0;
    let high = 0;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (givenHigh > high) high = givenHigh;
    if (low === 0 && high === 0) high = 1;
    const step = charts.niceStep(high - low, most);
    return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
  };

  // A legend of HTML, which breaks into lines where it is wide and scrolls where it is long.
  charts.legendOf = function (entries, onHover) {
    const legend = html("div", { class: "lp-legend" });
    entries.forEach(({ label, colour, isLine }, position) => {
      const mark = html("i", { class: isLine ? "lp-mark lp-mark-line" : "lp-mark" });
      mark.style.background = colour;
      const entry = html("span", { class: "lp-entry", title: label }, mark, html("span", {}, label));
      if (onHover) {
        entry.addEventListener("mouseenter", (event) => onHover(position, event));
        entry.addEventListener("mouseleave", () => onHover(null));
      }
      legend.append(entry);
    });
    return legend;
  };

  // Makes the frame in the chart's container.
  //
  // axes: { y: {low, high, title}, y2: the same or nothing, x: {title, low, high} or {title, names} }
  // Gives { root, marks, area: {left, top, width, height}, x, y, y2 }; x of names gives the middle of a band.
  charts.frame = function (chart, entries, axes) {
    const { width, height } = chart.size();
    const options = chart.options;
    const hasLegend = !(options.legend === "none" || (options.legend && options.legend.position === "none"));
    const legend = hasLegend && entries.length ? charts.legendOf(entries) : null;
    const root = html("div", { class: "lp-frame" });
    root.style.width = `${width}px`;
    root.style.height = `${height}px`;
    chart.container.replaceChildren(root);
    if (options.title) root.append(html("div", { class: "lp-title" }, String(options.title)));
    if (legend) root.append(legend);
    const taken = [...root.children].reduce((sum, child) => sum + child.offsetHeight, 0);
    const picture = svg("svg", { class: "lp-svg", width, height: Math.max(80, height - taken), role: "img" });
    if (options.title) picture.setAttribute("aria-label", String(options.title));
    if (legend) legend.before(picture);
    else root.append(picture);
    return { root, ...withAxes(picture, width, Math.max(80, height - taken), axes) };
  };

  function withAxes(picture, width, height, axes) {
    const most = Math.max(2, Math.floor(height / 55));
    const ticks = charts.ticksBetween(axes.y.low, axes.y.high, most);
    const labels = charts.tickLabels(ticks);
    const ticks2 = axes.y2 ? charts.ticksBetween(axes.y2.low, axes.y2.high, most) : [];
    const labels2 = charts.tickLabels(ticks2);
    const widest = (texts) => Math.ceil(Math.max(0, ...texts.map((text) => charts.textWidth(text, TICK))));
    const left = 14 + widest(labels) + (axes.y.title ? 20 : 0);
    const right = 16 + (axes.y2 ? widest(labels2) + 10 + (axes.y2.title ? 20 : 0) : 0);
    const area = { left, top: 10, width: Math.max(20, width - left - right), height: 0 };
    area.height = Math.max(20, height - area.top - 24 - (axes.x.title ? 20 : 0));
    const bottom = area.top + area.height;
    const y = charts.linearScale(axes.y.low, axes.y.high, bottom, area.top);
    const y2 = axes.y2 ? charts.linearScale(axes.y2.low, axes.y2.high, bottom, area.top) : null;
    ticks.forEach((tick, i) => {
      const at = Math.round(y(tick)) + 0.5;
      picture.append(svg("line", { class: tick === 0 ? "lp-zero" : "lp-grid", x1: left, x2: left + area.width, y1: at, y2: at }));
      picture.append(svg("text", { class: "lp-tick", x: left - 6, y: at + 4, "text-anchor": "end" }, labels[i]));
    });
    ticks2.forEach((tick, i) => {
      picture.append(svg("text", { class: "lp-tick", x: left + area.width + 6, y: y2(tick) + 4 }, labels2[i]));
    });
    sideTitle(picture, axes.y.title, 14, area);
    if (axes.y2) sideTitle(picture, axes.y2.title, width - 6, area);
    const x = axes.x.names ? namesAxis(picture, area, axes.x) : numbersAxis(picture, area, axes.x);
    if (axes.x.title) {
      const at = { class: "lp-axis-title", x: left + area.width / 2, y: height - 5, "text-anchor": "middle" };
      picture.append(svg("text", at, axes.x.title));
    }
    const clip = `lp-clip-${(withAxes.count = (withAxes.count || 0) + 1)}`;
    picture.append(svg("clipPath", { id: clip }, svg("rect", { x: left, y: area.top - 1, width: area.width, height: area.height + 2 })));
    const marks = svg("g", { "clip-path": `url(#${clip})` });
    picture.append(marks);
    return { picture, marks, area, x, y, y2 };
  }

  function sideTitle(picture, title, x, area) {
    if (!title) return;
    const y = area.top + area.height / 2;
    const at = { class: "lp-axis-title", x, y, "text-anchor": "middle", transform: `rotate(-90 ${x} ${y})` };
    picture.append(svg("text", at, charts.fitText(title, area.height + 40, LABEL)));
  }

  function numbersAxis(picture, area, axis) {
    const x = charts.linearScale(axis.low, axis.high, area.left, area.left + area.width);
    const ticks = charts.ticksBetween(axis.low, axis.high, Math.max(2, Math.floor(area.width / 90)));
    const labels = charts.tickLabels(ticks);
    ticks.forEach((tick, i) => {
      const at = Math.round(x(tick)) + 0.5;
      picture.append(svg("line", { class: "lp-grid", x1: at, x2: at, y1: area.top, y2: area.top + area.height }));
      picture.append(svg("text", { class: "lp-tick", x: at, y: area.top + area.height + 16, "text-anchor": "middle" }, labels[i]));
    });
    return x;
  }

  // A band for each name; where names are too wide for their bands, some are left out and the rest cut.
  function namesAxis(picture, area, axis) {
    const band = area.width / Math.max(1, axis.names.length);
    const x = (position) => area.left + (position + 0.5) * band;
    x.band = band;
    const widest = Math.max(...axis.names.slice(0, 200).map((name) => charts.textWidth(name.slice(0, 60), TICK)), 10);
    const every = Math.max(1, Math.ceil(Math.min(widest + 10, 110) / band));
    axis.names.forEach((name, position) => {
      if (position % every) return;
      const text = charts.fitText(name, band * every - 6, TICK);
      const at = { class: "lp-tick", x: x(position), y: area.top + area.height + 16, "text-anchor": "middle" };
      picture.append(svg("text", at, text, text === name ? null : svg("title", {}, name)));
    });
    return x;
  }
})(window.layerprofCharts);
