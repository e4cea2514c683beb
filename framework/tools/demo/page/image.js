// Images: draw one, drop one, or choose one; probabilities, what the network sees, and where it looks.

const SIDE = 300; // of the pad, in its own units
const samples = decode(facts.samples.tensors, facts.samples.weights)[0];
const bars = new Bars(), layerView = new LayerView();
let strokes = [], picture = new Float32Array(H * W * C), target = -1, chosen = -1, pen = null;

// --- drawing on the page --------------------------------------------------------------------------

async function openFile(file) {
  try {
    const image = await createImageBitmap(file);
    strokes = [];
    [target, chosen] = [-1, -1];
    picture = INK ? inkPixels(image) : photoPixels(image);
    update();
  } catch {
    answer.textContent = say("{name} is not a picture", { name: file.name });
  }
}

function pixelColour(pixels, i) {
  if (C === 3) return [0, 1, 2].map((c) => 255 * pixels[3 * i + c]);
  return INK ? mix(colours.page, colours.ink, pixels[i]) : Array(3).fill(255 * pixels[i]);
}

function showPixels(canvas, pixels) { paint(canvas, W, H, (x, y) => pixelColour(pixels, y * W + x)); }

function showPad() {
  const context = pad.getContext("2d");
  context.clearRect(0, 0, SIDE, SIDE);
  if (strokes.length) {
    Object.assign(context, { lineWidth: 20, lineCap: "round", lineJoin: "round", strokeStyle: css(colours.ink) });
    strokes.forEach((line) => stroke(context, line));
  } else if (picture.some((v) => v > 0)) {
    const small = el("canvas");
    showPixels(small, picture);
    context.imageSmoothingEnabled = false;
    const scale = SIDE / Math.max(W, H);
    context.drawImage(small, (SIDE - W * scale) / 2, (SIDE - H * scale) / 2, W * scale, H * scale);
  }
  if (pen) {
    context.strokeStyle = css(colours.blue);
    context.lineWidth = 3;
    context.strokeRect(pen.x - 10, pen.y - 10, 20, 20);
  }
  hint.hidden = strokes.length > 0 || picture.some((v) => v > 0);
}

// --- the answer -------------------------------------------------------------------------------------

let waiting = false, occluding = 0;

function update() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    if (strokes.length) picture = drawnPixels(strokes);
    showPad();
    classify();
  });
}

function classify() {
  const empty = !picture.some((v) => v > 0);
  const begin = performance.now();
  const x = new Arr([1, H, W, C], prepare(picture));
  const scores = model.forward(x).data, shares = probabilities(scores), took = performance.now() - begin;
  const best = shares.indexOf(Math.max(...shares));
  showPixels(seen, picture);
  answer.textContent = empty ? "–" : facts.classes[best];
  answer.className = facts.classes[best].length > 3 ? "long" : "";
  const truth = target < 0 ? "" : target === best ? say("right") : say("wrong: it is {name}", { name: facts.classes[target] });
  sure.textContent = empty ? "" : [percent(shares[best]), truth].filter(Boolean).join(" · ");
  time.textContent = say("answer in {ms} ms", { ms: number(Math.max(took, 0.1), 2) });
  bars.show(facts.classes, empty ? shares.map(() => 0) : shares, target);
  layerView.show();
  [...strip.children].forEach((button, k) => button.setAttribute("aria-pressed", k === chosen));
  occlude(empty ? null : best, sureness(scores, best));
}

// How sure the network is of a class: log of its odds, p / (1 - p).
function sureness(scores, k) {
  if (facts.activation === "softmax") { // exact where p is as good as 1
    const others = scores.filter((_, i) => i !== k), m = Math.max(...others);
    return scores[k] - m - Math.log(others.reduce((s, v) => s + Math.exp(v - m), 0));
  }
  const p = Math.min(1 - 1e-6, Math.max(1e-6, probabilities(scores)[k]));
  return Math.log(p / (1 - p));
}

