//! Where rows go: one folder a system.
