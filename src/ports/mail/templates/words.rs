//! Lines of the text part: people's own words marked, all of it broken at a width.
//!
//! What phrases and names are is in [`crate::domain::words`].

/// Columns of the text part. RFC 5322 §2.1.1 asks for at most 78; the rest is room for quoting.
const TEXT_WIDTH: usize = 72;

/// Marks every line of a message in a text part, so that none can pass for a line of ours. A word that is
/// longer than a line is broken.
pub(super) fn quote(lines: &[String]) -> String {
    const MARK: &str = "> ";
    let room = TEXT_WIDTH - MARK.len();
    let mut quoted = String::new();
    for line in lines {
        let mut pieces = Vec::new();
        for word in line.split_whitespace() {
            let chars: Vec<char> = word.chars().collect();
            pieces.extend(chars.chunks(room).map(String::from_iter));
        }
        if pieces.is_empty() {
            quoted.push_str(MARK);
        }
        fold(&mut quoted, MARK, pieces.iter().map(String::as_str));
        quoted.push('\n');
    }
    quoted
}

/// Breaks the lines of a text part at spaces, keeps their indent, and leaves one blank line where a template
/// left several.
pub(super) fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + 64);
    let mut blank = true;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            if !blank {
                wrapped.push('\n');
            }
            blank = true;
            continue;
        }
        blank = false;
        let indent = &line[..line.len() - line.trim_start().len()];
        fold(&mut wrapped, indent, line.split_whitespace());
        wrapped.push('\n');
    }
    wrapped.truncate(wrapped.trim_end().len());
    wrapped.push('\n');
    wrapped
}

/// Writes words with spaces between, and begins each line they need with `start`; ends none.
fn fold<'a>(text: &mut String, start: &str, words: impl Iterator<Item = &'a str>) {
    let mut column = 0;
    for word in words {
        let width = word.chars().count();
        if column > 0 && column + 1 + width <= TEXT_WIDTH {
            text.push(' ');
            column += 1;
        } else {
            if column > 0 {
                text.push('\n');
            }
            text.push_str(start);
            column = start.chars().count();
        }
        text.push_str(word);
        column += width;
    }
}
