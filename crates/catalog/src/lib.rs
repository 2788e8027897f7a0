//! Every metric, label, unit and bucket as data, the signals, and the live registry.
