"""County satellite-image land enforcement (县级自然资源卫片执法), images to books."""

__version__ = "0.1.0"
