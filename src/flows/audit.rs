//! The audit log as a whole: it is searched, and shown to be whole.

mod search;
