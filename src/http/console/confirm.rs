//! The page that asks before something is done that cannot be taken back.

use serde_json::{Value, json};

use super::view::View;

/// A question, and the form that says yes.
#[derive(Default)]
pub(super) struct Question<'a> {
    /// What is asked, in a line.
    pub(super) title: &'a str,
    /// What will happen.
    pub(super) text: &'a str,
    /// Of the button that does it.
    pub(super) button: &'a str,
    /// Where the form is sent.
    pub(super) action: String,
    /// Hidden fields: name and value.
    pub(super) fields: Value,
    /// What is to be chosen, if anything: `name`, `label` and `options`, each a value and its words.
    pub(super) choice: Value,
    /// Where nothing happens.
    pub(super) back: String,
}

impl Question<'_> {
    pub(super) fn view(self) -> View {
        View {
            template: "ask",
            title: self.title.to_owned(),
            values: json!({
                "text": self.text, "button": self.button, "action": self.action, "fields": self.fields,
                "choice": self.choice, "back": self.back,
            }),
        }
    }
}
