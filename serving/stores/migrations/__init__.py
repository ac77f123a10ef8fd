"""How the tables of older versions become those of `serving.stores.schema`, by Alembic.

Each version writes its tables out and takes nothing from `schema`, which says what holds now: what a version did once,
it must do alike for every older store.
"""
