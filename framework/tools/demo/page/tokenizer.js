// Text to tokens and back: single characters, bytes, or pairs of bytes that were merged (BPE).

const { name: KIND, characters, merges } = facts.tokenizer;
const letters = [...(characters ?? "")], numbers = new Map(letters.map((c, i) => [c, i]));
// The bytes of each token; of merged pairs after the 256 single ones.
const chunks = KIND === "char" ? [] : Array.from({ length: 256 }, (_, i) => [i]);
const ranks = new Map();
for (const [left, right] of merges ?? []) {
  ranks.set(`${left},${right}`, chunks.length);
  chunks.push([...chunks[left], ...chunks[right]]);
}
const WORDS = /'(?:s|t|re|ve|m|ll|d)| ?[\p{L}\p{Nl}\p{No}]+| ?\p{Nd}+| ?(?:[^\s\p{L}\p{N}])+|\s+(?!\S)|\s+/gu;

// The tokens of a text; characters outside the vocabulary are left out.
function encode(text) {
  if (KIND === "char") return [...text].filter((c) => numbers.has(c)).map((c) => numbers.get(c));
  const words = KIND === "bpe" ? text.match(WORDS) ?? [] : [text];
  return words.flatMap((word) => merged([...new TextEncoder().encode(word)]));
}

// Pairs of neighbours become one token, the pair that was merged first in training first.
function merged(tokens) {
  for (;;) {
    const pairs = tokens.slice(1).map((right, i) => ranks.get(`${tokens[i]},${right}`) ?? Infinity);
    const best = Math.min(...pairs);
    if (best === Infinity) return tokens;
    const found = [];
    for (let i = 0; i < tokens.length; i++) {
      if (pairs[i] === best) { found.push(best); i++; } else found.push(tokens[i]);
    }
    tokens = found;
  }
}

function decodeText(tokens) {
  if (KIND === "char") return tokens.map((token) => letters[token]).join("");
  return new TextDecoder().decode(Uint8Array.from(tokens.flatMap((token) => chunks[token])));
}

function unknown(text) { return KIND === "char" ? [...new Set([...text].filter((c) => !numbers.has(c)))] : []; }
