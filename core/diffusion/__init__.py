"""Forward and backward processes, their scores, and the training of scores."""
