//! From plan to a finished run: scheduler, delivery, ledger, lifecycle.
