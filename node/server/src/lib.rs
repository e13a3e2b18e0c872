//! The program maip-node: configuration, keys, TLS, gRPC services, wiring.
