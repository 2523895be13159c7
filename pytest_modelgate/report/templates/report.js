"use strict";
/* What the page does beside showing: sort, filter and find models, read values off curves, zoom, look at folds and trades. */
(() => {
  const all = (query, within = document) => [...within.querySelectorAll(query)];
  const make = (name, within, attributes = {}) => {
    const svg = within instanceof SVGElement;
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    within.append(node);
    return node;
  };

  /* The table of models. */
  const table = document.querySelector(".mg-models");
  const tools = document.querySelector(".mg-tools");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const find = tools.querySelector("input");
  let wanted = "";
  const show = () => {
    const text = find.value.trim().toLowerCase();
    for (const row of rows) {
      row.hidden = (wanted && row.dataset.decision !== wanted) || !row.dataset.name.includes(text);
    }
    const count = rows.filter((row) => !row.hidden).length;
    tools.querySelector(".mg-shown").textContent = count === rows.length ? "" : `${count} of ${rows.length} shown`;
  };
  for (const button of all("[data-filter]", tools)) {
    button.addEventListener("click", () => {
      wanted = button.dataset.filter;
      for (const other of all("[data-filter]", tools)) other.setAttribute("aria-pressed", String(other === button));
      show();
    });
  }
  find.addEventListener("input", show);
  const sort = (head, column) => {
    const first = head.dataset.first === "down" ? "descending" : "ascending";
    const other = first === "descending" ? "ascending" : "descending";
    const way = head.getAttribute("aria-sort") === first ? other : first;
    for (const cell of all("th[aria-sort]", table)) cell.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way);
    const sign = way === "ascending" ? 1 : -1;
    const value = (row) => row.cells[column].dataset.value;
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      return sign * (head.dataset.sort === "number" ? x - y : x.localeCompare(y));
    };
    body.append(...[...rows].sort(order));
  };
  all("thead th", table).forEach((head, column) => {
    if (!head.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    while (head.firstChild) button.append(head.firstChild);
    button.addEventListener("click", () => sort(head, column));
    head.append(button);
  });
  tools.hidden = false;

  /* Curves. */
  const sum = (list) => {
    let total = 0;
    return list.map((step) => (step === null ? NaN : (total += step)));
  };
  const times = ([start, runs]) => {
    const found = [start];
    for (const [step, count] of runs) for (let n = 0; n < count; n += 1) found.push(found.at(-1) + step);
    return found;
  };
  const minus = (text) => text.replace("-", "\u2212");
  const forms = {
    percent: (x) => minus(`${x > 0 ? "+" : ""}${(100 * x).toFixed(2)}\u00a0%`),
    share: (x) => `${(100 * x).toFixed(2)}\u00a0%`,
    ratio: (x) => minus(x.toFixed(2)),
    price: (x) => Number(x.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 8 }),
  };
  const stamp = (minute) => new Date(60000 * minute).toISOString().slice(0, 16).replace("T", " ");
  const nearest = (list, value) => {
    let [low, high] = [0, list.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low > 0 && value - list[low - 1] < list[low] - value ? low - 1 : low;
  };
  const steps = (low, high, count) => {
    const rough = (high - low) / count || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((x) => x * power).find((x) => x >= rough);
    const found = [];
    for (let n = Math.ceil(low / step); n * step <= high; n += 1) found.push(n * step);
    return found;
  };

  class Chart {
    constructor(figure, data) {
      this.plot = figure.querySelector(".mg-plot");
      this.svg = this.plot.querySelector("svg");
      this.data = data;
      this.t = times(data.t);
      this.lines = data.s.map((line) => ({ ...line, v: sum(line.v).map((x) => x * line.u) }));
      this.whole = [this.t[0], this.t.at(-1)];
      this.range = this.whole;
      this.over = make("g", this.svg, { class: "mg-over" });
      this.rule = make("path", this.over, { style: "stroke:var(--mg-ink);stroke-width:1;stroke-dasharray:2 2" });
      this.band = make("path", this.over, { style: "fill:var(--mg-link);fill-opacity:.15" });
      this.drawn = make("g", this.over);
      this.tip = make("div", this.plot, { class: "mg-tip", hidden: "" });
      this.reset = make("button", this.plot, { class: "mg-reset", type: "button", hidden: "" });
      this.reset.textContent = "whole period";
      this.reset.addEventListener("click", () => this.zoom(...this.whole));
      this.svg.setAttribute("tabindex", "0");
      this.svg.setAttribute("role", "application");
      this.svg.setAttribute("aria-roledescription", "chart");
      this.svg.setAttribute("aria-description", "Arrow keys read values, plus and minus zoom, 0 shows the whole period.");
      this.said = make("div", this.plot, { class: "mg-hidden", "aria-live": "polite" });
      this.plot.classList.add("mg-live-plot");
      this.svg.addEventListener("pointermove", (event) => this.move(event));
      this.svg.addEventListener("pointerdown", (event) => this.press(event));
      this.svg.addEventListener("pointerup", (event) => this.release(event));
      this.svg.addEventListener("pointerleave", () => this.leave());
      this.svg.addEventListener("blur", () => this.leave());
      this.svg.addEventListener("dblclick", () => this.zoom(...this.whole));
      this.svg.addEventListener("keydown", (event) => this.key(event));
    }
    get left() { return this.data.boxes[0][0]; }
    get right() { return this.data.boxes[0][2]; }
    get bottom() { return this.data.boxes.at(-1)[3]; }
    x(minute) {
      const [first, last] = this.range;
      return this.left + ((this.right - this.left) * (minute - first)) / (last - first || 1);
    }
    minute(event) {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
      const part = Math.min(1, Math.max(0, (point.x - this.left) / (this.right - this.left)));
      return this.range[0] + part * (this.range[1] - this.range[0]);
    }
    at(row) {
      this.row = Math.min(this.t.length - 1, Math.max(0, row));
      const x = this.x(this.t[this.row]);
      this.rule.setAttribute("d", `M${x} ${this.data.boxes[0][1]}V${this.bottom}`);
      const window = this.data.spans.findIndex(([a, b]) => a <= this.t[this.row] && this.t[this.row] <= b);
      const title = `${stamp(this.t[this.row])} UTC${window >= 0 && this.data.spans.length > 1 ? `, fold ${window + 1}` : ""}`;
      this.tip.replaceChildren();
      make("div", this.tip).textContent = title;
      const texts = [];
      for (const line of this.lines) {
        const value = line.v[this.row];
        const text = Number.isNaN(value) ? "\u2013" : forms[line.f](value);
        const entry = make("div", this.tip);
        entry.textContent = line.n;
        make("b", entry).textContent = text;
        texts.push(`${line.n} ${text}`);
      }
      this.tip.hidden = false;
      const place = (this.plot.clientWidth * x) / 560;
      const beyond = place > this.plot.clientWidth / 2;
      this.tip.style.left = `${beyond ? Math.max(0, place - this.tip.offsetWidth - 12) : Math.min(place + 12, this.plot.clientWidth - this.tip.offsetWidth)}px`;
      return `${title}: ${texts.join(", ")}`;
    }
    move(event) {
      const minute = this.minute(event);
      this.at(nearest(this.t, minute));
      if (this.from !== undefined) this.mark(this.from, minute);
    }
    mark(from, to) {
      const [a, b] = [this.x(from), this.x(to)];
      this.band.setAttribute("d", `M${a} ${this.data.boxes[0][1]}H${b}V${this.bottom}H${a}z`);
    }
    press(event) {
      if (event.pointerType === "mouse" && event.button !== 0) return;
      this.from = this.minute(event);
      this.pressed = event.clientX;
    }
    release(event) {
      const from = this.from;
      this.from = undefined;
      this.band.setAttribute("d", "");
      if (from !== undefined && Math.abs(event.clientX - this.pressed) > 8) this.zoom(from, this.minute(event));
    }
    leave() {
      this.tip.hidden = true;
      this.from = undefined;
      this.rule.setAttribute("d", "");
      this.band.setAttribute("d", "");
    }
    key(event) {
      const [first, last] = this.range;
      const row = this.row ?? nearest(this.t, (first + last) / 2);
      const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 };
      const middle = this.t[row];
      const half = (last - first) / 4;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in steps) this.said.textContent = this.at(row + steps[event.key]);
      else if (event.key === "Home") this.said.textContent = this.at(nearest(this.t, first));
      else if (event.key === "End") this.said.textContent = this.at(nearest(this.t, last));
      else if (event.key === "+" || event.key === "=") this.zoom(middle - half, middle + half);
      else if (event.key === "-") this.zoom(middle - 4 * half, middle + 4 * half);
      else if (event.key === "0" || event.key === "Escape") this.zoom(...this.whole);
      else return;
      event.preventDefault();
    }
    zoom(from, to, marks = []) {
      let first = Math.max(this.whole[0], Math.min(from, to));
      let last = Math.min(this.whole[1], Math.max(from, to));
      const least = 8 * (this.t[1] - this.t[0] || 1);
      if (last - first < least) [first, last] = [Math.max(this.whole[0], first - least), Math.min(this.whole[1], last + least)];
      this.range = [first, last];
      const zoomed = first > this.whole[0] || last < this.whole[1];
      this.plot.classList.toggle("mg-zoomed", zoomed);
      this.reset.hidden = !zoomed;
      this.drawn.replaceChildren();
      this.leave();
      if (zoomed) this.draw(marks);
    }
    draw(marks) {
      const [first, last] = this.range;
      const a = Math.max(0, nearest(this.t, first) - 1);
      const b = Math.min(this.t.length - 1, nearest(this.t, last) + 1);
      const clip = (x) => Math.min(this.right, Math.max(this.left, x));
      this.data.boxes.forEach(([left, top, right, bottom], panel) => {
        const lines = this.lines.filter((line) => line.p === panel);
        const values = lines.flatMap((line) => line.v.slice(a, b + 1)).filter((x) => !Number.isNaN(x));
        let [low, high] = [Math.min(...values), Math.max(...values)];
        if (lines.some((line) => line.a)) [low, high] = [Math.min(0, low), Math.max(0, high)];
        const room = 0.06 * (high - low) || Math.abs(high) * 0.1 || 1e-6;
        [low, high] = [low - room, high + room];
        const frame = { x: left, y: top, width: right - left, height: bottom - top };
        const inner = make("svg", this.drawn, { ...frame, viewBox: `${left} ${top} ${frame.width} ${frame.height}` });
        const y = (value) => bottom - ((bottom - top) * (value - low)) / (high - low);
        this.data.spans.forEach(([start, end, sample], number) => {
          if (end <= first || start >= last) return;
          const colour = { "out-of-sample": "out", "in-sample": "in" }[sample] ?? "unknown";
          const [from, to] = [clip(this.x(start)), clip(this.x(end))];
          make("path", this.drawn, { d: `M${from} ${top}H${to}V${bottom}H${from}z`, style: `fill:var(--mg-${colour});fill-opacity:.16` });
          if (panel === 0 && this.data.spans.length > 1) {
            const text = make("text", this.drawn, { x: (from + to) / 2, y: top - 3, style: "fill:var(--mg-ink);text-anchor:middle" });
            text.textContent = to - from > 60 ? `fold ${number + 1}` : "";
          }
        });
        this.drawn.append(inner); // above the shades
        for (const line of lines) {
          let path = "";
          let down = false;
          for (let row = a; row <= b; row += 1) {
            if (Number.isNaN(line.v[row])) down = false;
            else {
              path += `${down ? "L" : "M"}${this.x(this.t[row]).toFixed(1)} ${y(line.v[row]).toFixed(1)}`;
              down = true;
            }
          }
          const style = line.a
            ? `fill:var(--mg-${line.c});fill-opacity:.45`
            : `stroke:var(--mg-${line.c});stroke-width:${line.c === "model" ? 2 : 1.3}`;
          if (line.a) path += `L${this.x(this.t[b]).toFixed(1)} ${y(0)}L${this.x(this.t[a]).toFixed(1)} ${y(0)}z`;
          make("path", inner, { d: path, style });
        }
        make("path", this.drawn, { d: `M${left} ${top}V${bottom}H${right}`, style: "stroke:var(--mg-grid);stroke-width:.8" });
        for (const tick of steps(low, high, panel ? 2 : 4)) {
          const text = make("text", this.drawn, { x: left - 4, y: y(tick) + 4, style: "fill:var(--mg-ink);text-anchor:end" });
          const form = lines[0].f;
          text.textContent = form === "percent" ? minus(`${tick > 0 ? "+" : ""}${Number((100 * tick).toPrecision(4))} %`) : minus(String(Number(tick.toPrecision(6))));
        }
      });
      for (const part of [0, 1 / 3, 2 / 3, 1]) {
        const minute = first + part * (last - first);
        const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
        const text = make("text", this.drawn, { x: this.x(minute), y: this.bottom + 13, style: `fill:var(--mg-ink);text-anchor:${anchor}` });
        const days = (last - first) / 1440;
        text.textContent = days > 6 ? stamp(minute).slice(0, 10) : stamp(minute).slice(5);
      }
      const [, top] = this.data.boxes[0];
      for (const minute of marks) {
        make("path", this.drawn, { d: `M${this.x(minute)} ${top}V${this.bottom}`, style: "stroke:var(--mg-link);stroke-width:1.5" });
      }
      const near = (last - first) / 1440 <= 45;
      for (const [entered, leftAt, side] of near && !marks.length ? this.data.trades : []) {
        if (leftAt < first || entered > last) continue;
        const [from, to] = [clip(this.x(entered)), clip(this.x(leftAt))];
        const bottom = this.data.boxes[0][3];
        make("path", this.drawn, { d: `M${from} ${bottom - 5}H${Math.max(to, from + 1)}V${bottom}H${from}z`, style: `fill:var(--mg-${side > 0 ? "good" : "bad"})` });
      }
    }
  }

  /* A chart is set up when it comes near the screen, or is asked for. */
  const charts = new Map();
  const chart = (figure) => {
    if (!charts.has(figure)) {
      const data = figure.querySelector(':scope > script[type="application/json"]');
      const ready = data && figure.querySelector(".mg-plot svg");
      charts.set(figure, ready ? new Chart(figure, JSON.parse(data.textContent)) : null);
    }
    return charts.get(figure);
  };
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watch.unobserve(entry.target);
      chart(entry.target);
    }
  }, { rootMargin: "400px" });
  const how = () => {
    const line = document.createElement("p");
    line.className = "mg-how";
    line.textContent = "Point at a curve to read its values, drag over it to look closer, double-click to see the whole again.";
    document.querySelector("#mg-together figure")?.append(line);
  };

  /* Folds and trades. */
  const look = (within, from, to, marks) => {
    const sheet = within.closest(".mg-sheet");
    const figures = all("figure[data-chart]", sheet).filter((figure) => figure.querySelector(":scope > script"));
    for (const figure of figures) {
      const found = chart(figure);
      if (found && from < found.whole[1] && to > found.whole[0]) found.zoom(from, to, marks);
    }
    sheet.querySelector('[data-chart="growth"]')?.scrollIntoView({ block: "center" });
  };
  const prepare = (part) => {
    for (const term of all(".mg-term:not([title])", part)) {
      term.title = document.querySelector(`${term.getAttribute("href")} dd`)?.textContent ?? "";
    }
    for (const figure of all("figure[data-chart]", part)) {
      if (figure.querySelector(":scope > script")) watch.observe(figure);
    }
    for (const button of all(".mg-zoom", part)) {
      button.hidden = false;
      button.addEventListener("click", () => look(button, Number(button.dataset.from), Number(button.dataset.to), []));
    }
    for (const row of all(".mg-trades tbody tr", part)) {
      const [from, to] = [Number(row.dataset.from), Number(row.dataset.to)];
      const room = Math.max(1440, 2 * (to - from));
      row.tabIndex = 0;
      row.title = "Show this trade in the curves";
      const open = () => look(row, from - room, to + room, [from, to]);
      row.addEventListener("click", open);
      row.addEventListener("keydown", (event) => {
        if (event.key === "Enter") open();
      });
    }
  };
  prepare(document);
  how();

  /* Of many models, sheets are text that only a page without scripts lays out, until somebody looks at one. */
  const fill = (sheet) => {
    const kept = sheet.querySelector(":scope > noscript");
    if (!kept) return;
    const holder = document.createElement("template");
    holder.innerHTML = kept.textContent;
    kept.replaceWith(holder.content);
    prepare(sheet);
  };
  addEventListener("toggle", ({ target }) => {
    if (target.open && target.matches(".mg-sheet")) fill(target);
  }, true);
  const unfold = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const sheet = target?.closest(".mg-sheet");
    if (!sheet) return;
    sheet.open = true;
    fill(sheet);
    sheet.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();

  /* The list of tests, which comes after this script, is made when somebody looks at it. */
  const list = () => {
    const tests = document.getElementById("mg-tests");
    const waiting = document.getElementById("mg-tests-script");
    if (!tests?.open || !waiting) return;
    const theirs = ".run-count, p.filter, .controls, body > p, #results-table, #environment-header, #environment";
    tests.append(...all(theirs));
    for (const box of all("input[data-test-result]", tests)) {
      box.setAttribute("aria-label", `Show ${box.dataset.testResult} tests`);
    }
    const script = document.createElement("script");
    script.textContent = waiting.textContent;
    waiting.replaceWith(script);
    for (const stray of all("#environment ul > ul:empty")) stray.remove();
  };
  addEventListener("toggle", list, true);
  addEventListener("DOMContentLoaded", () => {
    const tests = document.getElementById("mg-tests");
    if (tests && /[?&](visible|sort|collapsed)=/.test(location.search)) tests.open = true;
  });
})();
