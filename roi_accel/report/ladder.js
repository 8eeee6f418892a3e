// Brings points and table rows together: what is pointed at in one is shown in the other.
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const REACH = 40; // pixels around the mouse

  // One reference: its charts by metric, and the rows of its encodes.
  function connect(section, charts) {
    const rows = all("tr[data-kbit]", section);
    const heads = all("th[data-score]", section);
    const output = section.querySelector("output");
    const hidden = new Set();

    function show(row) {
      for (const each of rows) each.toggleAttribute("data-is-shown", each === row);
      for (const [metric, chart] of charts) {
        const ring = chart.renderers.find((each) => each.name === "at");
        ring.data_source.data = { x: [Number(row.dataset.kbit)], y: [Number(row.dataset[metric])] };
      }
      const scores = heads.map((head) => `${head.textContent} ${Number(row.dataset[head.dataset.score]).toFixed(2)}`);
      output.textContent = `${row.cells[0].textContent}: ${row.cells[1].textContent} kbit/s, ${scores.join(", ")}`;
    }

    // Distances are of the screen, where the axis of bitrates is logarithmic.
    function nearest(metric, chart, event) {
      const { x_range, y_range, inner_width, inner_height } = chart;
      const across = inner_width / Math.log(x_range.end / x_range.start);
      const up = inner_height / (y_range.end - y_range.start);
      const distance = (row) => Math.hypot(Math.log(row.dataset.kbit / event.x) * across, (row.dataset[metric] - event.y) * up);
      const seen = rows.filter((row) => !hidden.has(row.dataset.column)).map((row) => [distance(row), row]);
      const [least, row] = seen.reduce((one, other) => (other[0] < one[0] ? other : one), [Infinity, null]);
      return least <= REACH ? row : null;
    }

    for (const [metric, chart] of charts) {
      chart.on_event("mousemove", (event) => {
        const row = nearest(metric, chart, event);
        if (row) show(row);
      });
    }
    for (const row of rows) {
      row.addEventListener("focus", () => show(row));
      row.addEventListener("mouseenter", () => show(row));
    }
    for (const button of all(".series", section)) {
      const { column } = button.dataset;
      button.addEventListener("click", () => {
        const isShown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(isShown));
        if (isShown) hidden.delete(column);
        else hidden.add(column);
        for (const [, chart] of charts) {
          for (const renderer of chart.renderers) if (renderer.name === column) renderer.visible = isShown;
        }
      });
    }
  }

  async function start() {
    const { charts } = await themed.draw();
    for (const section of all(".reference")) {
      const own = all(".chart", section).map(({ dataset: { chart: name } }) => [name.slice(name.indexOf("_") + 1), charts[name]]);
      if (own.length) connect(section, own);
    }
    document.documentElement.dataset.ready = "true";
  }

  start();
})();
