"""onnxruntime with its telemetry switched off, which has to happen before it is imported.

Its Linux builds carry a client that writes a device id and a database below the home folder and reports to its maker.
`disable_telemetry_events()` after the import comes too late for the files.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

__all__ = ["ort"]
