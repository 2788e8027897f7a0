//! The nouns and the contract: ids, states, events and their folds.
