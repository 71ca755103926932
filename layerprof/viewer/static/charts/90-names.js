// The names under which the plugin's pages call charts, which they would otherwise load from the web.
(function (charts) {
  "use strict";

  const ready = () => Promise.resolve();

  const calls = {
    load(version, settings) {
      const given = settings || version;
      if (given && typeof given.callback === "function") ready().then(given.callback);
      return ready();
    },
    setOnLoadCallback(callback) {
      ready().then(callback);
    },
  };

  const visualization = {
    DataTable: charts.DataTable,
    arrayToDataTable: charts.arrayToDataTable,
    events: {
      addListener: charts.listen,
      removeListener: charts.unlisten,
      removeAllListeners: charts.unlistenAll,
      trigger: charts.tell,
    },
    ColumnChart: class extends charts.BarsChart {},
    ComboChart: class extends charts.BarsChart {},
    SteppedAreaChart: class extends charts.AreasChart {},
    LineChart: class extends charts.LinesChart {},
    PieChart: class extends charts.PiesChart {},
    Table: class extends charts.GridsChart {},
    Timeline: class extends charts.SpansChart {},
  };

  window.google = { charts: calls, visualization };
})(window.layerprofCharts);
