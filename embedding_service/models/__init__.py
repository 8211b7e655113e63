"""The model store: OpenCLIP models, exported once, served without torch."""
