"""Speed claims: each module holds a fast path against the obvious one, in turn, in one run."""
