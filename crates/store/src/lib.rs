//! The event log on disk, with cursors and retention.
