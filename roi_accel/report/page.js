// Brings the charts and the page around them together: one cursor, one zoom, one theme.
"use strict";
(() => {
  const root = document.documentElement;
  // BokehJS has had both forms of a table's columns.
  const columns = ({ data }) => (data instanceof Map ? Object.fromEntries(data) : data);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  let charts = {};

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

  function connectPictures() {
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
  }

  function hover(place, chart) {
    if (over.includes(chart)) {
      chart.on_event("mousemove", (event) => show(nearest(event.x)));
      return;
    }
    const bins = columns(chart.renderers[0].data_source);
    const text = place.parentElement.querySelector(".bin");
    const total = [...bins.count].reduce((sum, count) => sum + count, 0);
    chart.on_event("mousemove", (event) => {
      const bin = [...bins.right].findIndex((right) => event.x < right);
      if (bin < 0 || event.x < bins.left[bin]) return;
      const [low, high, count] = ["left", "right", "count"].map((key) => bins[key][bin]);
      text.textContent = `${count} of ${total} frames from ${+low.toFixed(4)} to ${+high.toFixed(4)}`;
    });
  }

  async function start() {
    connectPictures();
    const { charts: named, drawn, places } = await themed.draw();
    charts = named;
    over = Object.values(charts).filter((chart) => chart.center.some((each) => each.name === "cursor"));
    scores = columns(drawn.get_model_by_name("scores"));
    frames = scores.frame;
    for (const [name, chart] of Object.entries(charts)) {
      hover(places[name], chart);
    }
    connect();
    const worst = document.querySelector("[data-frame]");
    show(nearest(Number(worst.dataset.frame)));
    root.dataset.ready = "true";
  }

  start();
})();
