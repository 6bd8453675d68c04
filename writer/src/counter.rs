//! Where to begin looking for the smallest connection counter that names no file.
//!
//! Without this, the n-th flow of a name would try n names. What is remembered is bounded: a name that
//! was forgotten is searched from 0 again, which is slower and just as right.

use std::collections::HashMap;

/// Names remembered at once, by hash.
const REMEMBERED: usize = 65_536;

/// Counters given to names so far.
#[derive(Debug, Default)]
pub struct Counters {
    next: HashMap<Box<str>, u64>,
}

impl Counters {
    /// The counter to try for what is named `base` with counter 0: the next one each time.
    pub fn take(&mut self, base: &str) -> u64 {
        if let Some(next) = self.next.get_mut(base) {
            let counter = *next;
            *next = counter.saturating_add(1);
            return counter;
        }
        if self.next.len() >= REMEMBERED {
            self.next.clear();
        }
        self.next.insert(base.into(), 1);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_on_where_it_was() {
        let mut counters = Counters::default();
        assert_eq!(["a", "a", "b", "a"].map(|name| counters.take(name)), [0, 1, 0, 2]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut counters = Counters::default();
        for number in 0..=REMEMBERED {
            assert_eq!(counters.take(&number.to_string()), 0);
        }
        assert!(counters.next.len() <= REMEMBERED);
    }
}
