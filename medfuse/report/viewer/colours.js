// Colour maps, and tables from the codes of a volume to the colours of its window.

export function rampOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// Little-endian RGBA, as the pixels of a canvas are on every machine of today.
export function packedColour(red, green, blue) {
  return (255 << 24) | (blue << 16) | (green << 8) | red;
}

// One colour for each code; code 0, not measured, is black.
export function tableOf(layer, ramp, count) {
  const table = new Uint32Array(count);
  const [lower, upper] = layer.window;
  const width = upper - lower || 1e-9;
  table[0] = packedColour(0, 0, 0);
  for (let code = 1; code < count; code++) {
    const value = layer.lower + (code - 1) * layer.step;
    const share = Math.min(Math.max((value - lower) / width, 0), 1);
    const at = 3 * Math.round(255 * share);
    table[code] = packedColour(ramp[at], ramp[at + 1], ramp[at + 2]);
  }
  return table;
}
