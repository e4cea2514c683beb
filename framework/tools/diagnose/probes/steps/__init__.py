"""One step of a script that computes its gradients itself, compared with the loss by replays."""
