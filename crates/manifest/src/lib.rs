//! Manifest text to draft to plan: pure, with every complaint at once.
