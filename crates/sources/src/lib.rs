//! Where rows come from: one folder a system.
