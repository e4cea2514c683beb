"""LeNet-5: the convolutional network that read cheques in the nineties."""

from firstlight import nn, optim
from firstlight.models.cnn import image_shape
from firstlight.module import Module


class LeNet5(Module):
    """Two convolutions of 5 × 5, each halved by a mean, and three linear layers; all with tanh.

    Formula, for 28 × 28 images, with shapes in brackets::

        h = pool(tanh(conv1(x)))        28 × 28 × 6  -> 14 × 14 × 6
        h = pool(tanh(conv2(h)))        10 × 10 × 16 ->  5 × 5 × 16
        h = tanh(linear1(flatten(h)))   400 -> 120
        h = tanh(linear2(h))            120 -> 84
        y = linear3(h)                   84 -> classes

    Gradient: each layer's own, from the last to the first.

    The first convolution puts 2 zeros around images of 28 × 28, as LeCun et al. put MNIST's
    digits on 32 × 32 pixels. Two things are simpler than in 1998: conv2 sees all maps of conv1,
    and the output is a linear layer for cross-entropy.

    Parameters
    ----------
    input_shape : (int, int, int)
        Height, width and channels of one image; 12 × 12 pixels at least.
    num_classes : int
    lr : float
        Learning rate of Adam.

    Raises
    ------
    ValueError
        Images that are not (height, width, channels) or too small.

    References
    ----------
    LeCun, Bottou, Bengio & Haffner, "Gradient-Based Learning Applied to Document Recognition",
    1998, section II.B.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.models import LeNet5
    >>> net = LeNet5((28, 28, 1), 10)
    >>> net(np.ones((5, 28, 28, 1), "float32")).shape
    (5, 10)
    """

    def __init__(self, input_shape: tuple[int, ...], num_classes: int, *, lr: float = 1e-3):
        height, width, depth = image_shape("LeNet5", input_shape)
        if min(height, width) < 12:
            raise ValueError(
                f"LeNet5: expected images of 12 × 12 pixels or more, got {height} × {width}; "
                "use the model cnn, whose kernels can be smaller"
            )
        self.lr = lr
        self.conv1 = nn.Conv2d(depth, 6, 5, padding=2, needs_dx=False)  # nobody uses the pixels'
        self.tanh1 = nn.Tanh()
        self.pool1 = nn.AvgPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.tanh2 = nn.Tanh()
        self.pool2 = nn.AvgPool2d(2)
        self.flatten = nn.Flatten()
        left = [(size // 2 - 4) // 2 for size in (height, width)]
        self.linear1 = nn.Linear(left[0] * left[1] * 16, 120)
        self.tanh3 = nn.Tanh()
        self.linear2 = nn.Linear(120, 84)
        self.tanh4 = nn.Tanh()
        self.linear3 = nn.Linear(84, num_classes)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):  # x (N, H, W, C)
        h = self.pool1(self.tanh1(self.conv1(x)))  # (N, H/2, W/2, 6)
        h = self.pool2(self.tanh2(self.conv2(h)))  # (N, (H/2 - 4)/2, (W/2 - 4)/2, 16)
        h = self.flatten(h)  # (N, 400)
        h = self.tanh3(self.linear1(h))  # (N, 120)
        h = self.tanh4(self.linear2(h))  # (N, 84)
        return self.linear3(h)  # (N, classes)

    def backward(self, dy):  # dy (N, classes)
        dh = self.linear3.backward(dy)
        dh = self.linear2.backward(self.tanh4.backward(dh))
        dh = self.linear1.backward(self.tanh3.backward(dh))
        dh = self.flatten.backward(dh)
        dh = self.conv2.backward(self.tanh2.backward(self.pool2.backward(dh)))
        return self.conv1.backward(self.tanh1.backward(self.pool1.backward(dh)))  # None

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=self.lr)
