// Brings the charts and the page around them together: one cursor, one zoom, one theme.
"use strict";
(() => {
  const root = document.documentElement;
  const { document: content, roots } = JSON.parse(document.getElementById("charts").textContent);
  // BokehJS has had both forms of a table's columns.
  const columns = ({ data }) => (data instanceof Map ? Object.fromEntries(data) : data);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const places = Object.fromEntries(all(".chart").map((place) => [place.dataset.chart, place]));

  // The theme: the system's until the button says otherwise. While a page is printed the system says
  // light, but charts painted anew would come too late for the paper: they stay, and CSS turns them.
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const probe = document.getElementById("probe");
  let isChosen = false;
  let isPrinting = false;
  let charts = {};

  function setTheme(isDark) {
    root.classList.toggle("dark", isDark);
    root.classList.toggle("light", !isDark);
    button.setAttribute("aria-pressed", String(isDark));
    for (const chart of Object.values(charts)) paint(chart);
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

  // The cursor: one frame, in every chart over frames.
  let scores = null;
  let frames = [];
  let over = [];

  function nearest(frame) {
    let low = 0;
    let high = frames.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (frames[middle] < frame) low = middle + 1;
      else high = middle;
    }
    return low > 0 && frame - frames[low - 1] <= frames[low] - frame ? low - 1 : low;
  }

  function show(index) {
    const frame = frames[index];
    for (const chart of over) {
      const cursor = chart.center.find((each) => each.name === "cursor");
      cursor.location = frame;
      cursor.visible = true;
    }
    for (const place of all("[data-value-of]")) {
      const score = scores[place.dataset.valueOf][index];
      place.textContent = score.toFixed(2);
      place.title = String(score);
    }
    for (const place of all(".walk")) {
      place.querySelector("output").textContent = String(frame);
      const input = place.querySelector("input");
      input.value = String(index);
      input.setAttribute("aria-valuetext", `frame ${frame}`);
    }
  }

  // The zoom: one stretch of the clip, in every chart over frames.
  function zoom(how) {
    const range = over[0].x_range;
    const [first, last] = range.bounds;
    if (how === "reset") return range.setv({ start: first, end: last });
    const width = range.end - range.start;
    const wanted = Math.min(last - first, Math.max(range.min_interval, how === "in" ? width / 2 : width * 2));
    const cursor = over[0].center.find((each) => each.name === "cursor").location;
    const inView = cursor >= range.start && cursor <= range.end;
    const middle = inView ? cursor : (range.start + range.end) / 2;
    const start = Math.min(Math.max(first, middle - wanted / 2), last - wanted);
    return range.setv({ start, end: start + wanted });
  }

  // The pictures, one after another, as large as they are.
  const viewer = document.getElementById("viewer");
  const pictures = all(".picture img");
  let seen = 0;
  function look(number) {
    seen = (number + pictures.length) % pictures.length;
    viewer.querySelector("img").src = pictures[seen].src;
    viewer.querySelector("img").alt = pictures[seen].alt;
    viewer.querySelector("span").textContent = pictures[seen].alt;
    if (!viewer.open) viewer.showModal();
  }

  function connect() {
    for (const input of all(".walk input")) {
      input.max = String(frames.length - 1);
      input.addEventListener("input", () => show(Number(input.value)));
    }
    for (const each of all("[data-zoom]")) each.addEventListener("click", () => zoom(each.dataset.zoom));
    for (const each of all("[data-frame]")) {
      each.addEventListener("click", () => show(nearest(Number(each.dataset.frame))));
    }
    for (const each of all(".series")) {
      each.addEventListener("click", () => {
        const isShown = each.getAttribute("aria-pressed") !== "true";
        each.setAttribute("aria-pressed", String(isShown));
        for (const renderer of charts[each.dataset.chart].renderers) {
          if (renderer.name === each.dataset.column) renderer.visible = isShown;
        }
      });
    }
  }

  function connectPages() {
    button.addEventListener("click", () => {
      isChosen = true;
      setTheme(!root.classList.contains("dark"));
    });
    system.addEventListener("change", (event) => {
      if (!isChosen && !isPrinting) setTheme(event.matches);
    });
    pictures.forEach((picture, number) => picture.parentElement.addEventListener("click", () => look(number)));
    viewer.addEventListener("click", (event) => {
      const step = event.target.dataset.step;
      if (step) look(seen + Number(step));
      else if (event.target === viewer || "close" in event.target.dataset) viewer.close();
    });
    viewer.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") look(seen - 1);
      if (event.key === "ArrowRight") look(seen + 1);
    });
    addEventListener("beforeprint", () => {
      isPrinting = true;
      all("details").forEach((each) => { each.open = true; });
    });
    addEventListener("afterprint", () => { isPrinting = false; });
  }

  function hover(name, chart) {
    if (over.includes(chart)) {
      chart.on_event("mousemove", (event) => show(nearest(event.x)));
      return;
    }
    const bins = columns(chart.renderers[0].data_source);
    const text = places[name].parentElement.querySelector(".bin");
    const total = [...bins.count].reduce((sum, count) => sum + count, 0);
    chart.on_event("mousemove", (event) => {
      const bin = [...bins.right].findIndex((right) => event.x < right);
      if (bin < 0 || event.x < bins.left[bin]) return;
      const [low, high, count] = ["left", "right", "count"].map((key) => bins[key][bin]);
      text.textContent = `${count} of ${total} frames from ${+low.toFixed(4)} to ${+high.toFixed(4)}`;
    });
  }

  async function start() {
    connectPages();
    setTheme(system.matches);
    const ids = Object.fromEntries(Object.entries(roots).map(([name, id]) => [id, places[name].id]));
    await Bokeh.embed.embed_items({ charts: content }, [{ docid: "charts", roots: ids, root_ids: Object.values(roots) }]);
    const drawn = Bokeh.documents[Bokeh.documents.length - 1];
    charts = Object.fromEntries(Object.entries(roots).map(([name, id]) => [name, drawn.get_model_by_id(id)]));
    over = Object.values(charts).filter((chart) => chart.center.some((each) => each.name === "cursor"));
    scores = columns(drawn.get_model_by_name("scores"));
    frames = scores.frame;
    for (const [name, chart] of Object.entries(charts)) {
      paint(chart);
      hover(name, chart);
    }
    connect();
    const worst = document.querySelector("[data-frame]");
    show(nearest(Number(worst.dataset.frame)));
    root.dataset.ready = "true";
  }

  start();
})();
