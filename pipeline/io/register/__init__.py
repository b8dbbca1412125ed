"""The register (图斑台账) on disk: a GeoPackage of events that are only ever added to."""
