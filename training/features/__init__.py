"""What the ranker looks at: one file a family, in NumPy. `training.graph` computes the same, and a test says so."""
