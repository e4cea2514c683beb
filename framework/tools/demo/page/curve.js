// Curves: drag the points, and fit the network to them, here.

const { mean: [MEAN], std: [STD] } = facts.input, [LOW, HIGH] = facts.range;
const WIDTH = 720, HEIGHT = 420, EDGE = { left: 52, right: 16, top: 16, bottom: 40 };
const start = facts.points.map((p) => [...p]);
let points = start.map((p) => [...p]), learning = false, steps = 0;
let held = -1, touched = -1; // the point that is dragged, and the one where the latest click began

function prepare(xs) { return new Arr([xs.length, 1], Float32Array.from(xs, (x) => (x - MEAN) / STD)); }

function curve(xs) { return Array.from(model.forward(prepare(xs), false).data); }

// --- fitting ------------------------------------------------------------------------------------------

const weighted = model.nodes.filter((node) => node.layer && Object.keys(node.arrays).length);
const last = weighted[weighted.length - 1];
// Linear in its weights: one linear layer of features that have none, as in a polynomial.
const isLinear = weighted.length === 1 && last.type === "Linear" && model.nodes.indexOf(last) === model.output && last.layer.bias;
// A chain of layers with a backward each, from the first with weights to the output.
const chain = model.nodes.slice(model.nodes.indexOf(weighted[0]));
const canLearn = !isLinear && chain.every((node, k) => node.layer?.backward && (k === 0 || node.inputs[0] === model.nodes.indexOf(node) - 1))
  && model.output === model.nodes.length - 1;
const original = weighted.map(({ layer }) => ({ weight: layer.weight.data.slice(), bias: layer.bias?.data.slice() }));

// Least squares: w of the smallest Σ (φ_n w - t_n)² + λ |w|², by the normal equations in double precision.
function leastSquares(phi, t, ridge) {
  const M = phi[0].length, A = Array.from({ length: M }, (_, i) => Float64Array.from({ length: M + 1 }, (_, j) => {
    if (j === M) return phi.reduce((s, row, n) => s + row[i] * t[n], 0);
    return phi.reduce((s, row) => s + row[i] * row[j], i === j ? ridge : 0);
  }));
  for (let k = 0; k < M; k++) { // elimination with the largest pivot
    const pivot = A.slice(k).reduce((best, row, i) => (Math.abs(row[k]) > Math.abs(A[best][k]) ? i + k : best), k);
    [A[k], A[pivot]] = [A[pivot], A[k]];
    for (let i = k + 1; i < M; i++) {
      const factor = A[i][k] / A[k][k];
      for (let j = k; j <= M; j++) A[i][j] -= factor * A[k][j];
    }
  }
  const w = new Float64Array(M);
  for (let i = M - 1; i >= 0; i--) {
    let rest = A[i][M];
    for (let j = i + 1; j < M; j++) rest -= A[i][j] * w[j];
    w[i] = rest / A[i][i];
  }
  return w;
}

// The best weights of the last layer for the points.
function fit() {
  const x = prepare(points.map(([a]) => a));
  model.forward(x);
  const features = model.nodes[last.inputs[0]].value, I = features.shape[1]; // (N, I)
  const phi = points.map((_, n) => [...features.data.subarray(n * I, (n + 1) * I), 1]);
  const w = leastSquares(phi, points.map(([, t]) => t), 1e-9 * points.length);
  last.layer.weight.data.set(w.subarray(0, I));
  last.layer.bias.data[0] = w[I];
}

// Steps of Adam on the mean squared error of all points: forward, backward, update.
const moments = weighted.map(() => ({}));
function learn(count, lr = 0.01) {
  const x = prepare(points.map(([a]) => a));
  for (let n = 0; n < count; n++) {
    steps++;
    const y = model.forward(x), N = points.length;
    let dy = new Arr([N, 1], Float32Array.from(points, ([, t], i) => 2 * (y.data[i] - t) / N));
    for (const node of [...chain].reverse()) dy = node.layer.backward(dy);
    weighted.forEach(({ layer }, k) => {
      for (const name of ["weight", "bias"]) if (layer[name]) adam(layer[name].data, layer.grad[name].data, moments[k], name, lr);
    });
  }
}

function adam(w, g, kept, name, lr) {
  const m = (kept[`m_${name}`] ??= new Float32Array(w.length)), v = (kept[`v_${name}`] ??= new Float32Array(w.length));
  for (let i = 0; i < w.length; i++) {
    m[i] = 0.9 * m[i] + 0.1 * g[i];
    v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
    w[i] -= lr * (m[i] / (1 - 0.9 ** steps)) / (Math.sqrt(v[i] / (1 - 0.999 ** steps)) + 1e-8);
  }
}

