"""Published JSON Schemas; ``python -m pytest_modelgate.schemas`` writes them anew from the models they describe."""
