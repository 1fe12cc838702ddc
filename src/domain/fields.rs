//! Values that people fill in: bounds, and which field broke one.

/// A value out of its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct FieldError {
    /// The field, as the caller named it.
    pub field: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

/// A line of text that is safe to show: trimmed, not empty, of at most `max` characters, without control characters and
/// those that change the direction of text.
///
/// # Errors
/// Names the field.
pub fn line(field: &'static str, text: &str, max: usize, rule: &'static str) -> Result<String, FieldError> {
    let text = text.trim();
    let bounded = (1..=max).contains(&text.chars().count());
    if bounded && !text.chars().any(|c| c.is_control() || turns_text(c)) {
        Ok(text.to_owned())
    } else {
        Err(FieldError { field, rule })
    }
}

/// As [`line()`], with line breaks and tabs, and possibly empty.
///
/// # Errors
/// Names the field.
pub fn paragraph(
    field: &'static str,
    text: &str,
    max: usize,
    rule: &'static str,
) -> Result<String, FieldError> {
    let unfit = |c: char| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || turns_text(c);
    if text.chars().count() <= max && !text.chars().any(unfit) {
        Ok(text.trim().to_owned())
    } else {
        Err(FieldError { field, rule })
    }
}

/// An `http` or `https` address of at most 2048 characters.
///
/// # Errors
/// Names the field.
pub fn web_address(field: &'static str, text: &str) -> Result<String, FieldError> {
    let rule = "must be an http or https URL of at most 2048 characters";
    let fits = text.len() <= 2048
        && url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if fits { Ok(text.to_owned()) } else { Err(FieldError { field, rule }) }
}

/// Characters that change the direction of text, so that a name can read as another.
#[must_use]
pub fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_in_characters_and_unsafe_ones_are_refused() {
        assert_eq!(line("name", "  Nguyễn ", 6, "…").as_deref(), Ok("Nguyễn"));
        for text in ["", "   ", "sevenxx", "a\nb", "a\u{202e}b", "a\0"] {
            assert_eq!(line("name", text, 6, "…"), Err(FieldError { field: "name", rule: "…" }), "{text:?}");
        }
        assert_eq!(paragraph("bio", "a\nb", 3, "…").as_deref(), Ok("a\nb"));
        assert_eq!(paragraph("bio", "", 3, "…").as_deref(), Ok(""));
        assert!(paragraph("bio", "a\u{1b}", 3, "…").is_err());
        assert!(web_address("website", "https://example.org/a").is_ok());
        for text in ["", "javascript:alert(1)", "ftp://a.b", "//a.b", "https://"] {
            assert!(web_address("website", text).is_err(), "{text:?}");
        }
    }
}
