import math


class EarlyStopping:
    def on_fit_start(self, trainer):
        self.values, self.best_weights = [], None

    def on_log(self, trainer, record):
        if self.monitor in record:
            self.values.append(record[self.monitor])
            best, at = math.inf, -1
            for n, value in enumerate(self.values):
                if value < best - self.min_delta:
                    best, at = value, n
            if at == len(self.values) - 1:
                self.best_weights = [p.data.copy() for p in trainer.module.parameters()]
            if len(self.values) - 1 - at >= self.patience:
                trainer.stop(f"best {best} at validation {at}")

    def on_fit_end(self, trainer):
        if self.best_weights is not None:
            for p, data in zip(trainer.module.parameters(), self.best_weights, strict=True):
                p.data[...] = data
