// The theme of a page and of the charts in it: the system's until the button says otherwise.
"use strict";
const themed = (() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const probe = document.getElementById("probe");
  let charts = [];

  function setTheme(isDark) {
    root.classList.toggle("dark", isDark);
    root.classList.toggle("light", !isDark);
    button.setAttribute("aria-pressed", String(isDark));
    charts.forEach(paint);
  }

  function colour(variable) {
    probe.style.color = `var(${variable})`;
    return getComputedStyle(probe).color;
  }

  function paint(chart) {
    const [ink, soft, line, paper] = ["--ink", "--soft", "--line", "--paper"].map(colour);
    for (const axis of [...chart.below, ...chart.left]) {
      axis.major_label_text_color = soft;
      axis.axis_label_text_color = soft;
    }
    for (const each of chart.center) {
      if (each.name === "cursor") each.line_color = ink;
      else each.grid_line_color = line;
    }
    for (const renderer of chart.renderers) {
      const [variable, role] = renderer.tags;
      const glyph = renderer.glyph;
      glyph.line_color = role === "bar" ? paper : colour(variable);
      if (role === "bar") glyph.fill_color = colour(variable);
      else if (role === "fill") glyph.fill_color = paper;
      else if (renderer.glyph.type === "Scatter") glyph.fill_color = colour(variable);
    }
  }

  // Draws the charts that the page holds into their places; gives them by name, and their document.
  async function draw() {
    const { document: content, roots } = JSON.parse(document.getElementById("charts").textContent);
    const places = Object.fromEntries([...document.querySelectorAll(".chart")].map((place) => [place.dataset.chart, place]));
    const ids = Object.fromEntries(Object.entries(roots).map(([name, id]) => [id, places[name].id]));
    await Bokeh.embed.embed_items({ charts: content }, [{ docid: "charts", roots: ids, root_ids: Object.values(roots) }]);
    const drawn = Bokeh.documents[Bokeh.documents.length - 1];
    const named = Object.fromEntries(Object.entries(roots).map(([name, id]) => [name, drawn.get_model_by_id(id)]));
    charts = Object.values(named);
    charts.forEach(paint);
    return { charts: named, drawn, places };
  }

  button.addEventListener("click", () => setTheme(!root.classList.contains("dark")));
  system.addEventListener("change", (event) => setTheme(event.matches));
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
  setTheme(system.matches);
  return { draw };
})();
