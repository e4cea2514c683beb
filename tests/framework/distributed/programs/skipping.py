"""A training of which one rank alone skips the rest of the first epoch; prints steps and epochs."""

import firstlight as fl
from firstlight.testing import TinyNet, tiny_data


class Skips(fl.Callback):
    def on_train_batch_end(self, trainer):
        if trainer.communicator.rank == 1 and trainer.step == 2:
            trainer.skip_epoch()


trainer = fl.Trainer(max_epochs=2, callbacks=[Skips()], default_callbacks=False, runs_dir=None)
trainer.fit(TinyNet(), tiny_data())
print("steps", trainer.step, "epochs", trainer.epoch, flush=True)
