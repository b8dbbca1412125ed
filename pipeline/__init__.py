"""County satellite-image land enforcement (县级自然资源卫片执法): from two images to the quarterly books."""

__version__ = "0.1.0"
