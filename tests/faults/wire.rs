//! What people send, and how its answers are to be taken: everything is noted in the tally.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::enumeration::seen;
use crate::raw::Raw;
use crate::tally::{Act, Came, Kind};
use crate::world::World;

pub(crate) const READER: &str = "reader.localhost:8080";

/// Longer than any answer may take, so that one that takes too long is seen to.
const PATIENCE: Duration = Duration::from_secs(15);

/// Somebody's client, with a network address of its own.
#[derive(Clone)]
pub(crate) struct Wire {
    world: Arc<World>,
    client: reqwest::Client,
    port: u16,
    from: IpAddr,
}

/// An answer, and how it is to be taken.
#[derive(Debug)]
pub(crate) enum Got {
    /// One that was to be expected.
    Fine(u16, Value),
    /// 429 or 503: not now, but after this time.
    TurnedAway(Duration),
    /// None.
    Unknown,
}

impl Got {
    /// The body of an answer with 200.
    pub(crate) fn ok(self) -> Option<Value> {
        match self {
            Self::Fine(200, body) => Some(body),
            _ => None,
        }
    }

    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Fine(status, _) => Some(*status),
            _ => None,
        }
    }
}

/// An address in 127/8 that most likely nobody else has.
pub(crate) fn somewhere() -> IpAddr {
    let [a, b, c, ..] = *Uuid::new_v4().as_bytes();
    Ipv4Addr::new(127, a.max(1), b, c.clamp(1, 254)).into()
}

impl Wire {
    /// Through the load balancer, from a new address.
    pub(crate) fn new(world: &Arc<World>) -> Self {
        Self::to(world, world.balancer.port, somewhere())
    }

    pub(crate) fn to(world: &Arc<World>, port: u16, from: IpAddr) -> Self {
        let client = reqwest::Client::builder().local_address(from).timeout(PATIENCE).no_proxy();
        Self { world: Arc::clone(world), client: client.build().unwrap(), port, from }
    }

    /// A request as it is sent.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let request = self.client.request(method, url).header("host", READER);
        request.header("x-supabase-api-version", "2024-01-01")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.request(Method::POST, path).header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn verification(&self, email: &str, code: &str) -> reqwest::RequestBuilder {
        self.post("/auth/v1/verify", &json!({"type": "email", "email": email, "token": code}))
    }

    pub(crate) fn refreshing(&self, token: &str) -> reqwest::RequestBuilder {
        self.post("/auth/v1/token?grant_type=refresh_token", &json!({"refresh_token": token}))
    }

    pub(crate) fn signing_out(&self, access: &str) -> reqwest::RequestBuilder {
        self.request(Method::POST, "/auth/v1/logout?scope=local").bearer_auth(access)
    }

    pub(crate) async fn ask(&self, email: &str) -> Got {
        self.send(Act::Ask, self.post("/auth/v1/otp", &json!({"email": email})), &[200]).await
    }

    /// Everything that an answer to asking shows.
    pub(crate) async fn sight_of_asking(&self, email: &str) -> (BTreeMap<String, HeaderValue>, String) {
        let answer = self.post("/auth/v1/otp", &json!({"email": email})).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        seen(answer).await
    }

    pub(crate) async fn verify(&self, email: &str, code: &str, fine: &[u16]) -> Got {
        self.send(Act::Verify, self.verification(email, code), fine).await
    }

    pub(crate) async fn refresh(&self, token: &str, fine: &[u16]) -> Got {
        self.send(Act::Refresh, self.refreshing(token), fine).await
    }

    pub(crate) async fn user(&self, access: &str, fine: &[u16]) -> Got {
        self.send(Act::User, self.request(Method::GET, "/auth/v1/user").bearer_auth(access), fine).await
    }

    pub(crate) async fn sign_out(&self, access: &str, fine: &[u16]) -> Got {
        self.send(Act::SignOut, self.signing_out(access), fine).await
    }

    /// Sends a request, notes what came, and says how it is to be taken.
    pub(crate) async fn send(&self, act: Act, request: reqwest::RequestBuilder, fine: &[u16]) -> Got {
        let began = Instant::now();
        let answer = async {
            let answer = request.send().await?;
            let (status, retry_after) = (answer.status().as_u16(), retry_after(answer.headers()));
            Ok::<_, reqwest::Error>((status, retry_after, answer.text().await?))
        };
        let answer = answer.await.map_err(|error| format!("{error:?}"));
        self.judge(act, answer, fine, began.elapsed())
    }

    /// Refreshes over a connection that is made for it and sends no word too many: thousands of these fit into one process.
    pub(crate) async fn refresh_plainly(&self, token: &str, fine: &[u16]) -> Got {
        let body = json!({"refresh_token": token}).to_string();
        let request = format!(
            "POST /auth/v1/token?grant_type=refresh_token HTTP/1.1\r\nHost: {READER}\r\nX-Supabase-Api-Version: 2024-01-01\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let began = Instant::now();
        let mut raw = Raw::from(&self.from.to_string(), &format!("127.0.0.1:{}", self.port)).await;
        raw.say(request).await;
        let answer = raw.answer().await.map(|answer| {
            let retry_after = answer.header("retry-after").and_then(|wait| wait.parse().ok());
            (answer.status, retry_after, answer.body)
        });
        self.judge(Act::Refresh, answer.ok_or_else(|| "an end".to_owned()), fine, began.elapsed())
    }

    fn judge(
        &self,
        act: Act,
        answer: Result<(u16, Option<u64>, String), String>,
        fine: &[u16],
        took: Duration,
    ) -> Got {
        let tally = &self.world.tally;
        let (came, got) = match answer {
            Ok((status, _, body)) if fine.contains(&status) => {
                (Came::Status(status), Got::Fine(status, serde_json::from_str(&body).unwrap_or_default()))
            }
            Ok((status @ (429 | 503), Some(wait @ 1..=30), _)) => {
                (Came::Status(status), Got::TurnedAway(Duration::from_secs(wait)))
            }
            // The load balancer's own words, which have no time to wait.
            Ok((502 | 504, None, body)) if body.starts_with("<html>") && self.world.was_killed_lately() => {
                (Came::Nothing, Got::Unknown)
            }
            Ok((status, wait, body)) => {
                tally.wrong(format!("{act:?} was answered {status} (Retry-After {wait:?}): {body}"));
                (Came::Status(status), Got::Unknown)
            }
            Err(error) => {
                if !self.world.was_killed_lately() {
                    tally.wrong(format!("{act:?} was not answered: {error}"));
                }
                (Came::Nothing, Got::Unknown)
            }
        };
        let kind = match &got {
            Got::Fine(..) => Kind::Final,
            Got::TurnedAway(_) => Kind::TurnedAway,
            Got::Unknown => Kind::Unknown,
        };
        tally.note(act, came, kind, took);
        got
    }
}

fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<u64> {
    headers.get("retry-after")?.to_str().ok()?.parse().ok()
}
