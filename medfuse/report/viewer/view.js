// One plane on a canvas: draws it, and tells what a reader does with it.

const LETTERS = "#ffd75e";
const CROSS = "rgba(255, 215, 94, 0.75)";

export class View {
  constructor(canvas, slider, map, layers, on) {
    this.canvas = canvas;
    this.slider = slider;
    this.map = map;
    this.layers = layers;
    this.on = on;
    this.picture = new OffscreenPicture(map.width, map.height);
    slider.max = map.depth - 1;
    slider.addEventListener("input", () => on.slice(map.plane.across, Number(slider.value)));
    this.listen();
  }

  listen() {
    const { canvas, map, on } = this;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      on.step(map.plane.across, event.deltaY > 0 ? 1 : -1);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.dragged = { x: event.clientX, y: event.clientY, window: event.button === 2 || event.shiftKey };
      if (!this.dragged.window) this.point(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.dragged) return;
      if (!this.dragged.window) return void this.point(event);
      on.window(event.clientX - this.dragged.x, event.clientY - this.dragged.y);
      Object.assign(this.dragged, { x: event.clientX, y: event.clientY });
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (this.dragged = null));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  // Arrows move the crosshair in the picture, Page Up and Page Down and the wheel from slice to slice.
  key(event) {
    const { map, on } = this;
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const steps = { PageUp: -1, PageDown: 1 };
    if (event.key in moves) {
      const [row, column] = map.pixelOf(on.voxel());
      const [down, right] = moves[event.key];
      on.move(map.voxelAt(clamped(row + down, map.height), clamped(column + right, map.width), on.voxel()));
    } else if (event.key in steps) on.step(map.plane.across, steps[event.key]);
    else return;
    event.preventDefault();
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const { map, on } = this;
    const row = clamped(Math.floor(((event.clientY - box.top) / box.height) * map.height), map.height);
    const column = clamped(Math.floor(((event.clientX - box.left) / box.width) * map.width), map.width);
    on.move(map.voxelAt(row, column, on.voxel()));
  }

  draw(state) {
    const { canvas, map, slider } = this;
    const { plane } = map;
    const ratio = (map.width * plane.columnMm) / (map.height * plane.rowMm);
    canvas.style.aspectRatio = String(ratio);
    const width = Math.max(Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)), 1);
    const height = Math.max(Math.round(width / ratio), 1);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    this.picture.compose(this.layers, map, state);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = state.smooth;
    context.drawImage(this.picture.canvas, 0, 0, width, height);
    this.drawMarks(context, width, height, state);
    slider.value = state.voxel[plane.across];
    slider.setAttribute("aria-valuetext", `slice ${state.voxel[plane.across] + 1} of ${map.depth}`);
  }

  drawMarks(context, width, height, state) {
    const { plane } = this.map;
    const [row, column] = this.map.pixelOf(state.voxel);
    const x = ((column + 0.5) / this.map.width) * width;
    const y = ((row + 0.5) / this.map.height) * height;
    if (state.cross) {
      context.strokeStyle = CROSS;
      context.lineWidth = window.devicePixelRatio || 1;
      context.beginPath();
      const gap = 0.03 * width;
      for (const [x1, y1, x2, y2] of [[0, y, x - gap, y], [x + gap, y, width, y], [x, 0, x, y - gap], [x, y + gap, x, height]]) {
        context.moveTo(x1, y1);
        context.lineTo(x2, y2);
      }
      context.stroke();
    }
    const size = Math.round(14 * (window.devicePixelRatio || 1));
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.fillStyle = LETTERS;
    context.strokeStyle = "#000";
    context.lineWidth = size / 4;
    context.lineJoin = "round";
    context.textBaseline = "middle";
    for (const [letter, align, left, top] of [
      [plane.left, "left", 6, height / 2], [plane.right, "right", width - 6, height / 2],
      [plane.top, "center", width / 2, size], [plane.bottom, "center", width / 2, height - size],
    ]) {
      context.textAlign = align;
      context.strokeText(letter, left, top); // so that it can be read on bone and on the crosshair
      context.fillText(letter, left, top);
    }
  }
}

// The slice at its own size, before it is scaled to the page.
class OffscreenPicture {
  constructor(width, height) {
    this.canvas = document.createElement("canvas");
    Object.assign(this.canvas, { width, height });
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.image = this.context.createImageData(width, height);
    this.out = new Uint32Array(this.image.data.buffer);
    this.a = new Uint32Array(width * height);
    this.b = new Uint32Array(width * height);
  }

  compose(layers, map, state) {
    layers.paint(state.base, map, state.voxel, this.a);
    if (state.mode !== "single") layers.paint(state.over, map, state.voxel, this.b);
    const how = { mix: state.mix, flip: state.flip, width: map.width, height: map.height };
    MODES[state.mode](this.a, this.b, this.out, how);
    this.context.putImageData(this.image, 0, 0);
  }
}

function clamped(index, count) {
  return Math.min(Math.max(index, 0), count - 1);
}
