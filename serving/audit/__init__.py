"""The audit log that can forget: its arithmetic and its texts. `serving.stores` keeps it."""
