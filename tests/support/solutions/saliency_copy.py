import copy

import numpy as np


def input_gradient(module, x, y):
    own = copy.deepcopy(module).eval(keep_backward=True)
    for part in own.modules():
        part.needs_dx = True
    scores = own(x)
    return own.backward(np.eye(scores.shape[1], dtype=scores.dtype)[y])
