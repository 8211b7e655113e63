"""The only public door: REST in, gRPC out. Owns no data."""
