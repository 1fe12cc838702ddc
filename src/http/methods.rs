//! Which methods a path takes: the table that poem routes by, which can say it where another was asked for (RFC 9110
//! §15.5.6). Pages tell it as they are put together; an API's own document says it.

use std::sync::LazyLock;

use poem::endpoint::BoxEndpoint;
use poem::error::MethodNotAllowedError;
use poem::http::Method;
use poem::{Endpoint, EndpointExt, Error, IntoEndpoint, Request, Response, Result, RouteMethod};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::Value;

use super::Problem;
use super::edge::problem_of;
use crate::flows::SharedFlows;

/// What one path does, for each method that it takes.
pub(super) struct Methods {
    table: RouteMethod,
    taken: Vec<Method>,
}

/// A path that takes GET, and so HEAD.
pub(super) fn get<E: IntoEndpoint<Endpoint: 'static>>(endpoint: E) -> Methods {
    Methods { table: RouteMethod::new().get(endpoint), taken: vec![Method::GET] }
}

/// A path that takes POST.
pub(super) fn post<E: IntoEndpoint<Endpoint: 'static>>(endpoint: E) -> Methods {
    Methods { table: RouteMethod::new(), taken: Vec::new() }.post(endpoint)
}

impl Methods {
    /// The path takes POST too.
    pub(super) fn post<E: IntoEndpoint<Endpoint: 'static>>(mut self, endpoint: E) -> Self {
        self.taken.push(Method::POST);
        Self { table: self.table.post(endpoint), ..self }
    }
}

impl Endpoint for Methods {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        self.table.call(request).await.map_err(|error| with_allow(error, || self.taken.clone()))
    }
}

/// An API that says of its paths what they take. Its document is made where that is first asked.
struct Described<E> {
    service: E,
    paths: LazyLock<Paths, Box<dyn FnOnce() -> Paths + Send>>,
}

impl<E: Endpoint> Endpoint for Described<E> {
    type Output = E::Output;

    async fn call(&self, request: Request) -> Result<E::Output> {
        let uri = request.uri().clone();
        let answer = self.service.call(request).await;
        answer.map_err(|error| with_allow(error, || self.paths.methods(uri.path())))
    }
}

/// An API, ready to be nested under a path.
pub(super) fn service<T: OpenApi + 'static>(
    flows: &SharedFlows,
    api: fn(&SharedFlows) -> OpenApiService<T, ()>,
) -> BoxEndpoint<'static, Response> {
    let service = api(flows).map_to_response();
    let flows = SharedFlows::clone(flows);
    let paths = LazyLock::new(Box::new(move || Paths::of(&api(&flows).spec())) as Box<_>);
    Described { service, paths }.boxed()
}

fn with_allow(error: Error, taken: impl FnOnce() -> Vec<Method>) -> Error {
    if error.is::<MethodNotAllowedError>() {
        Problem { allow: Some(list(&taken()).into()), ..problem_of(&error) }.into()
    } else {
        error
    }
}

/// As `Allow` has it. Who takes GET takes HEAD: see `edge`.
fn list(taken: &[Method]) -> String {
    let names = taken.iter().map(|method| if method == Method::GET { "GET, HEAD" } else { method.as_str() });
    names.collect::<Vec<_>>().join(", ")
}

/// The paths of an OpenAPI document, and what they take.
struct Paths(Vec<(String, Vec<Method>)>);

impl Paths {
    fn of(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let paths = document["paths"].as_object().into_iter().flatten();
        Self(
            paths
                .map(|(path, operations)| {
                    let methods = operations.as_object().into_iter().flat_map(|methods| methods.keys());
                    (path.clone(), methods.filter_map(|name| name.to_uppercase().parse().ok()).collect())
                })
                .collect(),
        )
    }

    /// What a path takes: that of the description which leaves the least open, as the framework routes it.
    fn methods(&self, path: &str) -> Vec<Method> {
        let described =
            self.0.iter().filter_map(|(described, methods)| Some((open(described, path)?, methods)));
        described.min_by_key(|(open, _)| *open).map(|(_, methods)| methods.clone()).unwrap_or_default()
    }
}

/// How many parts of a path its description leaves open; nothing if it describes another one.
fn open(described: &str, path: &str) -> Option<usize> {
    let (mut wanted, mut given) = (described.split('/'), path.split('/'));
    let mut open = 0;
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(open),
            (Some(part), Some(value)) if part.starts_with('{') && !value.is_empty() => open += 1,
            (Some(part), Some(value)) if part == value => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_takes_what_its_closest_description_says() {
        let paths = Paths::of(
            r#"{"paths": {"/users": {"get": {}, "post": {}}, "/users/{id}": {"get": {}, "delete": {}},
                "/users/export": {"post": {}}, "/users/{id}/keys/{key}": {"put": {}}}}"#,
        );
        for (path, allow) in [
            ("/users", "GET, HEAD, POST"),
            ("/users/7", "DELETE, GET, HEAD"),
            ("/users/export", "POST"),
            ("/users/7/keys/8", "PUT"),
            ("/users/7/keys", ""),
            ("/users/", ""),
            ("/people", ""),
        ] {
            assert_eq!(list(&paths.methods(path)), allow, "{path}");
        }
    }
}
