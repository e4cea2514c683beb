"""Names of NumPy's functions, by what they do with the samples in an array."""

PERMUTING = {"transpose", "swapaxes", "moveaxis", "expand_dims"}
MOVING = {
    *("reshape", "ravel", "squeeze", "concatenate", "stack", "vstack", "hstack", "column_stack"),
    *("dstack", "append", "roll", "flip", "flipud", "fliplr", "repeat", "tile", "take", "delete"),
    *("split", "array_split", "vsplit", "hsplit", "broadcast_to", "atleast_2d", "atleast_1d"),
    *("copy", "diagonal", "rot90", "sliding_window_view", "compress", "take_along_axis"),
}
REDUCING = {
    *("sum", "mean", "std", "var", "max", "min", "amax", "amin", "prod", "any", "all", "argmax"),
    *("argmin", "median", "percentile", "quantile", "average", "count_nonzero", "ptp", "norm"),
    *("nanmean", "nanstd", "nanmax", "nanmin", "nansum"),
}
FITTING = {"svd", "eigh", "eig", "qr", "cov", "corrcoef", "lstsq", "pinv", "unique", "bincount"}
ELEMENTWISE = {"where", "clip", "nan_to_num", "round", "around", "real", "isclose", "interp"}
EMPTY = {"zeros_like", "ones_like", "empty_like", "full_like"}
CONTRACTIONS = {"matmul", "dot", "einsum"}
