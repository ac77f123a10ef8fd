"""From purchases to a signed bundle: the matrix, the factorization, the graph, its parity, the export.

Nothing in this package can reach an identifier or a token key, and nothing that it writes holds a row about a person.
"""
