"""GPT against nanoGPT's model in PyTorch: logits, gradients, 50 steps, weights of both layouts."""

import numpy as np
import pytest

from firstlight.models import GPT
from firstlight.models.gpt_weights import to_gpt2

torch = pytest.importorskip("torch")
torch_gpt = pytest.importorskip("torch_gpt")

SIZE = {"n_layer": 2, "n_head": 2, "n_embd": 16}
FORMS = [{"bias": False, "approximate": "none"}, {"bias": True, "approximate": "tanh"}]
every_form = pytest.mark.parametrize("form", FORMS, ids=["nanoGPT", "GPT-2"])


def twins(form):
    torch.manual_seed(0)
    theirs = torch_gpt.NanoGPT(11, 8, 2, 2, 16, **form)
    return GPT(11, 8, **SIZE, **form).load_gpt2(theirs.state_dict()), theirs


def batch(rng):
    tokens = rng.integers(0, 11, (4, 9))
    return tokens[:, :-1].copy(), tokens[:, 1:].copy()


def torch_loss(theirs, x, y):
    logits = theirs(torch.from_numpy(x))
    return torch.nn.functional.cross_entropy(logits.view(-1, 11), torch.from_numpy(y).view(-1))


@every_form
def test_gradients_in_float64(form):
    ours, theirs = twins(form)
    ours.to(dtype="float64")
    theirs.double()
    x, y = batch(np.random.default_rng(0))
    output = ours.training_step((x, y))
    ours.backward(output.dy)
    loss = torch_loss(theirs, x, y)
    loss.backward()
    assert output.loss == pytest.approx(loss.item(), rel=1e-12)
    theirs_by_name = {n: p.grad.numpy() for n, p in theirs.named_parameters()}
    for name, gradient in to_gpt2(
        {name: p.grad for name, p in ours.named_parameters()}, "nanogpt"
    ).items():
        if name != "lm_head.weight":  # PyTorch lists what is tied once
            np.testing.assert_allclose(gradient, theirs_by_name[name], rtol=1e-10, atol=1e-10)


@every_form
def test_fifty_steps_of_adamw_in_float32(form):
    ours, theirs = twins(form)
    optimizer = ours.configure_optimizer()
    groups = [
        {"params": [p for p in theirs.parameters() if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in theirs.parameters() if p.dim() == 1], "weight_decay": 0.0},
    ]
    twin_optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    rng = np.random.default_rng(1)
    for _ in range(50):
        x, y = batch(rng)
        output = ours.training_step((x, y))
        ours.backward(output.dy)
        optimizer.step()
        optimizer.zero_grad()
        loss = torch_loss(theirs, x, y)
        twin_optimizer.zero_grad()
        loss.backward()
        twin_optimizer.step()
        assert output.loss == pytest.approx(loss.item(), abs=1e-4)


def huggingface(theirs):
    """The state as Hugging Face's GPT2LMHeadModel has it, written by hand."""
    state = {}
    for name, tensor in theirs.state_dict().items():
        if any(part in name for part in ("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            tensor = tensor.T.contiguous()  # Conv1D: (in, out)
        state[name] = tensor
    for layer in range(2):  # buffers of older versions
        state[f"transformer.h.{layer}.attn.bias"] = torch.ones(1, 1, 8, 8)
        state[f"transformer.h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    return state


@pytest.mark.parametrize("prefix", ["transformer.", ""])
def test_hugging_face_weights_give_the_same_logits(prefix):
    _, theirs = twins(FORMS[1])
    state = {
        name.replace("transformer.", prefix): tensor for name, tensor in huggingface(theirs).items()
    }
    ours = GPT(11, 8, **SIZE, **FORMS[1]).load_gpt2(state)
    x, _ = batch(np.random.default_rng(2))
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours(x), expected, atol=1e-5)


def test_a_safetensors_file_loads_by_its_path(tmp_path):
    from safetensors.numpy import save_file

    _, theirs = twins(FORMS[1])
    # tied weights are stored once, as in the files on the hub
    state = {n: t.numpy() for n, t in huggingface(theirs).items() if n != "lm_head.weight"}
    save_file(state, tmp_path / "model.safetensors")
    ours = GPT(11, 8, **SIZE, **FORMS[1]).load_gpt2(tmp_path / "model.safetensors")
    x, _ = batch(np.random.default_rng(3))
    with torch.no_grad():
        np.testing.assert_allclose(ours(x), theirs(torch.from_numpy(x)).numpy(), atol=1e-5)


@pytest.mark.parametrize("layout", ["huggingface", "nanogpt"])
@every_form
def test_weights_go_out_and_come_back(layout, form):
    ours, theirs = twins(form)
    out = to_gpt2(ours.state_dict(), layout)
    expected = theirs.state_dict() if layout == "nanogpt" else huggingface(theirs)
    for name, array in out.items():
        np.testing.assert_array_equal(array, expected[name].numpy())
    again = GPT(11, 8, **SIZE, **form).load_gpt2(out)
    for name, array in again.state_dict().items():
        np.testing.assert_array_equal(array, ours.state_dict()[name])
