//! Wrong guesses that are remembered elsewhere come back to a process that has begun without them.

use super::MemoryCodes;
use super::windows::Times;
use crate::domain::{RememberedGuesses, SpentAddress};

impl MemoryCodes {
    pub(in crate::ports::codes) fn lacks_guesses(&self) -> bool {
        !std::mem::replace(&mut self.lock().has_remembered, true)
    }

    /// Whoever was to bring them back could not.
    pub(in crate::ports::codes) fn still_lacks_guesses(&self) {
        self.lock().has_remembered = false;
    }

    pub(in crate::ports::codes) fn restore_guesses(&self, remembered: &[RememberedGuesses]) {
        let now = self.clock.now();
        let mut held = self.lock();
        for of in remembered {
            for (times, is_known) in [(&of.by_strangers, false), (&of.by_known_devices, true)] {
                let wrong = held.wrong.entry((of.address, is_known)).or_default();
                *wrong = Times::merged(times, wrong);
            }
            if !of.spent_for.is_zero() {
                held.spent.insert(of.address, now + of.spent_for);
            }
        }
    }

    pub(in crate::ports::codes) fn spend_guesses(&self, spent: &SpentAddress) {
        let until = self.clock.now() + spent.left;
        self.lock().spent.insert(spent.address, until);
    }
}
