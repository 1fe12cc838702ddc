//! The commands as a person or a script gives them: the built program against real stores.

mod administration;
mod documents;
mod import;
mod live;
