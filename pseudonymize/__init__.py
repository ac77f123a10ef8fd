"""The identity gate: the one place where identifiers and keys exist.

Raw files come in; tables of tokens go out. Nothing outside this package can reach a key (see `docs/threat-model.md`
for what that does and does not protect against).
"""
