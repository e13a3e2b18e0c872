//! The program maip-witness: decide, persist, cosign, serve.
