"""What crosses the network boundary: the HTTP session, TLS, the listeners."""
