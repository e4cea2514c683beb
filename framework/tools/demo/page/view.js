// Parts of every page: elements, words, numbers, colours, bars.

const model = new Model(network);

// A text in the page's language; {name} is replaced by values.
function say(text, values = {}) {
  const said = facts.words[text] ?? text;
  return said.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// An element: el("button.main", { onclick: f }, "text", child, ...).
function el(kind, settings = {}, ...children) {
  const [tag, ...classes] = kind.split("."), made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(settings)) {
    if (name in made && !name.startsWith("aria")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function number(value, digits = 3) {
  return value.toLocaleString(facts.language, { maximumSignificantDigits: digits });
}

function count(value) { return value.toLocaleString(facts.language); }

function percent(share, digits = 1) {
  return share.toLocaleString(facts.language, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// --- colours, from the style sheet, so that pictures follow light and dark ---------------------

let colours = {}, palette = [];

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ink", "card", "page", "blue", "orange", "line", "quiet", "soft"]) {
    const hex = style.getPropertyValue(`--${name}`).trim();
    colours[name] = [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
  }
  palette = Array.from({ length: 255 }, (_, k) => { // of values from -1, orange, over 0, the card's, to 1, blue
    const v = (k - 127) / 127;
    return mix(colours.card, v < 0 ? colours.orange : colours.blue, Math.abs(v) ** 0.75);
  });
}

function css(colour, alpha = 1) { return `rgb(${colour.join(" ")} / ${alpha})`; }

function mix(a, b, share) { return a.map((v, k) => v + (b[k] - v) * share); }

function diverging(v) { return palette[Math.round(127 + 127 * Math.max(-1, Math.min(1, v)))]; }
readColours();

// Fill a canvas of width × height with colours f(x, y); `null` leaves a pixel free.
function paint(canvas, width, height, f) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const colour = f(x, y), at = 4 * (y * width + x);
      if (!colour) continue;
      for (let c = 0; c < 3; c++) image.data[at + c] = colour[c];
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

// Draw everything again where light becomes dark.
const redraws = [];
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  readColours();
  redraws.forEach((redraw) => redraw());
});

// --- probabilities --------------------------------------------------------------------------------

// The probabilities of classes from the network's output of one sample.
function probabilities(scores) {
  const s = Array.from(scores);
  if (facts.activation === "sigmoid" || (facts.activation === "none" && s.length === 1)) {
    const p = facts.activation === "sigmoid" ? sigmoid(s[0]) : s[0];
    return [1 - p, p];
  }
  if (facts.activation === "none") return s;
  return Array.from(softmax(new Arr([s.length], s)).data);
}

class Bars {
  // Rows of label, bar and share; of many classes the most probable.
  constructor(most = 12) {
    this.most = most;
    this.element = el("div.bars", { role: "img" });
  }

  show(names, shares, target = -1) {
    let order = names.map((_, k) => k);
    if (order.length > this.most) order = order.sort((a, b) => shares[b] - shares[a]).slice(0, this.most);
    const best = shares.indexOf(Math.max(...shares));
    if (this.element.childElementCount !== 3 * order.length) {
      this.element.replaceChildren(...order.flatMap(() => [el("span"), el("div.bar", {}, el("i")), el("span")]));
    }
    const cells = this.element.children;
    order.forEach((k, row) => {
      const [name, bar, share] = [0, 1, 2].map((column) => cells[3 * row + column]);
      name.textContent = names[k];
      name.title = names[k];
      name.className = [k === best ? "bestname" : "", k === target && k !== best ? "missed" : ""].join(" ");
      bar.className = k === best ? "bar best" : "bar";
      bar.firstChild.style.width = `${100 * shares[k]}%`;
      share.textContent = percent(shares[k]);
    });
    this.element.setAttribute("aria-label", order.map((k) => `${names[k]} ${percent(shares[k])}`).join(", "));
  }
}

// --- what the page says about the network ---------------------------------------------------------

function measured(metric, value) { return metric === "accuracy" ? percent(value, 2) : number(value, 5); }

function showFacts() {
  const { metric, after, samples, split } = facts.report, parts = [];
  parts.push(say("{n} parameters", { n: count(facts.parameters) }));
  parts.push(say(`{value} ${metric} on {n} ${split} samples`, { value: measured(metric, after), n: count(samples) }));
  document.getElementById("facts").textContent = parts.join(" · ");
}

function showAbout(...more) {
  const { formats, metric, before, after, difference } = facts.report;
  const kinds = Object.entries(formats).map(([form, n]) => `${n} ${form}`).join(", ");
  const rounding = Object.keys(formats).join() === "float32" ? say("They are those of the training, unchanged.")
    : say(`Rounding them changed the ${metric} from {before} to {after}.`,
      { before: measured(metric, before), after: measured(metric, after) });
  const check = difference === null ? say("The page was not compared with NumPy when it was made.")
    : say("Compared with NumPy when the page was made: the largest difference is {d} of the largest output.",
      { d: difference.toExponential(0) });
  document.getElementById("about").replaceChildren(
    el("h2", {}, say("About this page")),
    ...more.map((text) => el("p", {}, text)),
    el("p", {}, say("The network runs in your browser. This page is one file, works offline, and sends nothing.")),
    el("p", {}, `${say("Arrays of weights: {kinds}.", { kinds })} ${rounding} ${check}`),
    el("p", {}, say("Made with firstlight. The page's source shows each layer's formula, as the lessons do.")),
  );
}
