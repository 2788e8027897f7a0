//! How a database is reached: addresses, TLS, sessions, type names.