// Cover one square after the other, and see how much less sure of its answer the network is: blue
// squares speak for the answer, orange ones against it. A few squares at a time, so that the page
// stays awake.
function occlude(best, sure) {
  const run = ++occluding, size = Math.max(1, Math.round(Math.min(H, W) / 6)), step = Math.max(1, Math.floor(size / 2));
  const lost = new Float32Array(H * W), times = new Float32Array(H * W), squares = [];
  for (let y = 1 - step; y < H; y += step) for (let x = 1 - step; x < W; x += step) squares.push([y, x]);
  const background = INK ? 0 : picture.reduce((s, v) => s + v, 0) / picture.length, pixels = picture;
  const show = () => {
    const mean = lost.map((v, i) => v / Math.max(1, times[i]));
    const most = mean.reduce((m, v) => Math.max(m, Math.abs(v)), 0.3);
    paint(looks, W, H, (x, y) => {
      const i = y * W + x, base = INK ? mix(colours.page, colours.quiet, 0.35 * pixels[i]) : mix(colours.page, pixelColour(pixels, i), 0.25);
      return mix(base, mean[i] < 0 ? colours.orange : colours.blue, Math.min(1, Math.abs(mean[i]) / most));
    });
  };
  show();
  if (best === null) return;
  const some = () => {
    if (run !== occluding) return;
    const end = performance.now() + 12;
    while (squares.length && performance.now() < end) {
      const [top, left] = squares.shift(), covered = pixels.slice(), inside = [];
      for (let y = Math.max(0, top); y < Math.min(H, top + size); y++) {
        for (let x = Math.max(0, left); x < Math.min(W, left + size); x++) {
          inside.push(y * W + x);
          for (let c = 0; c < C; c++) covered[(y * W + x) * C + c] = background;
        }
      }
      if (inside.every((i) => pixels.subarray(i * C, i * C + C).every((v) => v === background))) {
        inside.forEach((i) => times[i]++); // nothing changes
        continue;
      }
      const scores = model.forward(new Arr([1, H, W, C], prepare(covered)), false).data;
      inside.forEach((i) => { lost[i] += sure - sureness(scores, best); times[i]++; });
    }
    show();
    if (squares.length) setTimeout(some);
  };
  setTimeout(some, 60);
}

// --- the page -----------------------------------------------------------------------------------------

function place(event) {
  const box = pad.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width * SIDE, (event.clientY - box.top) / box.height * SIDE];
}

function clearPad() {
  strokes = [];
  [target, chosen, pen] = [-1, -1, null];
  picture = new Float32Array(H * W * C);
  update();
}

function choose(k) {
  strokes = [];
  [chosen, target] = [k, facts.samples.labels[k]];
  picture = samples.data.slice(k * H * W * C, (k + 1) * H * W * C).map((v) => v / 255);
  update();
}

const pad = el("canvas", { width: SIDE, height: SIDE, tabIndex: 0, role: "application",
  "aria-label": say("Drawing area. Arrow keys move the pen, the space bar puts it down and lifts it.") });
const digits = facts.classes.every((name) => /^\d$/.test(name));
const hint = el("span.hint", {}, say(digits ? "Draw a digit here" : "Draw here"));
const [seen, looks] = [el("canvas"), el("canvas")], strip = el("div.samples");
const answer = el("b"), sure = el("span"), time = el("p.quiet.time");
const file = el("input", { type: "file", accept: "image/*", hidden: true, onchange: () => file.files[0] && openFile(file.files[0]) });

