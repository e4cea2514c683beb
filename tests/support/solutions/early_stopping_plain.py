class EarlyStopping:
    def on_fit_start(self, trainer):
        self.best = float("inf")
        self.waited = 0
        self.best_weights = None

    def on_log(self, trainer, record):
        value = record.get(self.monitor)
        if value is None:
            return
        if self.best - value > self.min_delta:
            self.best = value
            self.waited = 0
            self.best_weights = trainer.module.state_dict()
            return
        self.waited = self.waited + 1
        if self.waited == self.patience:
            trainer.stop("no improvement")

    def on_fit_end(self, trainer):
        if self.best_weights:
            trainer.module.load_state_dict(self.best_weights)
