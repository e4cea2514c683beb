// Windows that slide over images: how many fit, and the pixels that each tap sees.

function positions(window, h, w) {
  return [h, w].map((size, axis) => {
    const { kernel, stride, dilation, before, after, ceil_mode } = window;
    const extent = (kernel[axis] - 1) * dilation[axis] + 1;
    const room = size + before[axis] + after[axis] - extent;
    if (!ceil_mode) return Math.floor(room / stride[axis]) + 1;
    const steps = Math.ceil(room / stride[axis]);
    return steps + (steps * stride[axis] < size + before[axis] ? 1 : 0);
  });
}

// Visit all taps: f(n, m, o, i, j, y, x), output pixel (m, o), tap (i, j), image pixel (y, x).
function taps(window, N, h, w, f) {
  const [oh, ow] = positions(window, h, w), { kernel, stride, dilation, before } = window;
  for (let n = 0; n < N; n++) {
    for (let m = 0; m < oh; m++) {
      for (let o = 0; o < ow; o++) {
        for (let i = 0; i < kernel[0]; i++) {
          const y = m * stride[0] - before[0] + i * dilation[0];
          if (y < 0 || y >= h) continue;
          for (let j = 0; j < kernel[1]; j++) {
            const x = o * stride[1] - before[1] + j * dilation[1];
            if (x >= 0 && x < w) f(n, m, o, i, j, y, x);
          }
        }
      }
    }
  }
}
