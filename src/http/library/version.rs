//! Versions as entity tags: two people who edit the same thing do not overwrite each other (RFC 9110 §13.1.1).

use poem::http::StatusCode;

use crate::http::Problem;

/// A version as `ETag` writes it.
pub(in crate::http) fn entity_tag(version: i32) -> String {
    format!("\"{version}\"")
}

/// The version that a change was made on, as `If-Match` sends it back.
pub(in crate::http) fn required(if_match: Option<&str>) -> Result<i32, Problem> {
    let Some(tag) = if_match else {
        return Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "precondition_required",
            "Send the ETag of what you have read as If-Match, so that nobody's change is overwritten",
        ));
    };
    tag.trim()
        .strip_prefix('"')
        .and_then(|tag| tag.strip_suffix('"'))
        .and_then(|version| version.parse().ok())
        .ok_or_else(|| Problem::invalid("If-Match must be the ETag as it was sent, such as \"3\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_comes_back_as_it_went_out_and_nothing_else_does() {
        assert_eq!(required(Some(&entity_tag(7))), Ok(7));
        assert_eq!(required(None).unwrap_err().status, StatusCode::PRECONDITION_REQUIRED);
        for tag in ["", "7", "*", "W/\"7\"", "\"x\"", "\"7", "\"7\", \"8\"", "\"99999999999\""] {
            assert_eq!(required(Some(tag)).unwrap_err().status, StatusCode::BAD_REQUEST, "{tag}");
        }
    }
}
