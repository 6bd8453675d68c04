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
    /// The counter to try first for what is named `base` with counter 0.
    pub fn first_to_try(&self, base: &str) -> u64 {
        self.next.get(base).copied().unwrap_or(0)
    }

    /// Notes that `counter` was the smallest free one, and is taken now.
    pub fn taken(&mut self, base: &str, counter: u64) {
        let next = counter.saturating_add(1);
        if let Some(known) = self.next.get_mut(base) {
            *known = next;
            return;
        }
        if self.next.len() >= REMEMBERED {
            self.next.clear();
        }
        self.next.insert(base.into(), next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_on_where_it_was() {
        let mut counters = Counters::default();
        assert_eq!(counters.first_to_try("a"), 0);
        counters.taken("a", 4);
        assert_eq!(counters.first_to_try("a"), 5);
        assert_eq!(counters.first_to_try("b"), 0);
    }

    #[test]
    fn memory_is_bounded() {
        let mut counters = Counters::default();
        for number in 0..=REMEMBERED {
            counters.taken(&number.to_string(), 0);
        }
        assert!(counters.next.len() <= REMEMBERED);
    }
}
