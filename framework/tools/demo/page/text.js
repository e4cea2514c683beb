// Text: a prompt, its tokens, where each looks, and what may come next.

const LIMIT = facts.limit; // tokens that the network reads at once
const bars = new Bars(12), layerView = new LayerView({ heads: false, closed: true });
let tokens = [], first = 0, given = 0; // all tokens; the first that is read; how many are the prompt's
let read = [], scores = [], looks = []; // what the network has read, its outputs, and attention rows
let selected = -1, layer = 0, head = -1, writing = false;

// --- the network ----------------------------------------------------------------------------------------

const attention = [...model.layers()].filter((part) => "num_heads" in part);

function input(list) { return new Arr([1, list.length], Float32Array.from(list)); }

// Whether reading token by token gives what reading all at once gives, as in a causal network.
const incremental = (() => {
  const list = Array.from({ length: Math.min(6, LIMIT) }, (_, k) => (k * 7) % facts.vocab_size);
  model.restart();
  const whole = model.extend(input(list)).data;
  model.restart();
  const parts = list.flatMap((token) => [...model.extend(input([token])).data]);
  const most = whole.reduce((m, v) => Math.max(m, Math.abs(v)), 1);
  return parts.every((v, i) => Math.abs(v - whole[i]) < 1e-4 * most);
})();

// Read what is new in the text; with a beginning that has changed, all of it.
function readText() {
  if (tokens.length - first > LIMIT) first = tokens.length - Math.ceil(LIMIT / 2);
  first = Math.min(first, Math.max(0, tokens.length - 1));
  const list = tokens.slice(first);
  if (list.length === read.length && list.every((token, k) => token === read[k])) return;
  if (!incremental || !read.length || read.length >= list.length || !read.every((token, k) => token === list[k])) {
    model.restart();
    [read, scores, looks] = [[], [], attention.map(() => [])];
  }
  const fresh = list.slice(read.length), y = model.extend(input(fresh)), V = facts.vocab_size;
  fresh.forEach((_, n) => scores.push(y.data.slice(n * V, (n + 1) * V)));
  attention.forEach(({ p }, k) => {
    const [, H, T, S] = p.shape;
    for (let t = 0; t < T; t++) {
      looks[k].push(Array.from({ length: H }, (_, h) => p.data.slice((h * T + t) * S, (h * T + t + 1) * S)));
    }
  });
  read = list;
}

// How many tokens are drawn from; at the right end of the slider all of the vocabulary.
function topLimit() {
  return Number(topK.value) < Number(topK.max) ? Number(topK.value) : Infinity;
}

// Draw a token as firstlight.models.sampling does: temperature, then the k most probable.
function ranked(logits) {
  const T = Number(temperature.value), k = topLimit();
  const order = Array.from(logits, (_, i) => i).sort((a, b) => logits[b] - logits[a]).slice(0, T === 0 ? 1 : k);
  const e = order.map((i) => (T === 0 ? 1 : Math.exp((logits[i] - logits[order[0]]) / T)));
  const total = e.reduce((s, v) => s + v, 0);
  return order.map((token, n) => [token, e[n] / total]);
}

function sample(logits) {
  let rest = Math.random();
  for (const [token, p] of ranked(logits)) {
    rest -= p;
    if (rest < 0) return token;
  }
  return ranked(logits)[0][0];
}

// --- showing --------------------------------------------------------------------------------------------

function visible(token) {
  return decodeText([token]).replaceAll(" ", "␣").replaceAll("\n", "↵").replaceAll("\t", "⇥") || "∅";
}

function at() { return selected < 0 ? tokens.length - 1 : Math.min(selected, tokens.length - 1); }

function show(took) {
  const place = at() - first, names = [], shares = [];
  const found = place >= 0 ? ranked(scores[place]) : [];
  found.slice(0, 12).forEach(([token, p]) => { names.push(visible(token)); shares.push(p); });
  const came = tokens[at() + 1], target = came === undefined ? -1 : found.slice(0, 12).findIndex(([token]) => token === came);
  bars.show(names, shares, target);
  after.textContent = say("after “{text}”", { text: decodeText(tokens.slice(Math.max(0, at() - 15), at() + 1)) });
  if (took !== undefined) time.textContent = say("answer in {ms} ms", { ms: number(Math.max(took, 0.1), 2) });
  showChips(place);
  showHeads(place);
  layerView.show();
}

// The tokens; how much the selected one looks at each is its shade.
function showChips(place) {
  const row = looks[layer]?.[place];
  const weight = (k) => (!row ? 0 : head >= 0 ? row[head][k] ?? 0 : row.reduce((s, p) => s + (p[k] ?? 0), 0) / row.length);
  const most = row ? Math.max(...Array.from({ length: place + 1 }, (_, k) => weight(k)), 1e-9) : 1;
  while (chips.childElementCount > tokens.length) chips.lastChild.remove();
  while (chips.childElementCount < tokens.length) {
    const k = chips.childElementCount;
    chips.append(el("span.chip", { onclick: () => { selected = selected === k ? -1 : k; show(); } }));
  }
  tokens.forEach((token, k) => {
    const chip = chips.children[k], text = decodeText([token]), share = k < first ? 0 : weight(k - first) / most;
    const label = text === "\n" ? "↵\n" : text || "∅";
    if (chip.textContent !== label) chip.textContent = label;
    chip.className = ["chip", k < given ? "given" : "", k < first ? "gone" : "", k === at() ? "here" : ""].join(" ");
    chip.style.background = share > 0.02 ? css(colours.blue, 0.7 * share) : "";
    chip.title = k >= first && row && k - first <= place ? percent(weight(k - first)) : "";
  });
}

