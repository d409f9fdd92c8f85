"""cmivae: rebuild the CMI-VAE paper from raw data, and ask any number what made it."""

__version__ = "0.1.0"
