//! MAIP over HTTP, on any number of hosted logs.
