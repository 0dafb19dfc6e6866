"""Metrics, pictures and notebooks -> reports/."""

import sys

# nbformat's schema library takes 0.8 s to compile this optional checker of addresses; no notebook's schema asks for it.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
