"""Writing into `models/`: new versions, and which of them serves. Reading is in `recsys.registry`."""

from training.registry.writing import check_name, serve_if_first, write_bundle

__all__ = ["check_name", "serve_if_first", "write_bundle"]
