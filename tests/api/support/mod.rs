//! What every story needs: a running server, its mail, and a way to move time.

pub(crate) mod app;
pub(crate) mod browser;
pub(crate) mod cluster;
pub(crate) mod collector;
pub(crate) mod database;
pub(crate) mod embedded;
pub(crate) mod libraries;
pub(crate) mod own;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod services;
pub(crate) mod shipped;

pub(crate) use app::{Answer, TestApp};
pub(crate) use browser::Browser;
pub(crate) use collector::Collector;
pub(crate) use redis::OwnRedis;
pub(crate) use services::Services;

/// Tells each story on both backends, as `story::services` and `story::embedded`.
macro_rules! on_both_backends {
    ($($(#[doc = $doc:literal])* async fn $name:ident($app:ident: TestApp) $story:block)*) => {
        $(
            mod $name {
                use super::*;

                async fn story($app: TestApp) $story

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn services() {
                    story(TestApp::on_services().await).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn embedded() {
                    story(TestApp::on_embedded().await).await;
                }
            }
        )*
    };
}
pub(crate) use on_both_backends;
