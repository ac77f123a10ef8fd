"""The contracts between the stages: one file a contract, each with a version and a compatibility rule.

The rule is the same for all of them. A reader accepts its own version and those before it. A new optional field
keeps the version; a new required field, a removed field or a changed meaning raises it. A field that a reader does
not know is refused, since it may be the one that carries what must not pass.
"""
