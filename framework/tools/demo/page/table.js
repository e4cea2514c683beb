// Tables: a slider for each feature, the answer, and how it depends on each feature.

const columns = facts.columns, F = columns.length, samples = facts.samples;
const bars = new Bars(), layerView = new LayerView(), CURVE = 33;
let row = columns.map((column) => column.middle), target = null, chosen = -1;

function prepare(rows) {
  return new Arr([rows.length, F], Float32Array.from(rows.flat(), (v, i) => (v - columns[i % F].mean) / columns[i % F].std));
}

// One number for each row: the probability of a class, or the predicted value.
function answers(rows, k, keep = false) {
  const y = model.forward(prepare(rows), keep), O = y.size / rows.length;
  return rows.map((_, n) => {
    const scores = y.data.subarray(n * O, (n + 1) * O);
    return facts.classes ? probabilities(scores)[k] : scores[k];
  });
}

function update() {
  const begin = performance.now(), y = model.forward(prepare([row])), took = performance.now() - begin;
  layerView.show();
  let best = 0;
  if (facts.classes) {
    const shares = probabilities(y.data);
    best = shares.indexOf(Math.max(...shares));
    answer.textContent = facts.classes[best];
    answer.className = facts.classes[best].length > 5 ? "long" : "";
    const truth = target === null ? "" : target === best ? say("right") : say("wrong: it is {name}", { name: facts.classes[target] });
    sure.textContent = [percent(shares[best]), truth].filter(Boolean).join(" · ");
    bars.show(facts.classes, shares, target ?? -1);
  } else {
    answer.textContent = number(y.data[0], 4);
    sure.textContent = [facts.target, target === null ? "" : say("it is {value}", { value: number(target, 4) })].filter(Boolean).join(" · ");
  }
  time.textContent = say("answer in {ms} ms", { ms: number(Math.max(took, 0.1), 2) });
  [...strip.children].forEach((button, k) => button.setAttribute("aria-pressed", k === chosen));
  columns.forEach((column, i) => {
    inputs[i].value = row[i];
    values[i].textContent = number(row[i], 4);
    if (F <= 32) showCurve(i, best);
  });
}

// How the answer changes with one feature, the others as they are.
function showCurve(i, best) {
  const { low, high } = columns[i], xs = Array.from({ length: CURVE }, (_, k) => low + (high - low) * k / (CURVE - 1));
  const ys = answers(xs.map((x) => row.map((v, j) => (j === i ? x : v))), best);
  const [least, most] = facts.classes ? [0, 1] : [facts.span[0], facts.span[1]];
  const height = (y) => 30 - 28 * Math.max(0, Math.min(1, (y - least) / (most - least || 1)));
  const at = (row[i] - low) / (high - low || 1) * 100;
  curves[i].firstChild.setAttribute("d", ys.map((y, k) => `${k ? "L" : "M"}${100 * k / (CURVE - 1)} ${height(y).toFixed(2)}`).join(""));
  curves[i].lastChild.setAttribute("d", `M${Math.max(0, Math.min(100, at))} 0V32`);
}

function svg(tag, settings = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(settings)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function choose(k) {
  [row, target, chosen] = [[...samples.x[k]], samples.y[k], k];
  update();
}

const answer = el("b"), sure = el("span"), time = el("p.quiet.time"), strip = el("div.row");
const values = columns.map(() => el("output"));
const curves = columns.map(() => svg("svg", { viewBox: "0 0 100 32", preserveAspectRatio: "none", class: "small", "aria-hidden": "true" },
  svg("path", { class: "now" }), svg("path", { class: "here" })));
const inputs = columns.map(({ low, high, whole }, i) => el("input", {
  type: "range", min: low, max: high, step: whole ? 1 : (high - low || 1) / 200,
  oninput: () => { row[i] = Number(inputs[i].value); [target, chosen] = [null, -1]; update(); },
}));
samples.x.forEach((_, k) => {
  const name = facts.classes ? facts.classes[samples.y[k]] : number(samples.y[k], 3);
  strip.append(el("button", { onclick: () => choose(k) }, `${k + 1}: ${name}`));
});
document.getElementById("main").replaceChildren(el("div.two.wide", {},
  el("div.card", {}, el("h2", {}, say("Features")), el("div.sliders", {}, ...columns.map((column, i) =>
    el("label", {}, el("span.row.between", {}, el("span", {}, column.name), values[i]), F <= 32 ? curves[i] : "", inputs[i])))),
  el("div.card.follows", {}, el("h2", {}, say("Answer")), el("div.answer", { "aria-live": "polite" }, answer, sure),
    facts.classes ? bars.element : "", time,
    el("h2", { style: "margin-top: 22px" }, say(`Or choose from the ${facts.report.split} data`)), strip)));
showFacts();
showAbout(say("The small curve of a feature shows the answer for each of its values, with the other features as they are. Sliders go from the smallest to the largest value in the training data."));
choose(0);
