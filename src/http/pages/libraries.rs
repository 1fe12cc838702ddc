//! `/libraries`: which library to work at. With none there is access to ask for, with one nothing to choose.

use poem::{Response, Result, handler};

use super::view::{LibraryLine, Notice, Page};
use super::visit::Visit;
use crate::domain::Library;

/// The choice.
#[handler]
pub(super) async fn show(visit: Visit) -> Result<Response> {
    let caller = visit.caller()?;
    let libraries = visit.flows.my_libraries(&caller).await.map_err(super::library_problem)?;
    let stay = visit.query("stay").is_some();
    match libraries.as_slice() {
        [] if !stay => Ok(visit.go("/request-access")),
        [only] if !stay => {
            let home = visit.site.look.home_of(&only.code);
            Ok(visit.go(&home))
        }
        several => {
            let libraries = several.iter().map(|library| line(&visit, library)).collect();
            let welcome = (visit.query("done") == Some("invitation_accepted"))
                .then(|| Notice::success("invitation_accepted"));
            visit.show(&Page::Libraries { libraries, notice: welcome })
        }
    }
}

/// A library in a list.
pub(super) fn line(visit: &Visit, library: &Library) -> LibraryLine {
    LibraryLine {
        name: library.name.clone(),
        code: library.code.clone(),
        role: library.role.clone().unwrap_or_default(),
        href: visit.site.look.home_of(&library.code),
        city: library.address["city"].as_str().unwrap_or_default().to_owned(),
    }
}
