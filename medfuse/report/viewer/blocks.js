// Packed volumes of the page: base64 of gzip, unpacked when a volume is first looked at.

export async function unpack(id, wide) {
  const element = document.getElementById(id);
  const text = element.textContent.trim();
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const raw = new Uint8Array(await new Response(stream).arrayBuffer());
  element.remove(); // the text is not needed again
  return wide ? joined(raw) : raw;
}

// All low bytes stand before all high bytes.
function joined(raw) {
  const count = raw.length / 2;
  const codes = new Uint16Array(count);
  for (let i = 0; i < count; i++) codes[i] = raw[i] | (raw[count + i] << 8);
  return codes;
}
