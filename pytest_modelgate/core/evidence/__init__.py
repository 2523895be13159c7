"""Records of what models showed, and what those depend on."""
