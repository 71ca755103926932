// Tooltips: one at a time, over the page, drawn from text or from the markup that a column declares as such.
(function (charts) {
  "use strict";

  // Markup of a column that says it is markup is made anew from these, without attributes: a name in it stays text.
  const ALLOWED = new Set(["B", "BR", "DIV", "EM", "I", "LI", "P", "SPAN", "STRONG", "UL"]);
  const DROPPED = new Set(["SCRIPT", "STYLE", "TEMPLATE", "IFRAME", "OBJECT"]);

  function copied(source, target) {
    for (const node of source.childNodes) {
      if (node.nodeType === Node.TEXT_NODE) target.append(node.data);
      else if (node.nodeType === Node.ELEMENT_NODE && !DROPPED.has(node.tagName)) {
        target.append(...(ALLOWED.has(node.tagName) ? [copied(node, document.createElement(node.tagName))] : []));
        if (!ALLOWED.has(node.tagName)) copied(node, target);
      }
    }
    return target;
  }

  charts.fromMarkup = function (markup) {
    const parsed = new DOMParser().parseFromString(String(markup), "text/html"); // runs and loads nothing
    return copied(parsed.body, charts.html("div"));
  };

  // A tooltip's content: a heading and lines of a name with a value.
  charts.tipLines = function (heading, lines) {
    const body = charts.html("div");
    if (heading) body.append(charts.html("div", { class: "lp-tip-head" }, heading));
    for (const [name, value, colour] of lines) {
      const mark = colour ? charts.html("i", { class: "lp-mark" }) : null;
      if (mark) mark.style.background = colour;
      const named = name ? `${name}: ` : "";
      body.append(charts.html("div", { class: "lp-tip-line" }, mark, named, charts.html("b", {}, value)));
    }
    return body;
  };

  // The tooltip of one cell of a table: that of its tooltip column, or its row's name, its label and its value.
  charts.tipOf = function (data, row, series, colour) {
    if (series.tip !== null && data.getValue(row, series.tip) !== null) {
      const content = data.getFormattedValue(row, series.tip);
      return data.isHtmlColumn(series.tip) ? charts.fromMarkup(content) : charts.tipLines("", [["", content]]);
    }
    const value = data.getFormattedValue(row, series.column);
    return charts.tipLines(data.getFormattedValue(row, 0), [[series.label, value, colour]]);
  };

  let box = null;
  let owner = null;

  // Shows content beside a point of the window, inside the window.
  charts.showTip = function (chart, content, x, y) {
    if (!box) {
      box = charts.html("div", { class: "lp-tip", role: "tooltip" });
      document.body.append(box);
    }
    owner = chart;
    box.replaceChildren(content);
    box.style.display = "block";
    const { width, height } = box.getBoundingClientRect();
    const left = x + 14 + width > window.innerWidth ? x - 14 - width : x + 14;
    const top = y + 14 + height > window.innerHeight ? y - 14 - height : y + 14;
    box.style.left = `${Math.max(4, left)}px`;
    box.style.top = `${Math.max(4, top)}px`;
  };

  charts.hideTip = function (chart) {
    if (box && owner === chart) {
      box.style.display = "none";
      owner = null;
    }
  };
})(window.layerprofCharts);
