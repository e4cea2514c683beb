import copy
import math


class EarlyStopping:
    def on_fit_start(self, trainer):
        self.trainer = trainer
        self.best, self.left, self.best_module = math.inf, self.patience, None

    def on_log(self, trainer, record):
        for name, value in record.items():
            if name != self.monitor:
                continue
            if not math.isnan(value) and value < self.best - self.min_delta:
                self.best, self.left = value, self.patience
                self.best_module = copy.deepcopy(trainer.module)
            else:
                self.left -= 1
        if self.left <= 0 and trainer.stop_reason is None:
            trainer.stop("patience used up")

    def on_fit_end(self, trainer):
        if self.best_module is not None:
            trainer.module.load_state_dict(self.best_module.state_dict())
