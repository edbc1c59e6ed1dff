"use strict";
// What pages with charts share: values under the pointer, series that hide, tables as CSV, all open on paper.
// Without it a page says the same. Names of others reach the page only as text. A page's own script comes after it.
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const say = (text) => { byId("announcement").textContent = text; };
const charts = {};
(() => {
  document.documentElement.classList.add("js");

  // Charts: the pointer or the arrow keys choose a place; the line below shows the values there.
  const make = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };

  function start(svg) {
    const chart = data.charts[svg.dataset.chart];
    const { left, top, right, bottom } = chart.box;
    const figure = svg.closest("figure");
    const readout = figure.querySelector(".readout");
    const groups = [...svg.querySelectorAll(".series")];
    const cursor = svg.appendChild(make("line", { class: "cursor off", y1: top, y2: bottom }));
    const xOf = (value) => left + ((right - left) * (value - chart.from)) / (chart.to - chart.from);
    const yOf = (value) => bottom - ((bottom - top) * value) / chart.top;
    let at = null;

    const words = () => {
      if (chart.texts) return chart.texts[at];
      const shown = chart.names.map((name, index) => [name, chart.values[index]]);
      const visible = shown.filter((one, index) => !groups[index].classList.contains("off"));
      return `${chart.label} ${chart.x[at]}: ${visible.map(([name, values]) => `${name} ${values[at].toFixed(3)}`).join(", ")}`;
    };
    const announce = () => {
      if (at === null) return;
      const x = xOf(chart.x[at]);
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      cursor.classList.remove("off");
      readout.textContent = words();
      svg.setAttribute("aria-valuenow", chart.x[at]);
      svg.setAttribute("aria-valuetext", readout.textContent);
    };
    const moveTo = (index) => {
      at = Math.max(0, Math.min(chart.x.length - 1, index));
      announce();
    };
    const nearest = (event) => {
      const bounds = svg.getBoundingClientRect();
      const scale = data.width / bounds.width;
      const x = (event.clientX - bounds.left) * scale;
      const y = (event.clientY - bounds.top) * scale;
      // Of dots the nearest; of lines the nearest place on the axis.
      const gaps = chart.x.map((value, index) => Math.hypot(xOf(value) - x, chart.y ? yOf(chart.y[index]) - y : 0));
      return gaps.indexOf(Math.min(...gaps));
    };
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -1e9, End: 1e9 };

    svg.setAttribute("role", "slider");
    svg.setAttribute("tabindex", "0");
    svg.setAttribute("aria-valuemin", chart.x[0]);
    svg.setAttribute("aria-valuemax", chart.x[chart.x.length - 1]);
    svg.setAttribute("aria-valuenow", chart.x[0]);
    svg.addEventListener("pointermove", (event) => moveTo(nearest(event)));
    svg.addEventListener("pointerdown", (event) => moveTo(nearest(event)));
    svg.addEventListener("focus", () => moveTo(at ?? 0));
    svg.addEventListener("keydown", (event) => {
      if (!(event.key in steps)) return;
      event.preventDefault();
      moveTo((at ?? 0) + steps[event.key]);
    });
    for (const button of figure.querySelectorAll(".legend button")) {
      button.addEventListener("click", () => {
        const off = groups[button.dataset.series].classList.toggle("off");
        button.setAttribute("aria-pressed", String(!off));
        announce();
      });
    }

    const draw = (values) => {
      chart.values = values;
      groups.forEach((group, index) => {
        const line = values[index].map((value, place) => `${xOf(chart.x[place]).toFixed(1)},${yOf(value).toFixed(1)}`);
        group.querySelector("polyline").setAttribute("points", line.join(" "));
      });
      announce();
    };
    const mark = (value, text) => {
      const group = svg.querySelector(".mark");
      group.classList.toggle("off", value === null);
      if (value === null) return;
      const [line, label] = group.children;
      const x = xOf(value);
      const labelIsRight = x <= (left + right) / 2;
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      label.setAttribute("x", x + (labelIsRight ? 5 : -5));
      label.setAttribute("text-anchor", labelIsRight ? "start" : "end");
      label.textContent = text;
    };
    charts[svg.dataset.chart] = { svg, draw, mark, summary: svg.getAttribute("aria-label") };
  }
  document.querySelectorAll("svg[data-chart]").forEach(start);

  // Tables as CSV.
  const quoted = (text) => {
    // A name that a spreadsheet would take for a formula gets an apostrophe; numbers stay numbers.
    const harmless = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
  };
  const textOf = (cell) => {
    if (cell.dataset.csv !== undefined) return cell.dataset.csv;
    const copy = cell.cloneNode(true);
    copy.querySelectorAll("[aria-hidden=true], .ci, .small").forEach((one) => one.remove());
    return copy.textContent.replace(/\s+/g, " ").trim();
  };
  const cellsOf = (cell) => {
    const text = textOf(cell);
    if (cell.dataset.ci === undefined) return [text];
    const ends = cell.tagName === "TH" ? [`${text} low`, `${text} high`] : cell.dataset.ci.split(",");
    return [text, ...ends];
  };
  const csvOf = (table) => {
    const empty = table.classList.contains("matrix") ? "0" : "";
    const rows = [...table.rows].map((row) => [...row.cells].flatMap(cellsOf).map((text) => quoted(text || empty)).join(","));
    return `${rows.join("\n")}\n`;
  };
  const copyBySelection = (text) => {
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = text;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copyBySelection(text);
    }
  };
  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const done = await copy(csvOf(byId(button.dataset.table)));
      button.focus();
      button.textContent = done ? "Copied" : "Cannot copy here";
      say(button.textContent);
      setTimeout(() => { button.textContent = "Copy as CSV"; }, 2000);
    });
  }

  // On paper everything is open.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));
})();
