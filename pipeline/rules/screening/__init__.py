"""The first screening (合规初判): what a patch may be, with reasons, from documents and land."""
