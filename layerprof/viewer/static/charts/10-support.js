// What all charts share: elements, numbers, colours, events and the watch on the container's width.
// The files of this folder are joined in the order of their names; each adds to one namespace, `layerprofCharts`.
(function () {
  "use strict";

  const charts = (window.layerprofCharts = {});
  const SVG = "http://www.w3.org/2000/svg";

  // The palette of Okabe and Ito, which colour-blind readers can tell apart, then darker ones of the same hues.
  charts.PALETTE = [
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442",
    "#00456B", "#8F6200", "#00573F", "#8A4570", "#2C7FAE", "#8A3D00", "#9A9200",
  ];

  charts.colourOf = function (position, options) {
    const own = options && options.colors;
    const palette = own && own.length ? own : charts.PALETTE;
    return palette[position % palette.length];
  };

  function fill(element, attributes, children) {
    for (const name of Object.keys(attributes || {})) {
      const value = attributes[name];
      if (value !== undefined && value !== null) element.setAttribute(name, String(value));
    }
    for (const child of children) {
      if (child !== undefined && child !== null) element.append(child); // a string becomes a text node, never markup
    }
    return element;
  }

  charts.html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  charts.svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

  // ---- numbers

  charts.formatNumber = function (value) {
    if (typeof value !== "number" || !Number.isFinite(value)) return String(value);
    if (value !== 0 && (Math.abs(value) >= 1e15 || Math.abs(value) < 1e-4)) return value.toExponential(3);
    const digits = Math.abs(value) >= 1 || value === 0 ? 3 : 3 - Math.floor(Math.log10(Math.abs(value)));
    return value.toLocaleString("en-US", { maximumFractionDigits: Math.min(digits, 20) });
  };

  charts.formatPercent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.001 ? 3 : 1)}%`;

  // The colour of text on a colour of six digits.
  charts.inkOn = function (colour) {
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#1b1f24" : "#ffffff";
  };

  // The step of 1, 2 or 5 times a power of ten that divides the span into at most `most` parts.
  charts.niceStep = function (span, most) {
    const rough = span / Math.max(most, 1);
    if (!(rough > 0) || !Number.isFinite(rough)) return 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * (1 - 1e-9));
  };

  charts.ticksBetween = function (low, high, most) {
    const step = charts.niceStep(high - low, most);
    const first = Math.ceil(low / step - 1e-6);
    const ticks = [];
    for (let i = first; i * step <= high + step * 1e-6 && ticks.length < 1000; i += 1) {
      ticks.push(Number((i * step).toPrecision(12)));
    }
    return ticks;
  };

  // Labels of ticks: as many decimals as their step needs; in thousands, millions, ... where they are wide.
  charts.tickLabels = function (ticks) {
    const largest = Math.max(0, ...ticks.map(Math.abs));
    const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : largest;
    const units = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
    const [unit, suffix] = (largest >= 1e5 && units.find(([size]) => largest >= size)) || [1, ""];
    if (step > 0 && step < 1e-6) return ticks.map((tick) => (tick === 0 ? "0" : tick.toExponential(2)));
    const decimals = step > 0 ? Math.max(0, Math.min(9, -Math.floor(Math.log10(step / unit) + 1e-9))) : 0;
    const format = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    return ticks.map((tick) => (tick / unit).toLocaleString("en-US", format) + (tick === 0 ? "" : suffix));
  };

  // ---- sizes

  const ruler = document.createElement("canvas").getContext("2d");

  charts.textWidth = function (text, size) {
    ruler.font = `${size || 12}px ${charts.FONT}`;
    return ruler.measureText(text).width;
  };
  charts.FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

  // The text, or its beginning and an ellipsis where it is wider.
  charts.fitText = function (text, width, size) {
    if (text.length < 2000 && charts.textWidth(text, size) <= width) return text;
    let low = 0;
    let high = Math.min(text.length, 2000);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (charts.textWidth(`${text.slice(0, middle)}…`, size) <= width) low = middle;
      else high = middle - 1;
    }
    return low === 0 ? "" : `${text.slice(0, low)}…`;
  };

  // As `fitText`, but the end is kept: that of a path tells layers apart.
  charts.fitEnd = function (text, width, size) {
    const turned = [...text.slice(-2000)].reverse().join("");
    const fitted = charts.fitText(turned, width, size);
    return fitted === turned ? text : [...fitted].reverse().join("");
  };

  // A size as options give it: 300, "300", "300px", "80%"; of what is not given, or not a size, the other.
  charts.sizeOf = function (given, whole, other) {
    const match = /^\s*(-?[\d.]+)\s*(%|px)?\s*$/.exec(given === undefined || given === null ? "" : String(given));
    if (!match) return other;
    const number = Number(match[1]);
    return match[2] === "%" ? (whole * number) / 100 : number;
  };

  // ---- events

  const LISTENERS = Symbol("listeners");

  charts.listen = function (source, name, handler) {
    const all = source[LISTENERS] || (source[LISTENERS] = new Map());
    all.set(name, [...(all.get(name) || []), handler]);
    return { source, name, handler };
  };

  charts.unlisten = function (listener) {
    const all = listener && listener.source[LISTENERS];
    if (all) all.set(listener.name, (all.get(listener.name) || []).filter((one) => one !== listener.handler));
  };

  charts.unlistenAll = (source) => source[LISTENERS] && source[LISTENERS].clear();

  charts.tell = function (source, name, detail) {
    for (const handler of (source[LISTENERS] && source[LISTENERS].get(name)) || []) handler(detail);
  };

  // The base of every drawing: draws again when the container's width changes, until it is cleared.
  charts.Chart = class {
    constructor(container) {
      if (!container) throw new Error("a chart needs a container");
      this.container = container;
      this.selection = [];
      this.watch = new ResizeObserver(() => {
        if (this.data && this.container.clientWidth !== this.drawnWidth) this.redraw();
      });
    }

    draw(data, options) {
      this.data = data;
      this.options = options || {};
      this.container.classList.add("lp-chart");
      this.redraw();
      this.watch.observe(this.container);
      charts.tell(this, "ready");
    }

    redraw() {
      this.drawnWidth = this.container.clientWidth;
      charts.hideTip(this);
      this.render();
    }

    // The size to draw at. A container that is not shown has none, and is drawn again once it has.
    size() {
      const parent = this.container.parentElement;
      const width = charts.sizeOf(this.options.width, this.drawnWidth, this.drawnWidth) || 400;
      const around = this.container.clientHeight || (parent && parent.clientHeight) || 200;
      return { width: Math.floor(width), height: Math.floor(charts.sizeOf(this.options.height, around, around) || 200) };
    }

    getSelection() {
      return this.selection.map((one) => ({ ...one }));
    }

    setSelection(selection) {
      this.selection = Array.isArray(selection) ? selection.map((one) => ({ ...one })) : [];
      if (this.showSelection) this.showSelection();
    }

    clearChart() {
      this.watch.disconnect();
      charts.hideTip(this);
      this.container.replaceChildren();
      this.data = undefined;
    }

    getContainer() {
      return this.container;
    }
  };

  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = "charts.css";
  document.head.append(style);
})();
