// Two pictures as one: each takes pixels of `a` and `b` (Uint32, RGBA) and writes `out`.

const TILES = 8;
const ORANGE = packedColour(255, 122, 26);

export const MODES = {
  single: (a, b, out) => out.set(a),

  blend(a, b, out, { mix }) {
    const share = Math.round(256 * mix);
    const rest = 256 - share;
    for (let i = 0; i < out.length; i++) {
      const p = a[i];
      const q = b[i];
      // Two channels at once: red and blue, then green.
      const pair = (((p & 0xff00ff) * rest + (q & 0xff00ff) * share) >>> 8) & 0xff00ff;
      const green = (((p >>> 8) & 0xff) * rest + ((q >>> 8) & 0xff) * share) & 0xff00;
      out[i] = 0xff000000 | pair | green;
    }
  },

  swipe(a, b, out, { mix, width }) {
    const edge = Math.round(mix * width);
    for (let start = 0; start < out.length; start += width) {
      out.set(a.subarray(start, start + edge), start);
      out.set(b.subarray(start + edge, start + width), start + edge);
    }
  },

  flicker: (a, b, out, { flip }) => out.set(flip ? b : a),

  checkerboard(a, b, out, { width, height }) {
    const side = Math.max(1, Math.floor(Math.max(width, height) / TILES));
    for (let row = 0, i = 0; row < height; row++) {
      for (let column = 0; column < width; column++, i++) {
        out[i] = (Math.floor(row / side) + Math.floor(column / side)) % 2 ? b[i] : a[i];
      }
    }
  },

  // Outlines of `b` on `a`: crests of the change of its brightness; `mix` sets how many of them are drawn.
  edges(a, b, out, { mix, width, height }) {
    out.set(a);
    const crests = crestsOf(b, width, height);
    const seen = crests.filter((one) => one > 0).sort();
    if (!seen.length) return;
    const least = seen[Math.floor((seen.length - 1) * (1 - mix))];
    for (let i = 0; i < out.length; i++) if (crests[i] >= least && crests[i] > 0) out[i] = ORANGE;
  },
};

const FAINT = 6; // a smaller change of brightness, of 255, is no edge

// The strength of the change where it is largest along its own direction, else 0.
function crestsOf(pixels, width, height) {
  const across = new Float32Array(pixels.length);
  const down = new Float32Array(pixels.length);
  const strength = new Float32Array(pixels.length);
  for (let row = 1; row < height - 1; row++) {
    for (let i = row * width + 1; i < (row + 1) * width - 1; i++) {
      across[i] = brightness(pixels[i + 1]) - brightness(pixels[i - 1]);
      down[i] = brightness(pixels[i + width]) - brightness(pixels[i - width]);
      strength[i] = Math.hypot(across[i], down[i]);
    }
  }
  return strength.map((one, i) => {
    if (one <= FAINT) return 0;
    const step = Math.abs(across[i]) > Math.abs(down[i]) ? 1 : width;
    return one >= strength[i - step] && one > strength[i + step] ? one : 0;
  });
}

function brightness(colour) {
  return 0.299 * (colour & 0xff) + 0.587 * ((colour >>> 8) & 0xff) + 0.114 * ((colour >>> 16) & 0xff);
}
