//! `auth.audit_log`, where no other statement writes or reads it along the way: looking for events.

mod search;
