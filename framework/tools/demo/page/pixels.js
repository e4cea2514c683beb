// Pixels: a drawing or a picture file becomes an image like those of the training.

const { shape: [H, W, C], mean: MEAN, std: STD, ink: INK } = facts.input;

// The network's input of pixels from 0 to 1, as in training.
function prepare(pixels) {
  return pixels.map((v, i) => (v - MEAN[i % MEAN.length]) / STD[i % STD.length]);
}

// --- from a drawing to pixels ---------------------------------------------------------------------

function extent(points) {
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return { centre: [(left + right) / 2, (top + bottom) / 2], side: Math.max(right - left, bottom - top) };
}

function stroke(context, points) {
  context.beginPath();
  context.moveTo(...points[0]);
  points.forEach((p) => context.lineTo(...p));
  if (points.length === 1) context.lineTo(points[0][0] + 0.01, points[0][1]);
  context.stroke();
}

// Draw lines FINE times finer than the image, and count the ink in each pixel.
const FINE = 8;
function rasterize(lines, width, shift) {
  const canvas = el("canvas", { width: W * FINE, height: H * FINE });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  Object.assign(context, { lineWidth: width * FINE, lineCap: "round", lineJoin: "round" });
  for (const line of lines) stroke(context, line.map(([x, y]) => [(x + shift[0]) * FINE, (y + shift[1]) * FINE]));
  return pooled(context, 3);
}

// Means of FINE × FINE pixels of one channel of a canvas, from 0 to 1.
function pooled(context, channel) {
  const { data } = context.getImageData(0, 0, W * FINE, H * FINE), pixels = new Float32Array(H * W);
  for (let y = 0; y < H * FINE; y++) {
    for (let x = 0; x < W * FINE; x++) {
      const at = Math.floor(y / FINE) * W + Math.floor(x / FINE);
      pixels[at] += data[4 * (y * W * FINE + x) + channel] / 255 / FINE ** 2;
    }
  }
  return pixels;
}

// How far the ink is from where it lies in the training images: by its centre of mass, if they are.
function offCentre(pixels) {
  let total = 0, x = 0, y = 0;
  pixels.forEach((v, i) => { total += v; x += v * (i % W + 0.5); y += v * (Math.floor(i / W) + 0.5); });
  if (!total || INK.centre !== "mass") return [0, 0];
  return [x / total - W / 2 - INK.offset[1], y / total - H / 2 - INK.offset[0]];
}

// The drawing as an image: its longer side takes INK.box pixels, and it is centred as in training.
function drawnPixels(strokes) {
  const { centre, side } = extent(strokes.flat()), width = Math.max(1, INK.box / 8);
  const scale = Math.min((INK.box - width) / Math.max(side, 1), INK.box / 60);
  const middle = INK.centre === "mass" ? [W / 2, H / 2] : [W / 2 + INK.offset[1], H / 2 + INK.offset[0]];
  const lines = strokes.map((line) => line.map((p) => p.map((v, k) => (v - centre[k]) * scale + middle[k])));
  const off = offCentre(rasterize(lines, width, [0, 0]));
  return rasterize(lines, width, off.map((v) => -v));
}

// --- from a picture file to pixels ----------------------------------------------------------------

function canvasOf(image, width, height, sx, sy, sw, sh) {
  const canvas = el("canvas", { width, height }), context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(image, sx, sy, sw, sh, 0, 0, width, height);
  return context;
}

// A photo: its middle, as large as fits, in the shape of the images.
function photoPixels(image) {
  const scale = Math.min(image.width / W, image.height / H), [w, h] = [W * scale, H * scale];
  const context = canvasOf(image, W * FINE, H * FINE, (image.width - w) / 2, (image.height - h) / 2, w, h);
  const planes = [0, 1, 2].map((channel) => pooled(context, channel));
  const pixels = new Float32Array(H * W * C);
  for (let i = 0; i < H * W; i++) {
    if (C === 3) planes.forEach((plane, c) => { pixels[i * C + c] = plane[i]; });
    else pixels[i] = 0.299 * planes[0][i] + 0.587 * planes[1][i] + 0.114 * planes[2][i];
  }
  return pixels;
}

// A picture of something drawn: ink is what differs from the border; cut out, scaled and centred.
function inkPixels(image) {
  const side = 256, scale = side / Math.max(image.width, image.height);
  const [w, h] = [Math.max(1, Math.round(image.width * scale)), Math.max(1, Math.round(image.height * scale))];
  const { data } = canvasOf(image, w, h, 0, 0, image.width, image.height).getImageData(0, 0, w, h);
  const grey = Float32Array.from({ length: w * h }, (_, i) => (0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]) / 255);
  const border = Array.from(grey.filter((_, i) => i % w === 0 || i % w === w - 1 || i < w || i >= w * (h - 1))).sort((a, b) => a - b);
  const paper = border[border.length >> 1], contrast = grey.reduce((m, v) => Math.max(m, Math.abs(v - paper)), 0.05);
  const ink = grey.map((v) => { const s = Math.abs(v - paper) / contrast; return s < 0.25 ? 0 : Math.min(1, 1.25 * s); });
  const places = [];
  ink.forEach((v, i) => { if (v > 0.3) places.push([i % w + 0.5, Math.floor(i / w) + 0.5]); });
  if (!places.length) return new Float32Array(H * W);
  const box = extent(places), fit = INK.box / (box.side + 1);
  const spread = (shift) => {
    const pixels = new Float32Array(H * W);
    ink.forEach((v, i) => {
      if (!v) return;
      const x = (i % w + 0.5 - box.centre[0]) * fit + W / 2 + shift[0], y = (Math.floor(i / w) + 0.5 - box.centre[1]) * fit + H / 2 + shift[1];
      const reach = Math.max(1, fit);
      for (let row = Math.floor(y - reach / 2); row <= y + reach / 2; row++) {
        for (let column = Math.floor(x - reach / 2); column <= x + reach / 2; column++) {
          const cover = Math.max(0, Math.min(column + 1, x + fit / 2) - Math.max(column, x - fit / 2))
            * Math.max(0, Math.min(row + 1, y + fit / 2) - Math.max(row, y - fit / 2));
          if (row >= 0 && row < H && column >= 0 && column < W) pixels[row * W + column] += v * cover;
        }
      }
    });
    return pixels.map((v) => Math.min(1, v));
  };
  return spread(offCentre(spread([0, 0])).map((v) => -v));
}
