// Layer by layer: each step of forward with a picture of its output.

const PLAIN = ["input", "constant", "reshape", "transpose", "take", "Flatten", "Reshape", "arange", "concatenate"];
const MOST_MAPS = 48;

// A canvas whose pixels are values; pointing at one reads it out.
class Picture {
  constructor(readout) {
    this.canvas = el("canvas");
    this.canvas.onpointermove = (event) => {
      const box = this.canvas.getBoundingClientRect();
      const x = Math.floor((event.clientX - box.left) / box.width * this.canvas.width);
      const y = Math.floor((event.clientY - box.top) / box.height * this.canvas.height);
      readout.textContent = this.at?.(x, y) ?? "";
    };
    this.canvas.onpointerleave = () => { readout.textContent = ""; };
  }

  size(scale) {
    this.canvas.style.width = `${this.canvas.width * scale}px`;
    this.canvas.style.height = `${this.canvas.height * scale}px`;
  }

  // Maps (C, H, W), side by side; value(c, y, x).
  maps(C, H, W, value, most, room, side = 52) {
    const shown = Math.min(C, MOST_MAPS), scale = Math.max(1, Math.min(12, Math.round(side / Math.max(H, W))));
    const columns = Math.max(1, Math.min(shown, Math.floor((room + scale) / ((W + 1) * scale))));
    const rows = Math.ceil(shown / columns);
    const place = (px, py) => {
      const x = px % (W + 1), y = py % (H + 1), c = Math.floor(py / (H + 1)) * columns + Math.floor(px / (W + 1));
      return x < W && y < H && c < shown ? [c, y, x] : null;
    };
    Object.assign(this.canvas, { width: columns * (W + 1) - 1, height: rows * (H + 1) - 1 });
    const context = this.canvas.getContext("2d"), image = context.createImageData(this.canvas.width, this.canvas.height);
    for (let c = 0; c < shown; c++) {
      const left = (c % columns) * (W + 1), top = Math.floor(c / columns) * (H + 1);
      for (let y = 0; y < H; y++) {
        for (let x = 0; x < W; x++) {
          const colour = diverging(value(c, y, x) / most), at = 4 * ((top + y) * image.width + left + x);
          for (let k = 0; k < 3; k++) image.data[at + k] = colour[k];
          image.data[at + 3] = 255;
        }
      }
    }
    context.putImageData(image, 0, 0);
    this.at = (px, py) => {
      const found = place(px, py);
      return found ? `[${found[1]}, ${found[2]}, ${found[0]}] = ${number(value(...found))}` : "";
    };
    this.size(scale);
  }

  // A sequence (T, C): one row a position.
  rows(T, C, value, most, room) {
    paint(this.canvas, C, T, (x, y) => diverging(value(y, x) / most));
    this.at = (x, y) => `[${y}, ${x}] = ${number(value(y, x))}`;
    this.canvas.style.width = `${Math.min(room, Math.max(C * 3, 120))}px`;
    this.canvas.style.height = `${Math.max(24, Math.min(T * 8, 160))}px`;
  }

  // Units (F,): squares in rows.
  units(F, value, most, room) {
    const cell = F <= 32 ? 18 : F <= 256 ? 10 : 6, columns = Math.min(F, Math.floor(room / cell));
    const place = (x, y) => Math.floor(y / cell) * columns + Math.floor(x / cell);
    Object.assign(this.canvas, { width: columns * cell, height: Math.ceil(F / columns) * cell });
    const context = this.canvas.getContext("2d");
    for (let k = 0; k < F; k++) {
      context.fillStyle = css(mix(diverging(value(k) / most), colours.line, 0.12));
      context.fillRect((k % columns) * cell, Math.floor(k / columns) * cell, cell - 1, cell - 1);
    }
    this.at = (x, y) => (place(x, y) < F ? `[${place(x, y)}] = ${number(value(place(x, y)))}` : "");
    this.size(1);
  }
}

// The attention layers in a layer or its parts.
function attentions(layer) {
  if (!layer) return [];
  const inside = Object.values(layer).filter((part) => part instanceof Layer).flatMap(attentions);
  return "num_heads" in layer && layer.p ? [layer, ...inside] : inside;
}

class LayerView {
  constructor({ heads = true, closed = false } = {}) {
    this.rows = [];
    this.showsHeads = heads;
    const list = el("div.card.layers");
    for (const node of model.nodes) {
      const ofPlaces = node.inputs.some((i) => model.nodes[i]?.type === "arange"); // the same for all inputs
      if (PLAIN.includes(node.type) || ofPlaces) continue;
      const readout = el("output.readout"), pictures = el("div.pictures"), shape = el("code");
      const formula = layers[node.type]?.formula ?? "";
      const head = el("div", {}, el("div.name", {}, node.type), el("code", {}, node.path || say("forward")), " ", shape,
        el("div.formula", {}, formula), readout);
      list.append(el("div.layer", {}, head, pictures));
      this.rows.push({ node, shape, pictures, readout, main: new Picture(readout), heads: [] });
    }
    const legend = el("div.legend", {}, say("negative"), el("i"), say("positive, each picture by its own largest value"));
    this.element = el("details", { open: !closed, ontoggle: () => this.show() }, el("summary", {}, el("h2", {}, say("Layer by layer"))), legend, list);
    document.getElementById("layers").replaceChildren(this.element);
  }

  // Show the outputs of the latest forward of one sample.
  show() {
    if (!this.element.open || !model.nodes[model.output].value) return;
    const room = this.rows[0] ? Math.max(120, this.rows[0].pictures.clientWidth) : 300;
    for (const row of this.rows) this.showRow(row, room);
  }

  showRow({ node, shape, pictures, readout, main, heads }, room) {
    const { shape: [, ...sizes], data } = node.value;
    const most = data.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-12);
    shape.textContent = `(${sizes.join(", ")})`;
    if (sizes.length === 3) {
      const [H, W, C] = sizes;
      main.maps(C, H, W, (c, y, x) => data[(y * W + x) * C + c], most, room);
      if (C > MOST_MAPS) shape.textContent += ` ${say("first {n}", { n: MOST_MAPS })}`;
    } else if (sizes.length === 2) {
      main.rows(...sizes, (t, c) => data[t * sizes[1] + c], most, room);
    } else {
      main.units(data.length, (k) => data[k], most, room);
    }
    const found = this.showsHeads ? attentions(node.layer) : [];
    while (heads.length < found.length) heads.push(new Picture(readout));
    found.forEach((layer, k) => {
      const [, H, T, S] = layer.p.shape, p = layer.p.data;
      heads[k].maps(H, T, S, (h, t, s) => p[(h * T + t) * S + s], p.reduce((m, v) => Math.max(m, v), 0), room, 84);
      heads[k].told = say("attention: {n} heads; row: the position that looks, column: where it looks", { n: H });
    });
    if (pictures.childElementCount === 1 + heads.length) return;
    const captions = [found.length ? say("output: a row for each position") : "", ...heads.map((head) => head.told)];
    pictures.replaceChildren(...[main, ...heads].map((picture, k) =>
      el("figure", {}, picture.canvas, captions[k] ? el("figcaption", {}, captions[k]) : "")));
  }
}
