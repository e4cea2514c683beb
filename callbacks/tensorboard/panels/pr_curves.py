"""Precision-recall curves, one for each class."""

import numpy as np

from firstlight.callbacks.tensorboard.panels.panel import Panel

CLASSES = 20  # curves at most


class PRCurves(Panel):
    """How precision falls as recall grows, for each class against all others."""

    needs_scores = True

    def epoch_end(self, scene):
        """Write the curves of the latest validation."""
        if scene.target:
            target = np.concatenate(scene.target)
            probabilities = np.concatenate(scene.probabilities)  # (N, C)
            names = scene.class_names(probabilities.shape[1])
            for label, name in enumerate(names[:CLASSES]):
                scores = probabilities[:, label]
                scene.events.pr_curve(f"pr_curves/{name}", target == label, scores, scene.step)
