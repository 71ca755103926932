// Rows and columns, sorted by a click on a heading and turned in pages: the table.
(function (charts) {
  "use strict";

  const { html } = charts;
  const PAGE_SIZE = 10; // rows, where nothing is said

  charts.GridsChart = class extends charts.Chart {
    draw(data, options) {
      this.page = 0;
      const given = (options || {}).sortColumn;
      const column = given === undefined || given === null ? -1 : data.getColumnIndex(given);
      this.sorted = column >= 0 ? { column, isUp: options.sortAscending !== false } : null;
      super.draw(data, options);
    }

    render() {
      this.order = this.orderOf();
      this.shown = this.data.columns.map((_, column) => column).filter((column) => !this.data.getColumnRole(column));
      const size = this.options.page === "enable" ? Math.max(1, this.options.pageSize || PAGE_SIZE) : Infinity;
      this.pageCount = Math.max(1, Math.ceil(this.order.length / size));
      this.page = Math.min(this.page, this.pageCount - 1);
      const first = size === Infinity ? 0 : this.page * size;
      const rows = this.order.slice(first, first + size);
      const table = html("table", { class: "lp-table" }, this.head(), html("tbody", {}, ...rows.map((row) => this.row(row))));
      const box = html("div", { class: "lp-table-box" }, table);
      const height = charts.sizeOf(this.options.height, (this.container.parentElement || {}).clientHeight || 0, 0);
      if (height > 60) box.style.maxHeight = `${height - (this.pageCount > 1 ? 34 : 0)}px`;
      this.container.replaceChildren(box);
      if (box.scrollHeight > box.clientHeight + 2) table.classList.add("lp-tight"); // a few rows may then fit
      if (this.pageCount > 1) this.container.append(this.pages(first, rows.length));
    }

    orderOf() {
      const order = this.data.rows.map((_, row) => row);
      if (!this.sorted) return order;
      const { column, isUp } = this.sorted;
      const valueOf = (row) => this.data.getValue(row, column);
      return order.sort((a, b) => (compared(valueOf(a), valueOf(b)) || 0) * (isUp ? 1 : -1) || a - b);
    }

    head() {
      return html("thead", {}, html("tr", {}, ...this.shown.map((column) => this.heading(column))));
    }

    heading(column) {
      const isSorted = this.sorted && this.sorted.column === column;
      const arrow = isSorted ? (this.sorted.isUp ? " ▲" : " ▼") : "";
      const order = isSorted ? (this.sorted.isUp ? "ascending" : "descending") : "none";
      const cell = html("th", { tabindex: 0, scope: "col", "aria-sort": order }, this.data.getColumnLabel(column) + arrow);
      if (this.isOfNumbers(column)) cell.classList.add("lp-number");
      const sort = () => {
        this.sorted = { column, isUp: isSorted ? !this.sorted.isUp : !this.isOfNumbers(column) }; // large numbers first
        this.page = 0;
        this.redraw();
        charts.tell(this, "sort", { column, ascending: this.sorted.isUp });
      };
      cell.addEventListener("click", sort);
      cell.addEventListener("keydown", (event) => event.key === "Enter" && sort());
      return cell;
    }

    isOfNumbers(column) {
      return this.data.getColumnType(column) === "number";
    }

    row(row) {
      const line = html("tr", {}, ...this.shown.map((column) => this.cell(row, column)));
      line.classList.toggle("lp-row-chosen", this.selection.some((one) => one.row === row));
      line.addEventListener("click", () => {
        this.setSelection(this.selection.some((one) => one.row === row) ? [] : [{ row }]);
        charts.tell(this, "select");
      });
      return line;
    }

    cell(row, column) {
      const text = this.data.getFormattedValue(row, column);
      const isMarkup = this.options.allowHtml && this.data.isHtmlColumn(column);
      const cell = html("td", {}, isMarkup ? charts.fromMarkup(text) : text);
      if (this.isOfNumbers(column)) cell.classList.add("lp-number");
      const name = this.data.getProperty(row, column, "className");
      if (name) cell.classList.add(...String(name).split(/\s+/).filter(Boolean));
      const style = this.data.getProperty(row, column, "style");
      if (style && this.options.allowHtml) cell.style.cssText = String(style);
      return cell;
    }

    pages(first, count) {
      const turn = (label, step, isOff) => {
        const button = html("button", { type: "button" }, label);
        button.disabled = isOff;
        button.addEventListener("click", () => {
          this.page += step;
          this.redraw();
          charts.tell(this, "page", { page: this.page });
        });
        return button;
      };
      const told = `${first + 1}–${first + count} of ${this.order.length.toLocaleString("en-US")}`;
      const back = turn("Previous", -1, this.page === 0);
      const on = turn("Next", 1, this.page === this.pageCount - 1);
      return html("div", { class: "lp-pages" }, back, on, html("span", {}, told));
    }

    showSelection() {
      if (this.order) this.redraw();
    }
  };

  // Order of two values; what is missing stands first.
  function compared(a, b) {
    if (a === null || b === null) return (a === null ? 0 : 1) - (b === null ? 0 : 1);
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }
})(window.layerprofCharts);
