"""Roofs and yards set into a real image, so that recall can be measured where nothing is built.

    materials   what the surfaces reflect, with sources
    land        what the image itself says: land, water, reflectance to pixel values, noise
    shapes      outlines and where they go
    painting    one outline as sub-pixels, blurred, shaded and noised like the image

Shares no code with `pipeline` nor with `demo_county`, so that no measure can flatter its own maker.
"""
