// Puts the viewer together: what is looked at, the controls, and the pictures.

const NAMES = ["axial", "coronal", "sagittal"];
const FLICKER_MS = 600;

function start(root) {
  const facts = JSON.parse(document.getElementById("viewer-facts").textContent);
  const layers = new Layers(facts);
  const find = (name) => root.querySelector(`[data-viewer="${name}"]`);
  const first = layers.all.findIndex((one) => one.group === "volume");
  const state = {
    voxel: facts.voxel, base: 0, over: Math.max(first, 0), mode: "single", mix: 0.5, flip: false, cross: true, smooth: true,
  };
  const sizes = [facts.grid.size[2], facts.grid.size[1], facts.grid.size[0]];
  let asked = false;

  const draw = () => {
    if (asked) return; // once for each frame, however fast events come
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      show();
    });
  };
  const move = (voxel) => {
    state.voxel = voxel.map((index, axis) => Math.min(Math.max(Math.round(index), 0), sizes[axis] - 1));
    draw();
  };
  const at = (axis, index) => move(state.voxel.map((one, i) => (i === axis ? index : one)));
  const on = {
    voxel: () => state.voxel,
    move,
    slice: at,
    step: (axis, by) => at(axis, state.voxel[axis] + by),
    window: (right, down) => {
      const { window: [lower, upper] } = layers.all[state.base];
      const width = Math.max((upper - lower) * 1.01 ** right, 1e-6);
      const level = (lower + upper) / 2 + 0.004 * down * (upper - lower);
      setWindow([level - width / 2, level + width / 2]);
    },
  };
  const views = NAMES.map((name) => new View(
    find(`${name}-canvas`), find(`${name}-slider`), new PlaneMap(facts.planes[name], facts.grid.size), layers, on));
  const plots = new Plots(document.querySelector('[data-viewer="plots"]'), facts.curves, (slice) => at(0, Math.floor(slice / facts.factor)));

  function show() {
    for (const view of views) view.draw(state);
    const point = patientPoint(state.voxel, facts.grid.affine).map((one) => one.toFixed(1));
    find("position").textContent = `L ${point[0]}, P ${point[1]}, S ${point[2]} mm`;
    find("values").replaceChildren(...layers.all.filter((one) => one.codes).map((layer) => {
      const row = document.createElement("tr");
      const name = document.createElement("th");
      name.scope = "row";
      name.textContent = layer.name;
      const value = document.createElement("td");
      value.textContent = layers.textAt(layers.all.indexOf(layer), state.voxel);
      row.append(name, value);
      return row;
    }));
    plots.mark(Math.min(state.voxel[0] * facts.factor, Math.max(plots.count - 1, 0)));
  }

  function setWindow(window) {
    layers.all[state.base].window = window;
    layers.refresh(state.base);
    showWindow();
    draw();
  }

  function showWindow() {
    const layer = layers.all[state.base];
    const [lower, upper] = layer.window;
    const step = layer.colour ? 1 : layer.step;
    for (const name of ["lower", "upper"]) {
      find(name).value = shortNumber(name === "lower" ? lower : upper, step);
      find(name).disabled = layer.colour;
    }
    find("map").value = layer.colours;
    find("map").disabled = find("preset").disabled = layer.colour;
    find("unit").textContent = layer.unit;
    drawBar(find("bar"), layers.ramps[layer.colours], layer.colour);
  }

  function showPresets() {
    const { presets } = layers.all[state.base];
    const full = document.createElement("option");
    Object.assign(full, { value: "", textContent: "window…" });
    find("preset").replaceChildren(full, ...presets.map(([name], i) => {
      const option = document.createElement("option");
      Object.assign(option, { value: String(i), textContent: name });
      return option;
    }));
  }

  async function choose(role, index) {
    const before = state[role];
    root.setAttribute("aria-busy", "true");
    await layers.load(index);
    root.removeAttribute("aria-busy");
    if (state[role] !== before) return; // another one was chosen while this one was unpacked
    state[role] = index;
    if (role === "base") {
      showPresets();
      showWindow();
    }
    find(role).value = String(index);
    draw();
  }

  async function setMode(mode) {
    if (mode !== "single") await layers.load(state.over);
    state.mode = mode;
    find("mode").value = mode;
    for (const name of ["over", "mix"]) find(name).disabled = mode === "single";
    find("mix").disabled ||= mode === "flicker" || mode === "checkerboard";
    draw();
  }

  for (const role of ["base", "over"]) {
    find(role).replaceChildren(...layers.all.map((layer, i) => {
      const option = document.createElement("option");
      Object.assign(option, { value: String(i), textContent: layer.name });
      return option;
    }));
    find(role).addEventListener("change", (event) => choose(role, Number(event.target.value)));
  }
  find("mode").addEventListener("change", (event) => setMode(event.target.value));
  find("mix").addEventListener("input", (event) => {
    state.mix = Number(event.target.value) / 100;
    draw();
  });
  find("preset").addEventListener("change", (event) => {
    const chosen = layers.all[state.base].presets[Number(event.target.value)];
    if (event.target.value !== "" && chosen) setWindow([chosen[1], chosen[2]]);
  });
  for (const name of ["lower", "upper"]) {
    find(name).addEventListener("change", () => {
      const window = [Number(find("lower").value), Number(find("upper").value)];
      if (window[0] < window[1]) setWindow(window);
      else showWindow();
    });
  }
  find("map").addEventListener("change", (event) => {
    layers.all[state.base].colours = event.target.value;
    layers.refresh(state.base);
    showWindow();
    draw();
  });
  find("cross").addEventListener("change", (event) => {
    state.cross = event.target.checked;
    draw();
  });
  find("reset").addEventListener("click", () => {
    layers.all.forEach((layer, i) => {
      Object.assign(layer, layer.first);
      if (layer.codes) layers.refresh(i);
    });
    showWindow();
    move(facts.voxel);
  });
  setInterval(() => {
    if (state.mode !== "flicker" || document.hidden) return;
    state.flip = !state.flip;
    draw();
  }, FLICKER_MS);
  layers.load(0).then(async () => {
    showPresets();
    showWindow();
    setMode("single");
    find("base").value = "0";
    find("over").value = String(state.over);
    root.hidden = false;
    document.body.classList.add("has-viewer");
    for (const one of document.querySelectorAll("details.static-pictures")) one.open = false;
    unfoldForPrint();
    show();
    new ResizeObserver(draw).observe(root);
    for (let i = 1; i < layers.all.length; i++) if (layers.all[i].group === "volume") await layers.load(i);
    show();
    root.dataset.ready = "yes";
  });
}

function drawBar(canvas, ramp, isColour) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (isColour) return;
  for (let x = 0; x < canvas.width; x++) {
    const at = 3 * Math.round((255 * x) / (canvas.width - 1));
    context.fillStyle = `rgb(${ramp[at]}, ${ramp[at + 1]}, ${ramp[at + 2]})`;
    context.fillRect(x, 0, 1, canvas.height);
  }
}

// On paper all that is folded is shown.
function unfoldForPrint() {
  const folded = [...document.querySelectorAll("details:not([open])")].filter((one) => one.classList.contains("static-pictures"));
  window.addEventListener("beforeprint", () => folded.forEach((one) => (one.open = true)));
  window.addEventListener("afterprint", () => folded.forEach((one) => (one.open = false)));
}

const viewerRoot = document.getElementById("viewer");
if (viewerRoot && "DecompressionStream" in window) start(viewerRoot);