function restore() {
  weighted.forEach(({ layer }, k) => {
    layer.weight?.data.set(original[k].weight);
    layer.bias?.data.set(original[k].bias);
    moments[k] = {};
  });
  steps = 0;
}

// --- the plot -------------------------------------------------------------------------------------------

const margin = 0.04 * (HIGH - LOW), left = LOW - margin, right = HIGH + margin;
const grid = Array.from({ length: 241 }, (_, k) => left + (right - left) * k / 240);
const trained = curve(grid), inner = (values) => values.filter((_, k) => grid[k] >= LOW && grid[k] <= HIGH);
const all = [...points.map(([, y]) => y), ...inner(trained)], spread = Math.max(...all) - Math.min(...all) || 1;
const [least, most] = [Math.min(...all) - 0.25 * spread, Math.max(...all) + 0.25 * spread];
const px = (x) => EDGE.left + (x - left) / (right - left) * (WIDTH - EDGE.left - EDGE.right);
const py = (y) => HEIGHT - EDGE.bottom - (y - least) / (most - least) * (HEIGHT - EDGE.top - EDGE.bottom);
const ux = (p) => left + (p - EDGE.left) / (WIDTH - EDGE.left - EDGE.right) * (right - left);
const uy = (p) => least + (HEIGHT - EDGE.bottom - p) / (HEIGHT - EDGE.top - EDGE.bottom) * (most - least);

function svg(tag, settings = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(settings)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function ticks(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step || 0);
  return found;
}

function path(values) {
  return values.map((y, k) => `${k ? "L" : "M"}${px(grid[k]).toFixed(1)} ${Math.max(-999, Math.min(9999, py(y))).toFixed(1)}`).join("");
}

const plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", role: "group", "aria-label": say("points and curve") });
const axes = svg("g", { class: "axes" });
for (const x of ticks(left, right)) {
  axes.append(svg("line", { x1: px(x), x2: px(x), y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
    svg("text", { x: px(x), y: HEIGHT - EDGE.bottom + 20, "text-anchor": "middle" }, number(x)));
}
for (const y of ticks(least, most)) {
  axes.append(svg("line", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: py(y), y2: py(y) }),
    svg("text", { x: EDGE.left - 8, y: py(y) + 4, "text-anchor": "end" }, number(y)));
}
axes.append(svg("text", { x: WIDTH - EDGE.right, y: HEIGHT - 4, "text-anchor": "end" }, "x"), svg("text", { x: 8, y: EDGE.top + 8 }, "y"));
const clip = svg("clipPath", { id: "inside" }, svg("rect", { x: EDGE.left, y: EDGE.top, width: WIDTH - EDGE.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom }));
const before = svg("path", { class: "before", d: path(trained) }), now = svg("path", { class: "now" });
const gaps = svg("path", { class: "gaps" }), dots = svg("g");
plot.append(clip, axes, svg("g", { "clip-path": "url(#inside)" }, before, now, gaps), dots);

function update(refit = true) {
  if (refit && isLinear) fit();
  const values = curve(grid), at = curve(points.map(([x]) => x));
  now.setAttribute("d", path(values));
  gaps.setAttribute("d", points.map(([x, y], k) => `M${px(x)} ${py(y)}V${Math.max(-999, Math.min(9999, py(at[k])))}`).join(""));
  while (dots.childElementCount > points.length) dots.lastChild.remove();
  while (dots.childElementCount < points.length) dots.append(svg("circle", { r: 8, tabindex: 0 }));
  points.forEach(([x, y], k) => {
    const dot = dots.children[k];
    dot.setAttribute("cx", px(x));
    dot.setAttribute("cy", py(y));
    dot.setAttribute("aria-label", `x ${number(x)}, y ${number(y)}`);
  });
  const rms = Math.sqrt(points.reduce((s, [, y], k) => s + (y - at[k]) ** 2, 0) / points.length);
  error.textContent = number(rms);
  told.textContent = canLearn ? say("{n} steps of Adam", { n: count(steps) }) : "";
  showWeights();
  showLayers();
}

// What each layer makes of x: a line for each of its units.
const drawn = model.nodes.filter((node) => node.layer || node.type === "concatenate").map((node) => {
  const lines = svg("svg", { viewBox: "0 0 240 80", preserveAspectRatio: "none", class: "units" }), shape = el("code");
  const head = el("div", {}, el("div.name", {}, node.layer ? node.type : say("features")), el("code", {}, node.path), " ", shape,
    el("div.formula", {}, layers[node.type]?.formula ?? ""));
  return { node, lines, shape, row: el("div.layer", {}, head, lines) };
});

function showLayers() {
  model.forward(prepare(grid));
  for (const { node: { value }, lines, shape } of drawn) {
    const U = value.size / grid.length, units = Math.min(U, 64);
    const low = value.data.reduce((m, v) => Math.min(m, v)), high = value.data.reduce((m, v) => Math.max(m, v));
    const d = (u) => grid.map((_, k) => `${k ? "L" : "M"}${k} ${(78 - 76 * (value.data[k * U + u] - low) / (high - low || 1)).toFixed(1)}`).join("");
    while (lines.childElementCount < units) lines.append(svg("path"));
    [...lines.children].forEach((line, u) => line.setAttribute("d", d(u)));
    shape.textContent = `(${U})`;
  }
}

function showWeights() {
  const w = [...last.layer.weight.data.slice(0, 12)], largest = Math.max(1e-9, ...w.map(Math.abs));
  const rows = w.flatMap((v, k) => [el("span", {}, `w${k + 1}`), el("div.bar.signed", {}, el("i", {
    style: `width:${50 * Math.abs(v) / largest}%;margin-left:${v < 0 ? 50 - 50 * Math.abs(v) / largest : 50}%;background:var(--${v < 0 ? "orange" : "blue"});opacity:1;border-radius:0`,
  })), el("span", {}, number(v))]);
  weightBars.replaceChildren(...rows);
}

// --- what visitors do -------------------------------------------------------------------------------------

function place(event) {
  const box = plot.getBoundingClientRect();
  const x = ux((event.clientX - box.left) / box.width * WIDTH), y = uy((event.clientY - box.top) / box.height * HEIGHT);
  return [Math.min(right, Math.max(left, x)), Math.min(most, Math.max(least, y))];
}

plot.onpointerdown = (event) => {
  if (event.button) return;
  held = touched = [...dots.children].indexOf(event.target);
  if (held < 0) return;
  plot.setPointerCapture(event.pointerId);
  event.preventDefault();
  event.target.focus({ preventScroll: true });
};
plot.onclick = (event) => {
  if (touched >= 0 || event.detail > 1) return; // on a point, or the second of a double-click
  points.push(place(event));
  update();
};
plot.onpointermove = (event) => {
  if (held < 0 || !plot.hasPointerCapture(event.pointerId)) return;
  points[held] = place(event);
  requestAnimationFrame(() => update());
};
plot.onpointerup = () => { held = -1; };
function remove(k) {
  if (k < 0 || points.length < 2) return;
  points.splice(k, 1);
  held = -1;
  update();
}
plot.ondblclick = () => remove(touched);
plot.onkeydown = (event) => {
  const k = [...dots.children].indexOf(event.target), w = (right - left) / 100, h = (most - least) / 100;
  const moves = { ArrowLeft: [-w, 0], ArrowRight: [w, 0], ArrowUp: [0, h], ArrowDown: [0, -h] };
  if (k < 0) return;
  if (event.key === "Delete" || event.key === "Backspace") remove(k);
  else if (event.key in moves) {
    points[k] = points[k].map((v, axis) => v + moves[event.key][axis]);
    update();
  } else return;
  event.preventDefault();
};

function run() {
  if (!learning) return;
  const end = performance.now() + 12;
  do learn(1); while (performance.now() < end);
  update(false);
  requestAnimationFrame(run);
}

function toggle() {
  learning = !learning;
  play.textContent = say(learning ? "Pause" : "Learn");
  play.setAttribute("aria-pressed", learning);
  run();
}

function reset() {
  if (learning) toggle();
  points = start.map((p) => [...p]);
  restore();
  update(false);
}

const error = el("b"), told = el("span.quiet"), weightBars = el("div.bars"), play = el("button.main", { onclick: toggle }, say("Learn"));
document.getElementById("main").replaceChildren(el("div.card", {},
  el("h2", {}, say("Drag the points")), plot,
  el("div.row", {}, canLearn ? play : "", el("button", { onclick: reset }, say("As it was trained")), told),
  el("p.quiet", { style: "margin: 10px 0 0" }, say("Click to add a point; double-click, or the Delete key, removes one; arrow keys move it.")),
), el("div.two", { style: "margin-top: 20px" },
  el("div.card", {}, el("h2", {}, say("Root mean squared error at the points")), el("div.answer", { "aria-live": "polite" }, error)),
  el("div.card", {}, el("h2", {}, say("Weights of the last layer")), weightBars)));
document.getElementById("layers").replaceChildren(el("h2", {}, say("What each layer makes of x")),
  el("div.card.layers", {}, ...drawn.map(({ row }) => row)));
showFacts();
showAbout(
  isLinear ? say("Where you move a point, the weights are fitted by least squares, solved exactly with the network's own features; training reached its weights by gradient steps. The dashed curve is the one of the training.")
    : canLearn ? say("Learn runs gradient steps (Adam, learning rate 0.01) on your points, with the backward of each layer. The dashed curve is the one of the training.")
      : say("The network stays as it was trained: its layers have no backward in this page."),
);
update(false);
