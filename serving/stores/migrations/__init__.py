"""How the tables of older versions become those of `serving.stores.schema`, by Alembic."""
