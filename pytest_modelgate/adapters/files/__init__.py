"""Ground that all adapters may use: atomic writes, zip layouts."""
