class Adam:
    def update(self, group, t, w, g, m, v):
        b1, b2 = group["betas"]
        for i in range(w.size):
            gi = g[i] + group["weight_decay"] * w[i]
            m[i] = b1 * m[i] + (1 - b1) * gi
            v[i] = b2 * v[i] + (1 - b2) * gi * gi
            m_hat = m[i] / (1 - b1**t)
            v_hat = v[i] / (1 - b2**t)
            w[i] -= group["lr"] * m_hat / (v_hat**0.5 + group["eps"])
