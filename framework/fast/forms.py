"""All of firstlight's forms. Importing a module registers its forms; of several that fit, the one
registered last is used.

`firstlight.support.forms` imports this module when a layer first runs.
"""

# isort: off
import firstlight.fast.loops
import firstlight.fast.cuda.activations
import firstlight.fast.cuda.attention
import firstlight.fast.cuda.convolution
import firstlight.fast.cuda.implicit  # after the convolutions, which it replaces
import firstlight.fast.cuda.batchnorm
import firstlight.fast.cuda.dropout
import firstlight.fast.cuda.embedding
import firstlight.fast.cuda.gather
import firstlight.fast.cuda.loss_scale
import firstlight.fast.cuda.means
import firstlight.fast.cuda.optimizers
import firstlight.fast.cuda.images
import firstlight.fast.cuda.layernorm
import firstlight.fast.cuda.linear
import firstlight.fast.cuda.passing
import firstlight.fast.cuda.recurrent
import firstlight.fast.cuda.cross_entropy
import firstlight.fast.blocked.activations
import firstlight.fast.blocked.attention
import firstlight.fast.blocked.convolution
import firstlight.fast.blocked.batchnorm
import firstlight.fast.blocked.binary_cross_entropy
import firstlight.fast.blocked.cross_entropy
import firstlight.fast.blocked.dropout
import firstlight.fast.blocked.embedding
import firstlight.fast.blocked.gelu
import firstlight.fast.blocked.groupnorm
import firstlight.fast.blocked.instancenorm
import firstlight.fast.blocked.layernorm
import firstlight.fast.blocked.linear
import firstlight.fast.blocked.optimizers
import firstlight.fast.blocked.positions
import firstlight.fast.blocked.recurrent
import firstlight.fast.blocked.pooling
import firstlight.fast.blocked.resize
import firstlight.fast.compiled.forms  # after the blocked ones, which it replaces
import firstlight.fast.compiled.sublayers  # noqa: F401
# isort: on
