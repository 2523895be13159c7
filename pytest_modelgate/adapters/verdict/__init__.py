"""``verdict.json``: schema, writer, reader."""
