// The volumes of the page.

export class Layers {
  constructor(facts) {
    this.size = facts.grid.size;
    this.ramps = Object.fromEntries(Object.entries(facts.colours).map(([name, text]) => [name, rampOf(text)]));
    this.all = facts.layers.map((one) => ({ ...one, first: { window: one.window, colours: one.colours } }));
  }

  // Unpacked once, when it is first asked for.
  load(index) {
    const layer = this.all[index];
    layer.loading ??= unpack(`viewer-block-${index}`, layer.wide).then((codes) => {
      layer.codes = codes;
      this.refresh(index);
    });
    return layer.loading;
  }

  // A new table of colours, after the window or the map changed.
  refresh(index) {
    const layer = this.all[index];
    if (layer.colour) return;
    layer.table = tableOf(layer, this.ramps[layer.colours], layer.wide ? 65536 : 256);
  }

  // The colours of a slice, into Uint32 pixels.
  paint(index, map, voxel, pixels) {
    const { codes, table, colour } = this.all[index];
    if (colour) {
      map.walk(voxel, (pixel, offset) => {
        const at = 3 * offset;
        pixels[pixel] = packedColour(codes[at], codes[at + 1], codes[at + 2]);
      });
    } else {
      map.walk(voxel, (pixel, offset) => {
        pixels[pixel] = table[codes[offset]];
      });
    }
  }

  // The value at a voxel, for people.
  textAt(index, voxel) {
    const layer = this.all[index];
    if (!layer.codes) return "…";
    const at = offsetOf(voxel, this.size);
    if (layer.colour) return `red ${layer.codes[3 * at]}, green ${layer.codes[3 * at + 1]}, blue ${layer.codes[3 * at + 2]}`;
    const code = layer.codes[at];
    if (code === 0) return "not measured";
    return `${shortNumber(layer.lower + (code - 1) * layer.step, layer.step)} ${layer.unit}`.trim();
  }
}

// As many digits as a step of the stored values allows.
export function shortNumber(value, step) {
  const digits = Math.min(Math.max(-Math.floor(Math.log10(step || 1)), 0), 4);
  return value.toFixed(digits);
}
