// Tables of data: typed columns, cells of a value with an optional text and properties.
(function (charts) {
  "use strict";

  const isCell = (given) => given !== null && typeof given === "object" && !(given instanceof Date) && "v" in given;

  function cellOf(given) {
    if (isCell(given)) return { v: given.v, f: given.f, p: { ...(given.p || {}) } };
    return { v: given === undefined ? null : given, f: undefined, p: undefined };
  }

  charts.DataTable = class {
    constructor() {
      this.columns = [];
      this.rows = [];
    }

    // A column as one object, or as a type, a label and an id.
    addColumn(given, label, id) {
      const described = typeof given === "object" ? given : { type: given, label, id };
      this.columns.push({ ...described });
      for (const row of this.rows) row.push(cellOf(null));
      return this.columns.length - 1;
    }

    addRow(cells) {
      this.rows.push(this.columns.map((_, column) => cellOf(cells ? cells[column] : null)));
      return this.rows.length - 1;
    }

    // Rows of cells, or a number of empty ones.
    addRows(rows) {
      if (typeof rows === "number") for (let i = 0; i < rows; i += 1) this.addRow(null);
      else for (const row of rows) this.addRow(row);
      return this.rows.length - 1;
    }

    getNumberOfRows() {
      return this.rows.length;
    }

    getNumberOfColumns() {
      return this.columns.length;
    }

    getColumnLabel(column) {
      const { label, id } = this.columns[column];
      return String(label || id || "");
    }

    getColumnId(column) {
      return this.columns[column].id || "";
    }

    getColumnType(column) {
      return this.columns[column].type;
    }

    getColumnRole(column) {
      return this.columns[column].role || "";
    }

    // The position of a column by its position, id or label; -1 where there is none.
    getColumnIndex(given) {
      if (typeof given === "number") return given >= 0 && given < this.columns.length ? given : -1;
      const byId = this.columns.findIndex((column) => column.id === given);
      return byId >= 0 ? byId : this.columns.findIndex((column) => column.label === given);
    }

    getValue(row, column) {
      return this.rows[row][column].v;
    }

    setValue(row, column, value) {
      this.rows[row][column].v = value;
    }

    setCell(row, column, value, text, properties) {
      this.rows[row][column] = { v: value, f: text, p: properties };
    }

    getFormattedValue(row, column) {
      const { v, f } = this.rows[row][column];
      if (f !== undefined && f !== null) return String(f);
      if (v === null || v === undefined) return "";
      return typeof v === "number" ? charts.formatNumber(v) : String(v);
    }

    setProperty(row, column, name, value) {
      const cell = this.rows[row][column];
      cell.p = { ...(cell.p || {}), [name]: value };
    }

    getProperty(row, column, name) {
      const { p } = this.rows[row][column];
      return p && name in p ? p[name] : null;
    }

    getColumnProperty(column, name) {
      const { p } = this.columns[column];
      return p && name in p ? p[name] : null;
    }

    isHtmlColumn(column) {
      return String(this.getColumnProperty(column, "html")) === "true";
    }

    // The columns to draw: each of numbers without a role, with the column of its tooltips where one follows.
    series() {
      const found = [];
      for (let column = 1; column < this.columns.length; column += 1) {
        const role = this.getColumnRole(column);
        if (role === "tooltip" && found.length) found[found.length - 1].tip = column;
        else if (!role && this.columns[column].type === "number") {
          found.push({ column, label: this.getColumnLabel(column), tip: null });
        }
      }
      return found;
    }
  };

  // A table from rows of which the first has the labels; the type of a column is that of its first value.
  charts.arrayToDataTable = function (rows, hasNoLabels) {
    const table = new charts.DataTable();
    const labels = hasNoLabels ? rows[0].map(() => "") : rows[0];
    const values = hasNoLabels ? rows : rows.slice(1);
    labels.forEach((label, column) => {
      const described = label !== null && typeof label === "object" ? label : { label };
      const first = values.map((row) => cellOf(row[column]).v).find((value) => value !== null);
      table.addColumn({ type: typeof first === "number" ? "number" : "string", ...described });
    });
    table.addRows(values);
    return table;
  };
})(window.layerprofCharts);
