// TransformerEncoderLayer and TransformerDecoderLayer: attention and a feed-forward, each added to its input.
//
//   norm first:  h = x + attention(norm1(x))      y = h + feed(norm2(h))
//   norm last:   h = norm1(x + attention(x))      y = norm2(h + feed(h))
//
// A decoder layer looks at a memory in between.

class TransformerLayer extends Layer {
  feed(x) { return this.linear2.forward(this.activation.forward(this.linear1.forward(x))); }
}

layers.TransformerEncoderLayer = class TransformerEncoderLayer extends TransformerLayer {
  static formula = "x + attention, + feed-forward";
  forward(x, mask) { // x (N, T, C)
    if (this.norm_first) {
      const h = add(x, this.self_attn.forward(this.norm1.forward(x), undefined, mask));
      return add(h, this.feed(this.norm2.forward(h)));
    }
    const h = this.norm1.forward(add(x, this.self_attn.forward(x, undefined, mask)));
    return this.norm2.forward(add(h, this.feed(h)));
  }
};

layers.TransformerDecoderLayer = class TransformerDecoderLayer extends TransformerLayer {
  static formula = "x + attention, + memory, + feed-forward";
  forward(x, memory, mask, memoryMask) { // x (N, T, C), memory (N, S, C)
    const attend = (y) => this.self_attn.forward(y, undefined, mask);
    const look = (y) => this.multihead_attn.forward(y, memory, memoryMask);
    if (this.norm_first) {
      const a = add(x, attend(this.norm1.forward(x)));
      const b = add(a, look(this.norm2.forward(a)));
      return add(b, this.feed(this.norm3.forward(b)));
    }
    const a = this.norm1.forward(add(x, attend(x)));
    const b = this.norm2.forward(add(a, look(a)));
    return this.norm3.forward(add(b, this.feed(b)));
  }
};
