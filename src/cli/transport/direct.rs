//! The admin API in this process: the same operations, called without a server as whoever holds the configuration.

use anyhow::Context as _;
use doorcode::app::Operation;
use doorcode::config::Config;
use doorcode::http::operator_api;
use doorcode::ports::clock::Clock;
use poem::endpoint::BoxEndpoint;
use poem::{Body, Endpoint as _, Request, Response};

use super::{Answer, Call, read};

/// An open database and the API over it.
pub(in crate::cli) struct Direct {
    operation: Operation,
    api: BoxEndpoint<'static, Response>,
}

impl Direct {
    pub(in crate::cli) async fn open(config: &Config) -> anyhow::Result<Self> {
        let operation = Operation::open(config, Clock::System).await?;
        let api = operator_api(&operation.flows());
        Ok(Self { operation, api })
    }

    pub(super) async fn call(&self, call: &Call) -> anyhow::Result<Answer> {
        let target = call.target().parse().context("the call has no proper path")?;
        let mut request = Request::builder().method(call.method.clone()).uri(target);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let request = match &call.body {
            Some(body) => request.content_type("application/json").body(Body::from(body.to_string())),
            None => request.finish(),
        };
        let mut response = self.api.call(request).await.context("the API did not answer")?;
        let body = response.take_body().into_bytes().await.context("the answer cannot be read")?;
        let etag = response.header("etag").map(str::to_owned);
        Ok(Answer { status: response.status().as_u16(), etag, body: read(&body) })
    }

    pub(super) async fn close(self) {
        self.operation.close().await;
    }
}
