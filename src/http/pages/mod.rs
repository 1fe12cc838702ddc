//! Pages for people: sign-in, account, and the libraries of staff.
//!
//! The files in reading order: `view` says what each page shows, `look` makes HTML of it, `assets` are the files that
//! pages load, `preview` writes every page to a folder.

#![cfg_attr(not(test), expect(dead_code, reason = "the handlers that answer with these pages come next"))]

mod assets;
mod look;
pub mod preview;
mod samples;
mod view;
