class SGD:
    def update(self, group, t, w, g, b):
        lr, mu, damp = group["lr"], group["momentum"], group["dampening"]
        grad = g + group["weight_decay"] * w
        if not mu:
            w[:] = w - lr * grad
            return
        self.velocity = grad if t == 1 else mu * self.velocity + (1 - damp) * grad
        if group["nesterov"]:
            w[:] = w - lr * (grad + mu * self.velocity)
        else:
            w[:] = w - lr * self.velocity
