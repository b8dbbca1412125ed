"""The register (图斑台账) as values: payloads, hash chain, replay."""
