"""One delivered scene in, cloud-optimized GeoTIFFs and one STAC Item out."""