if (INK) {
  pad.onpointerdown = (event) => {
    if (event.button) return;
    pad.setPointerCapture(event.pointerId);
    if (!strokes.length) [target, chosen, pen] = [-1, -1, null];
    strokes.push([place(event)]);
    update();
  };
  pad.onpointermove = (event) => {
    if (!pad.hasPointerCapture(event.pointerId) || !strokes.length) return;
    const passed = event.getCoalescedEvents?.() ?? []; // between two frames
    for (const each of passed.length ? passed : [event]) strokes[strokes.length - 1].push(place(each));
    update();
  };
  pad.onkeydown = (event) => {
    const steps = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] };
    if (!(event.key in steps) && event.key !== " ") return;
    event.preventDefault();
    pen = pen ?? { x: SIDE / 2, y: SIDE / 2, down: false };
    if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) strokes.push([[pen.x, pen.y]]);
    } else {
      pen.x = Math.min(SIDE - 10, Math.max(10, pen.x + steps[event.key][0]));
      pen.y = Math.min(SIDE - 10, Math.max(10, pen.y + steps[event.key][1]));
      if (pen.down) strokes[strokes.length - 1].push([pen.x, pen.y]);
    }
    [target, chosen] = [-1, -1];
    update();
  };
} else {
  pad.style.cursor = "default";
  hint.textContent = say("Drop a picture here");
}
const frame = el("div.pad", {}, pad, hint);
document.body.ondragover = (event) => { event.preventDefault(); frame.classList.add("over"); };
document.body.ondragleave = () => frame.classList.remove("over");
document.body.ondrop = (event) => {
  event.preventDefault();
  frame.classList.remove("over");
  if (event.dataTransfer.files[0]) openFile(event.dataTransfer.files[0]);
};

facts.samples.labels.forEach((label, k) => {
  const canvas = el("canvas");
  const pixels = samples.data.subarray(k * H * W * C, (k + 1) * H * W * C).map((v) => v / 255);
  const wrong = facts.samples.wrong.includes(k);
  const told = say(wrong ? "sample {k}: {name}, which the network mistakes" : "sample {k}: {name}", { k: k + 1, name: facts.classes[label] });
  strip.append(el(wrong ? "button.wrong" : "button", { "aria-label": told, title: told, onclick: () => choose(k) }, canvas));
  redraws.push(() => showPixels(canvas, pixels));
  showPixels(canvas, pixels);
});

const buttons = el("div.row", { style: "margin-top: 14px" },
  ...(INK ? [el("button", { onclick: clearPad }, say("Clear"))] : []),
  el("button", { onclick: () => file.click() }, say("Open a picture")), file,
  el("span.quiet", {}, say(INK ? "Draw with mouse, finger or arrow keys, or drop a picture." : "or drop one")));
document.getElementById("main").replaceChildren(el("div.two", {},
  el("div.card", {},
    el("h2", {}, say(!INK ? "A picture" : digits ? "Draw a digit" : "Draw")),
    el("div.draw", {}, frame, el("div.seen", {},
      el("figure", {}, seen, el("figcaption", {}, say("what the network sees"))),
      el("figure", {}, looks, el("figcaption", {}, say("where it looks"))))),
    buttons),
  el("div.card", {},
    el("h2", {}, say("Answer")),
    el("div.answer", { "aria-live": "polite" }, answer, sure), bars.element, time),
), el("div.card", { style: "margin-top: 20px" },
  el("h2", {}, say(`Or choose from the ${facts.report.split} data`)), strip,
  facts.samples.wrong.length ? el("p.quiet", { style: "margin: 8px 0 0" }, el("span.dot"), ` ${say("the network's mistakes")}`) : ""));

showFacts();
const about = [];
if (INK) {
  about.push(say(INK.centre === "mass"
    ? "A drawing is scaled so that its longer side takes {box} of {size} pixels, and is centred by its centre of mass, as in the training images."
    : "A drawing is scaled so that its longer side takes {box} of {size} pixels, and its bounding box is put in the middle, as in the training images.",
  { box: number(INK.box), size: Math.max(H, W) }));
}
about.push(say("Where it looks: a small square is covered at each place in turn. Blue: without it the network is less sure of its answer (in log odds); orange: surer."));
showAbout(...about);
redraws.push(update);
addEventListener("resize", () => requestAnimationFrame(() => layerView.show()));
choose(0);
