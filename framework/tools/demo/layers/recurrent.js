// RNN, GRU and LSTM: one cell along a sequence; each layer reads the outputs of the one below.
// A bidirectional layer has a second cell, which reads from the end; its outputs are appended.
//
//   a = x_t W_ihᵀ + b_ih      b = h_{t-1} W_hhᵀ + b_hh
//   RNN:   h_t = tanh(a + b)
//   GRU:   r = σ(a_r + b_r)   z = σ(a_z + b_z)   n = tanh(a_n + r b_n)
//          h_t = (1 - z) n + z h_{t-1}
//   LSTM:  i = σ, f = σ, g = tanh, o = σ of the four blocks of a + b
//          c_t = f c_{t-1} + i g      h_t = o tanh(c_t)

class Recurrent extends Layer {
  forward(x) { // x (N, T, I)
    let y = x;
    for (let layer = 0; layer < this.num_layers; layer++) {
      const forth = this.along(`l${layer}`, y, false);
      y = this.bidirectional ? concatenate([forth, this.along(`l${layer}_reverse`, y, true)], 2) : forth;
    }
    return y; // (N, T, D H)
  }

  along(end, x, reverse) {
    const [N, T, I] = x.shape, H = this.hidden_size, y = zeros([N, T, H]);
    const [W_ih, W_hh, b_ih, b_hh] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map((n) => this[`${n}_${end}`]);
    for (let n = 0; n < N; n++) {
      let state = this.memory?.[end] ?? { h: new Float32Array(H), c: new Float32Array(H) }; // zeros at the start
      for (let step = 0; step < T; step++) {
        const t = reverse ? T - 1 - step : step, at = (n * T + t) * I;
        let a = rowsTimes(new Arr([I], x.data.subarray(at, at + I)), W_ih);
        let b = rowsTimes(new Arr([H], state.h), W_hh);
        if (b_ih) [a, b] = [add(a, b_ih), add(b, b_hh)];
        state = this.step(a.data, b.data, state, H);
        y.data.set(state.h, (n * T + t) * H);
      }
      if (this.memory) this.memory[end] = state; // of the one text that is read
    }
    return y;
  }
}

layers.RNN = class RNN extends Recurrent {
  static formula = "h = tanh(a + b)";
  step(a, b) { return { h: a.map((v, k) => Math.tanh(v + b[k])) }; }
};

layers.GRU = class GRU extends Recurrent {
  static formula = "h = (1 - z) n + z h";
  step(a, b, { h }, H) {
    return {
      h: h.map((before, k) => {
        const r = sigmoid(a[k] + b[k]);
        const z = sigmoid(a[H + k] + b[H + k]);
        const n = Math.tanh(a[2 * H + k] + r * b[2 * H + k]);
        return (1 - z) * n + z * before;
      }),
    };
  }
};

layers.LSTM = class LSTM extends Recurrent {
  static formula = "c = f c + i g, h = o tanh(c)";
  step(a, b, { c }, H) {
    const sum = a.map((v, k) => v + b[k]);
    const c_t = c.map((before, k) => {
      const [i, f, g] = [sigmoid(sum[k]), sigmoid(sum[H + k]), Math.tanh(sum[2 * H + k])];
      return f * before + i * g;
    });
    return { h: c_t.map((v, k) => sigmoid(sum[3 * H + k]) * Math.tanh(v)), c: c_t };
  }
};
