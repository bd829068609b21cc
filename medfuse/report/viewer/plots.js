// Curves of the scores along the slices, with a marker at the slice that is looked at.

const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 340;
const HEIGHT = 150;
const FRAME = { left: 44, right: 8, top: 20, bottom: 18 };
const STROKES = ["#0b6bcb", "#c2410c", "#0f766e", "#7c3aed", "#64748b"]; // told apart by brightness, too
const DASHES = ["", "6 3", "2 2", "8 3 2 3", "1 3"];

export class Plots {
  constructor(place, curves, choose) {
    const methods = Object.keys(curves);
    this.count = methods.length ? Object.values(curves[methods[0]])[0].length : 0;
    this.markers = [];
    if (!place || this.count < 2) return;
    place.append(legend(methods));
    for (const key of Object.keys(curves[methods[0]])) {
      const series = methods.map((method) => curves[method][key]);
      const known = series.flat().filter((one) => one !== null);
      if (known.length) place.append(this.plot(key, series, Math.min(...known), Math.max(...known), choose));
    }
  }

  x(slice) {
    return FRAME.left + (slice / (this.count - 1)) * (WIDTH - FRAME.left - FRAME.right);
  }

  plot(key, series, lowest, highest, choose) {
    const range = highest - lowest || 1;
    const y = (value) => HEIGHT - FRAME.bottom - ((value - lowest) / range) * (HEIGHT - FRAME.top - FRAME.bottom);
    const box = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${key} along the slices` });
    box.append(words(key, FRAME.left, 13, "start", "plot-title"));
    box.append(words(highest.toPrecision(3), FRAME.left - 4, FRAME.top + 4, "end"));
    box.append(words(lowest.toPrecision(3), FRAME.left - 4, HEIGHT - FRAME.bottom, "end"));
    box.append(words("1", FRAME.left, HEIGHT - 5, "start"), words(String(this.count), WIDTH - FRAME.right, HEIGHT - 5, "end"));
    series.forEach((values, i) => {
      const path = shape("path", { d: this.line(values, y), fill: "none", stroke: STROKES[i % 5], "stroke-dasharray": DASHES[i % 5] });
      path.setAttribute("stroke-width", i ? "1.2" : "2.2");
      box.append(path);
    });
    const marker = shape("line", { y1: FRAME.top, y2: HEIGHT - FRAME.bottom, class: "plot-marker" });
    this.markers.push(marker);
    box.append(marker);
    box.addEventListener("click", (event) => {
      const rect = box.getBoundingClientRect();
      const at = ((event.clientX - rect.left) / rect.width) * WIDTH;
      const share = (at - FRAME.left) / (WIDTH - FRAME.left - FRAME.right);
      choose(Math.round(Math.min(Math.max(share, 0), 1) * (this.count - 1)));
    });
    return box;
  }

  // Gaps where a score has no value.
  line(values, y) {
    let pen = "M";
    return values.map((value, slice) => {
      if (value === null) {
        pen = "M";
        return "";
      }
      const text = `${pen}${this.x(slice).toFixed(1)},${y(value).toFixed(1)}`;
      pen = "L";
      return text;
    }).join("");
  }

  mark(slice) {
    for (const marker of this.markers) {
      marker.setAttribute("x1", this.x(slice));
      marker.setAttribute("x2", this.x(slice));
    }
  }
}

function legend(methods) {
  const list = document.createElement("p");
  list.className = "plot-legend";
  methods.forEach((method, i) => {
    const line = shape("svg", { viewBox: "0 0 26 8", width: "26", height: "8", "aria-hidden": "true" });
    line.append(shape("path", { d: "M0,4L26,4", stroke: STROKES[i % 5], "stroke-width": i ? "1.5" : "2.5", "stroke-dasharray": DASHES[i % 5] }));
    const entry = document.createElement("span");
    entry.append(line, ` ${method}`);
    list.append(entry);
  });
  return list;
}

function words(text, x, y, anchor, kind = "plot-text") {
  const element = shape("text", { x, y, "text-anchor": anchor, class: kind });
  element.textContent = text;
  return element;
}

function shape(name, attributes) {
  const element = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
