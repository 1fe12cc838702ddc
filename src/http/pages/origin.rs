//! Which page a form stood on: where somebody goes back to from the answer to it, which has no address of its own.

use url::form_urlencoded;

use super::fields::Fields;

/// The page that has the form for a path.
pub(super) fn page_of(path: &str) -> &str {
    /// Forms and their pages, a longer path before those that it begins with.
    const FORMS: [(&str, &str); 7] = [
        ("/login/", "/login"),
        ("/welcome/", "/welcome"),
        ("/account/email/", "/account/email"),
        ("/account/delete", "/account/delete"),
        ("/account/", "/account"),
        ("/request-access/", "/request-access"),
        ("/access-requests/", "/access-requests"),
    ];
    if let Some(token) = path.strip_prefix("/invitations/") {
        let length = token.find('/').unwrap_or(token.len());
        return &path[..path.len() - token.len() + length];
    }
    FORMS.iter().find(|(form, _)| path.starts_with(form)).map_or(path, |(_, page)| page)
}

/// The same with where the form was to lead in the end, as its page had it in its address.
pub(super) fn with_destination(page: &str, fields: &Fields) -> String {
    match fields.text("redirectTo") {
        "" => page.to_owned(),
        destination => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            format!("{page}?{}", query.append_pair("redirectTo", destination).finish())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_its_page() {
        for (form, page) in [
            ("/login", "/login"),
            ("/login/code", "/login"),
            ("/welcome/skip", "/welcome"),
            ("/account/profile", "/account"),
            ("/account/sessions/end-others", "/account"),
            ("/account/email", "/account"),
            ("/account/email/confirm", "/account/email"),
            ("/account/delete", "/account/delete"),
            ("/account/delete/code", "/account/delete"),
            ("/request-access", "/request-access"),
            ("/request-access/withdraw", "/request-access"),
            ("/access-requests/decide", "/access-requests"),
            ("/invitations/abc/accept", "/invitations/abc"),
            ("/invitations/abc", "/invitations/abc"),
            ("/confirm", "/confirm"),
        ] {
            assert_eq!(page_of(form), page, "{form}");
        }
    }
}