// The attention of each head of a layer: row, the position that looks; column, where it looks.
function showHeads(place) {
  if (!attention.length) return;
  const rows = looks[layer], T = rows.length;
  const tallest = heads.map((_, h) => rows.map((row) => (row[h] ?? [1]).reduce((m, v) => Math.max(m, v), 1e-9)));
  heads.forEach(({ button, canvas }, h) => {
    button.hidden = h >= attention[layer].num_heads;
    if (button.hidden) return;
    paint(canvas, T, T, (s, t) => {
      const v = (rows[t][h][s] ?? 0) / tallest[h][t], base = t === place ? mix(colours.card, colours.orange, 0.22) : colours.card;
      return s > t ? colours.page : mix(base, colours.blue, Math.min(1, v));
    });
    button.setAttribute("aria-pressed", h === head);
  });
  layerButtons.forEach((button, k) => button.setAttribute("aria-pressed", k === layer));
}

// --- what visitors do -----------------------------------------------------------------------------------

function update() {
  const begin = performance.now(), before = read.length;
  readText();
  const took = performance.now() - begin;
  show(read.length === before ? undefined : took);
}

function start() {
  const text = prompt.value;
  tokens = encode(text);
  if (!tokens.length) tokens = encode("\n").length ? encode("\n") : [0];
  [given, first, selected] = [tokens.length, Math.max(0, tokens.length - LIMIT), -1];
  const missing = unknown(text);
  note.textContent = missing.length ? say("Not in the vocabulary, left out: {letters}", { letters: missing.join(" ") }) : "";
  update();
}

function step() {
  tokens.push(sample(scores[tokens.length - 1 - first]));
  selected = -1;
  update();
  chips.scrollTop = chips.scrollHeight;
}

function toggle() {
  writing = !writing;
  play.textContent = say(writing ? "Pause" : "Write");
  play.setAttribute("aria-pressed", writing);
  const next = () => {
    if (!writing) return;
    step();
    setTimeout(next, 60);
  };
  next();
}

const prompt = el("textarea", { rows: 2, value: facts.prompt, oninput: start, "aria-label": say("Prompt"), spellcheck: false });
const note = el("p.quiet"), chips = el("div.chips", { "aria-label": say("tokens"), tabIndex: 0, role: "group" }), after = el("p.quiet.after"), time = el("p.quiet.time");
chips.onkeydown = (event) => {
  const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!move) return;
  event.preventDefault();
  selected = Math.max(first, Math.min(tokens.length - 1, at() + move));
  show();
};
const temperatureShown = el("output"), topShown = el("output");
function settings() {
  temperatureShown.textContent = number(Number(temperature.value), 2);
  topShown.textContent = topLimit() === Infinity ? say("all") : topK.value;
  if (tokens.length) show();
}
const temperature = el("input", { type: "range", min: 0, max: 2, step: 0.05, oninput: settings });
temperature.value = 0.8;
const topK = el("input", { type: "range", min: 1, max: Math.min(facts.vocab_size, 100), step: 1, oninput: settings });
topK.value = topK.max;
const play = el("button", { onclick: toggle }, say("Write"));
const heads = Array.from({ length: Math.max(0, ...attention.map((part) => part.num_heads)) }, (_, h) => {
  const canvas = el("canvas"), button = el("button.head", {
    "aria-label": say("head {n}", { n: h + 1 }), onclick: () => { head = head === h ? -1 : h; show(); },
  }, canvas, el("span.quiet", {}, say("head {n}", { n: h + 1 })));
  return { button, canvas };
});
const layerButtons = attention.map((_, k) => el("button", { onclick: () => { layer = k; show(); } }, say("layer {n}", { n: k + 1 })));

document.getElementById("main").replaceChildren(el("div.two.wide", {},
  el("div.card", {},
    el("h2", {}, say("Prompt")), prompt, note,
    el("div.row", { style: "margin: 10px 0 16px" },
      el("button.main", { onclick: step }, say("Next token")), play, el("button", { onclick: start }, say("Start over"))),
    el("h2", {}, say(attention.length ? "Tokens: choose one to see where it looks" : "Tokens: choose one to see what may follow it")), chips),
  el("div.card", {},
    el("h2", {}, say("What comes next")), after, bars.element, time,
    el("div.sliders", { style: "margin-top: 14px" },
      el("label", {}, el("span.row.between", {}, el("span", {}, say("temperature")), temperatureShown), temperature),
      el("label", {}, el("span.row.between", {}, el("span", {}, say("top-k")), topShown), topK)))),
attention.length ? el("div.card", { style: "margin-top: 20px" },
  el("h2", {}, say("Attention: row, the position that looks; column, where it looks")),
  el("div.row", {}, ...layerButtons), el("div.heads", {}, ...heads.map(({ button }) => button))) : "");

showFacts();
showAbout(say("The network reads {n} tokens at most; from a longer text the first half is dropped, dimmed above.", { n: LIMIT }),
  say("Probabilities are shown after temperature and top-k, as a token is drawn from them."));
redraws.push(show);
settings();
start();
