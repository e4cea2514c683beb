"""What tests of the GPU's side start from, and what they count: the stand-in's interface."""

from contextlib import contextmanager

from fake_gpu import streams


class Counts:
    """What happened since `reset`: how often the host waited, what was launched and copied."""

    def reset(self) -> None:
        """Start again."""
        streams.counts.clear()

    synchronisations = property(lambda self: streams.counts["waits"])
    launches = property(lambda self: streams.counts["launches"])
    uploads = property(lambda self: streams.counts["uploads"])


counts = Counts()


def _not_compiled(*arguments):
    raise RuntimeError("NVRTC is not at hand")


@contextmanager
def installed(monkeypatch, compiled=True):
    """Start afresh on the fake GPU; ``compiled`` runs our kernels."""
    from firstlight.support import backend, forms, rng

    clears = [backend.forget, rng.forget_devices, forms.forget_choices]
    if forms.has_fast():
        from firstlight.fast.cuda import gemm, kernel

        clears += [kernel.forget, gemm.forget]
        if not compiled:
            monkeypatch.setattr(kernel, "_function", _not_compiled)
    for clear in clears:
        clear()
    counts.reset()
    yield counts
    for clear in clears:
        clear()
