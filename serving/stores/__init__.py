"""Where serving remembers people: one interface, and the databases that implement it."""

from serving.stores.interface import Known, People, Recorded, Store, StoreError
from serving.stores.opening import create_store, open_store

__all__ = ["Known", "People", "Recorded", "Store", "StoreError", "create_store", "open_store"]
