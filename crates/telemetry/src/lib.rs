//! Readers of events and of the registry: pages, files, evidence.
