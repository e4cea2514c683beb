class SGD:
    def update(self, group, t, w, g, b):
        for i in range(len(w)):
            step = g[i] + group["weight_decay"] * w[i]
            if group["momentum"] != 0:
                if t == 1:
                    b[i] = step
                else:
                    b[i] = group["momentum"] * b[i] + (1 - group["dampening"]) * step
                step = step + group["momentum"] * b[i] if group["nesterov"] else b[i]
            w[i] = w[i] - group["lr"] * step
